"""Runs one contender against one simulated cluster: whatever is due next acts, and the world advances in between."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from replay.scenario.scenario import Scenario
from replay.sim.hpa import Hpa
from replay.sim.views import Score
from replay.sim.world import World


@dataclass
class Periodic:
    """Something that happens every `period_seconds`, next at `due_seconds` (Unix)."""

    due_seconds: float
    period_seconds: float
    act: Callable[[float], None]


class Contender(Protocol):
    """What scales: a policy of ours, or a peer. It sees of the world only what its real version would see."""

    name: str

    def attach(self, world: World) -> Sequence[Periodic]:
        """Take control of a world; of two that are due together, the first in the list acts first."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One contender's run. `attainment` is the share of requests whose queue wait is within the SLO's."""

    name: str
    score: Score
    attainment: float


def run(
    scenario: Scenario,
    contender: Contender,
    progress: Callable[[float], None] = lambda _share: None,
    slo_wait_seconds: float = 5.0,
) -> Outcome:
    """Play the scenario to its end. `progress` is told the share that is done, now and then."""
    world = World(scenario)
    duties = list(contender.attach(world))
    start, end = scenario.start_seconds, scenario.start_seconds + scenario.duration_seconds
    told = 0.0
    while True:
        duty = min(duties, key=lambda item: item.due_seconds)
        if duty.due_seconds > end:
            break
        world.advance(duty.due_seconds)
        duty.act(duty.due_seconds)
        duty.due_seconds += duty.period_seconds
        share = (world.now_seconds - start) / scenario.duration_seconds
        if share >= told + 0.01:
            told = share
            progress(share)
    world.advance(end)
    progress(1.0)
    return Outcome(contender.name, world.score(), world.share_within(slo_wait_seconds))


def follow(world: World, hpa: Hpa, now_seconds: float, usage: float | None, target: float) -> None:
    """One sync of the HPA, and what it writes to the scale target. `usage` is its metric; None where it has none."""
    status = sum(1 for pod in world.pods() if not pod.terminating)
    world.scale(hpa.sync(now_seconds, world.spec_replicas, status, usage, target))
