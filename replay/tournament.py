"""One scenario, played by every contender; one with a knob is tuned on this very scenario."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from crds.workload import Workload
from replay.contenders.contender import Contender, Entry, Knob, Setup, Watch
from replay.contenders.registry import CONTENDERS
from replay.driver import Outcome, run
from replay.frontier import Pick, Sweep, most_runs, sweep
from replay.scenario.scenario import Scenario

Progress = Callable[[str, float], None]  # who plays, and the share of everything that is done


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the standings: a contender as it comes, or a pick of its sweep with the value of its knob."""

    contender: Entry
    outcome: Outcome
    pick: Pick | None = None
    knob_value: float | None = None

    @property
    def key(self) -> str:
        """Unique among the rows."""
        return self.contender.key if self.pick is None else f"{self.contender.key}_{self.pick}"


class Tuning(NamedTuple):
    """One contender's sweep."""

    contender: Entry
    knob: Knob
    sweep: Sweep


@dataclass(frozen=True, slots=True)
class Standings:
    """What every contender came to on one scenario. The first row is ours."""

    scenario: Scenario
    workload: Workload
    rows: tuple[Row, ...]
    tunings: tuple[Tuning, ...]

    @property
    def ours(self) -> Outcome:
        """Our outcome, which the others are compared with."""
        return self.rows[0].outcome


def play(
    scenario: Scenario,
    workload: Workload,
    *,
    contenders: Sequence[Entry] = CONTENDERS,
    watch: Watch = lambda _before, _inputs, _result: None,
    progress: Progress = lambda _name, _share: None,
    ours: Outcome | None = None,
) -> Standings:
    """Play the scenario with every contender. `watch` is called with each decision of Outrider.

    The first contender must have a `make`. `ours` is its outcome where it has been played already, live.
    """
    setup = Setup(workload, scenario.hardware.max_num_seqs, scenario.past, watch)
    runs = sum(_most_runs(entry, setup) for entry in contenders)
    played = 0

    def play_one(name: str, contender: Contender) -> Outcome:
        nonlocal played
        done = played / runs
        played += 1
        return run(
            scenario,
            contender,
            lambda share: progress(name, done + share / runs),
            workload.policy.queue_wait_seconds,
        )

    rows: list[Row] = []
    tunings: list[Tuning] = []
    for entry in contenders:
        if entry.make is not None:
            outcome = play_one(entry.name, entry.make(setup)) if rows or ours is None else ours
            rows.append(Row(entry, outcome))
        if entry.knob is not None:
            found = _tuned(entry, entry.knob, setup, rows[0].outcome, play_one)
            tunings.append(Tuning(entry, entry.knob, found))
            rows += [Row(entry, tried.outcome, pick, tried.value) for pick, tried in found.picks.items()]
    progress("", 1.0)
    return Standings(scenario, workload, tuple(rows), tuple(tunings))


def _tuned(
    entry: Entry, knob: Knob, setup: Setup, reference: Outcome, play_one: Callable[[str, Contender], Outcome]
) -> Sweep:
    def play_value(value: float) -> Outcome:
        return play_one(f"{entry.name}, {value:g}", knob.make(setup, value))

    return sweep(play_value, knob.grid(setup), knob.between, reference)


def _most_runs(entry: Entry, setup: Setup) -> int:
    return (entry.make is not None) + (0 if entry.knob is None else most_runs(entry.knob.grid(setup)))
