"""One scenario, played by every contender; one with a knob is tuned on this very scenario."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from crds.workload import Workload
from replay.contenders.contender import Entry, Knob, Setup, Watch
from replay.contenders.registry import CONTENDERS
from replay.driver import Outcome
from replay.frontier import Pick, Sweep, most_runs, sweep
from replay.optimum import MOST_RUNS, Optimum, best
from replay.runs import Play, Progress, Run, RunProgress, here, outcomes
from replay.scenario.scenario import Scenario
from replay.sim.serving import engine_of


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
    """What every contender came to on one scenario. The first row is ours. The clairvoyant is none of them: it knows the traffic."""

    scenario: Scenario
    workload: Workload
    rows: tuple[Row, ...]
    tunings: tuple[Tuning, ...]
    clairvoyant: Optimum | None  # at the SLO's attainment; None where no schedule that was tried attains it

    @property
    def played(self) -> tuple[Row, ...]:
        """The rows without those that repeat another: one value may be both picks of a sweep."""
        return tuple({(row.contender.key, row.knob_value): row for row in reversed(self.rows)}.values())[::-1]

    @property
    def ours(self) -> Outcome:
        """Our outcome, which the others are compared with."""
        return self.rows[0].outcome


def play(
    scenario: Scenario,
    workload: Workload,
    *,
    contenders: Sequence[Entry] = CONTENDERS,
    play: Play = here,
    watch: Watch | None = None,
    progress: Progress = lambda _name, _done, _most: None,
    ours: Outcome | None = None,
) -> Standings:
    """Play the scenario with every contender, and find the clairvoyant's schedule.

    `watch` is called with each decision of Outrider, which then plays in this process. The first contender must have a
    `make`. `ours` is its outcome where it has been played already, live.
    """
    setup = Setup(scenario.resolved(workload), engine_of(scenario.hardware), scenario.past)
    grids = {entry.key: tuple(dict.fromkeys(entry.knob.grid(setup))) for entry in contenders if entry.knob}
    most = sum(entry.make is not None for entry in contenders) + sum(map(most_runs, grids.values())) + MOST_RUNS
    known: dict[tuple[str, float | None], Outcome] = {}

    def play_all(entry_values: Iterable[tuple[Entry, float | None]], play: Play = play) -> list[Outcome]:
        asked = [(_run(entry, value, scenario, workload), (entry.key, value)) for entry, value in entry_values]
        missing = {run: key for run, key in asked if key not in known}
        found = outcomes(tuple(missing), play, progress, len(known), most)
        known.update((missing[run], outcome) for run, outcome in found.items())
        return [known[key] for _, key in asked]

    first = contenders[0]
    if ours is not None:
        known[first.key, None] = ours
    elif watch is not None:
        play_all([(first, None)], partial(_watched, watch))
    untuned = [(entry, None) for entry in contenders if entry.make is not None]
    play_all([*untuned, *((entry, value) for entry in contenders for value in grids.get(entry.key, ()))])

    rows: list[Row] = []
    tunings: list[Tuning] = []
    for entry in contenders:
        if entry.make is not None:
            rows.append(Row(entry, known[entry.key, None]))
        if entry.knob is not None:
            found = sweep(
                lambda values, entry=entry: play_all((entry, value) for value in values),  # type: ignore[misc]
                grids[entry.key],
                entry.knob.between,
                rows[0].outcome,
            )
            tunings.append(Tuning(entry, entry.knob, found))
            rows += [Row(entry, tried.outcome, pick, tried.value) for pick, tried in found.picks.items()]
    shares = (workload.policy.attainment,)
    (clairvoyant,) = best(scenario, workload, shares, play=play, progress=progress, done=len(known), most=most)
    progress("", most, most)
    return Standings(scenario, workload, tuple(rows), tuple(tunings), clairvoyant)


def _run(entry: Entry, value: float | None, scenario: Scenario, workload: Workload) -> Run:
    return Run(entry.name if value is None else f"{entry.name}, {value:g}", entry, scenario, workload, value)


def _watched(watch: Watch, runs: Sequence[Run], progress: RunProgress, /) -> Iterator[tuple[Run, Outcome]]:
    for run in runs:
        yield run, run.play(partial(progress, run), watch)
