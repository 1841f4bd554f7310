"""One cluster, played by every contender; one with a knob is tuned on this very scenario, with one value for all workloads."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from replay.cluster_contenders import Contending, Played, make
from replay.cluster_run import ClusterOutcome, run

MACRO, WORST = 0.99, 0.975  # what a tuned contender attains at least
DEFAULT = (Contending("outrider"), Contending("reactive"), Contending("token_rate"))


@dataclass(frozen=True, slots=True, eq=False)
class ClusterRun:
    """A contender on a cluster, as it comes or with its knob at a value. Another process can play it."""

    played: Played
    contending: Contending
    value: float | None = None

    @property
    def name(self) -> str:
        """For the progress, and in the table."""
        return self.contending.name if self.value is None else f"{self.contending.name} at {self.value:g}"

    def play(self, progress: Callable[[float], None] = lambda _share: None) -> ClusterOutcome:
        """Play it here."""
        played = self.played.given(self.contending)
        waits = {name: each.policy.queue_wait_seconds for name, each in played.workloads.items()}
        return run(played.scenario, make(played, self.contending, self.value), waits, progress)


@dataclass(frozen=True, slots=True)
class ClusterRow:
    """One line of the standings."""

    run: ClusterRun
    outcome: ClusterOutcome
    tried: tuple[tuple[float, ClusterOutcome], ...] = ()  # of a tuned one: every value, ascending
    attains: bool = True  # of a tuned one: whether any value attains what it is tuned for


@dataclass(frozen=True, slots=True)
class ClusterStandings:
    """What every contender came to on one cluster. The first row is what the others are compared with."""

    played: Played
    rows: tuple[ClusterRow, ...]


ClusterProgress = Callable[[str, float, int], None]  # what is played, how many runs are done, and of how many
Map = Callable[[Sequence[ClusterRun], Callable[[ClusterRun, float], None]], Iterator[tuple[int, ClusterOutcome]]]


def here(
    runs: Sequence[ClusterRun], progress: Callable[[ClusterRun, float], None]
) -> Iterator[tuple[int, ClusterOutcome]]:
    """Play them one after the other, in this process."""
    for place, each in enumerate(runs):
        yield place, each.play(lambda share, each=each: progress(each, share))  # type: ignore[misc]


def play(
    played: Played,
    contenders: Sequence[tuple[Contending, float | None]] = (),
    *,
    plays: Map = here,
    progress: ClusterProgress = lambda _name, _done, _most: None,
) -> ClusterStandings:
    """Play each contender, with the value of its knob. One without a value that needs one is tuned."""
    asked = tuple(contenders) or tuple((each, None) for each in DEFAULT)
    groups = [[ClusterRun(played, each, at) for at in _values(played, each, value)] for each, value in asked]
    runs = [each for group in groups for each in group]
    found: dict[int, ClusterOutcome] = {}
    for place, outcome in plays(runs, lambda each, share: progress(each.name, len(found) + share, len(runs))):
        found[place] = outcome
        progress(runs[place].name, len(found), len(runs))
    outcomes = iter([found[place] for place in range(len(runs))])
    return ClusterStandings(played, tuple(_row(group, [next(outcomes) for _ in group]) for group in groups))


def _values(played: Played, contending: Contending, value: float | None) -> Sequence[float | None]:
    entry = contending.entry
    if value is not None or entry.make is not None or entry.knob is None:
        return (value,)
    grids = [entry.knob.grid(played.setup(each)) for each in played.scenario.workloads]
    return tuple(sorted({at for grid in grids for at in grid}))


def _row(group: Sequence[ClusterRun], outcomes: Sequence[ClusterOutcome]) -> ClusterRow:
    if len(group) == 1:
        return ClusterRow(group[0], outcomes[0])
    tried = list(zip(group, outcomes, strict=True))
    good = [pair for pair in tried if attains(pair[1])]
    best = min(good, key=lambda pair: pair[1].score.gpu_hours) if good else max(tried, key=lambda pair: pair[1].macro)
    values = tuple((each.value or 0.0, outcome) for each, outcome in tried)
    return ClusterRow(*best, tried=values, attains=bool(good))


def attains(outcome: ClusterOutcome) -> bool:
    """Whether it serves every workload as well as a tuned contender has to."""
    return outcome.macro >= MACRO and outcome.worst >= WORST
