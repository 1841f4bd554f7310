"""Plays schedules and judges them."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from policies.model import State
from tests.twin.excluded import EXCLUDED
from tests.twin.faults import Fault
from tests.twin.fleet import Fleet
from tests.twin.invariants import INVARIANTS, Breach, breaches
from tests.twin.load import WARM_TICKS, Load
from tests.twin.play import Controller, Moment, Twin
from tests.twin.schedule import Schedule, schedule


@dataclass(frozen=True)
class Verdict:
    """How a schedule went. Breaches that are excluded with a reason are apart."""

    seed: int
    kind: str
    breaches: tuple[Breach, ...]
    excluded: tuple[Breach, ...]
    seconds: float


@dataclass(frozen=True)
class Pair:
    """The moments of both twins by tick."""

    schedule: Schedule
    clean: list[Moment | None]
    faulted: list[Moment | None]
    witnessed: list[Moment | None]  # of the faulted one's fleet
    crash: str = ""


class Clean:
    """The clean twin of a load: played as far as it is asked for, and forked where the faults begin."""

    def __init__(self, load: Load) -> None:
        twin = Twin(Fleet.warm(load), Controller(load, State()))
        twin.controller.runtime.begin(0.0)
        self.warm: list[Moment | None] = [twin.tick(tick) for tick in range(WARM_TICKS)]
        self.fork = twin
        self._beside: list[Moment | None] = []
        self._on = twin.copy()

    def moments(self, of: Schedule) -> list[Moment | None]:
        """Up to the schedule's last tick."""
        if all(type(each).both is Fault.both for each in of.faults):
            while len(self.warm) + len(self._beside) <= of.last:
                self._beside.append(self._on.tick(len(self.warm) + len(self._beside)))
            return [*self.warm, *self._beside[: of.last + 1 - WARM_TICKS]]
        twin = self.fork.copy()
        return [*self.warm, *(twin.tick(tick, beside=of.faults) for tick in range(WARM_TICKS, of.last + 1))]


@lru_cache(maxsize=1)
def clean(load: Load) -> Clean:
    """The clean twin of a load; the last one is kept."""
    return Clean(load)


def played(seed: int) -> Pair:
    """Both twins of a seed."""
    of = schedule(seed)
    ours = clean(of.load)
    twin = ours.fork.copy(witnessed=True)
    faulted: list[Moment | None] = list(ours.warm)
    try:
        for tick in range(WARM_TICKS, of.last + 1):
            faulted.append(twin.tick(tick, of.faults))  # noqa: PERF401  # what was played before a crash is kept
    except Exception as error:  # noqa: BLE001  # whatever it is, it is a breach
        return Pair(of, ours.moments(of), faulted, [*ours.warm, *twin.witnessed], f"{type(error).__name__}: {error}")
    return Pair(of, ours.moments(of), faulted, [*ours.warm, *twin.witnessed])


def judged(seed: int) -> Verdict:
    """The verdict on a seed."""
    began = time.process_time()
    pair = played(seed)
    of = pair.schedule
    found = breaches(of, pair.clean, pair.faulted, pair.witnessed)
    if pair.crash:
        found.append(Breach("crash", len(pair.faulted), pair.crash))
    excused = [each for each in found if any(reason.covers(of, each.invariant) for reason in EXCLUDED)]
    kept = tuple(each for each in found if each not in excused)
    return Verdict(seed, of.kind, kept, tuple(excused), time.process_time() - began)


def judged_all(seeds: Sequence[int]) -> list[Verdict]:
    """The verdicts on some seeds, in order."""
    return [judged(seed) for seed in seeds]


def table(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Schedules, breaches and seconds by kind of fault."""
    kinds = sorted({each.kind for each in verdicts})
    yield f"{'fault':24}{'schedules':>10}" + "".join(f"{name:>11}" for name in INVARIANTS) + f"{'s/schedule':>12}"
    for kind in [*kinds, "all"]:
        rows = [each for each in verdicts if kind in (each.kind, "all")]
        counts = [sum(b.invariant == name for row in rows for b in row.breaches) for name in INVARIANTS]
        seconds = sum(row.seconds for row in rows) / len(rows)
        yield f"{kind:24}{len(rows):>10}" + "".join(f"{count or '-':>11}" for count in counts) + f"{seconds:>12.2f}"
