"""Runs one contender against one simulated cluster: whatever is due next acts, and the world advances in between."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from replay.contenders.contender import Contender, Periodic
from replay.contenders.view import View
from replay.scenario.scenario import Scenario
from replay.sim.views import Score
from replay.sim.world import World


@dataclass(frozen=True, slots=True)
class Outcome:
    """One contender's run. `attainment` is the share of requests whose queue wait is within the SLO's."""

    score: Score
    attainment: float


def run(
    scenario: Scenario,
    contender: Contender,
    progress: Callable[[float], None] = lambda _share: None,
    slo_wait_seconds: float = 5.0,
) -> Outcome:
    """Play the scenario to its end. `progress` is called with the share that is done, at each hundredth."""
    world = World(scenario)
    duties = list(contender.attach(View(world)))
    play_duties(world, duties, scenario.start_seconds, scenario.duration_seconds, progress)
    return Outcome(world.score(), world.share_within(slo_wait_seconds))


class Advances(Protocol):
    """A simulated cluster, of one workload or of several."""

    @property
    def now_seconds(self) -> float:
        """Unix time."""

    def advance(self, to_seconds: float) -> None:
        """Let everything happen up to then."""


def play_duties(
    world: Advances,
    duties: Sequence[Periodic],
    start_seconds: float,
    duration_seconds: float,
    progress: Callable[[float], None],
) -> None:
    """Do what is due next, and let the world advance in between, up to the end."""
    end, reported = start_seconds + duration_seconds, 0.0
    while True:
        duty = min(duties, key=lambda item: item.due_seconds)
        if duty.due_seconds > end:
            break
        world.advance(duty.due_seconds)
        duty.act(duty.due_seconds)
        duty.due_seconds += duty.period_seconds
        share = (world.now_seconds - start_seconds) / duration_seconds
        if share >= reported + 0.01:
            reported = share
            progress(share)
    world.advance(end)
    progress(1.0)
