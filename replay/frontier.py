"""The sweep of a contender's knob: several values are played on the very trace that is scored, ever finer around the best.

Two picks are made in hindsight, since one number cannot be right for both questions: what the contender attains for no
more GPU-hours than the reference, and what it costs to attain no less.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from replay.driver import Outcome

ROUNDS = 2  # of finer steps, each up to two around each pick


class Pick(StrEnum):
    """Which value of a knob is shown."""

    AT_COST = "at_cost"
    AT_ATTAINMENT = "at_attainment"


class Costed:
    """Something that was played: what it cost and attained."""

    __slots__ = ()
    outcome: Outcome

    @property
    def gpu_hours(self) -> float:
        """What it cost."""
        return self.outcome.score.gpu_hours

    @property
    def attainment(self) -> float:
        """Share of requests within the SLO's wait."""
        return self.outcome.attainment


CostedT = TypeVar("CostedT", bound=Costed)


@dataclass(frozen=True, slots=True)
class Tried(Costed):
    """One value of the knob, and what it came to."""

    value: float
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Sweep:
    """All values that were played, ascending, and the picks. A pick for which no value qualifies is missing."""

    tried: tuple[Tried, ...]
    picks: Mapping[Pick, Tried]


def sweep(
    play: Callable[[Sequence[float]], Iterable[Outcome]],
    grid: Iterable[float],
    between: Callable[[float, float], float],
    reference: Outcome,
) -> Sweep:
    """Play the grid, then finer around the picks. `play` plays several values, `between` gives a value halfway between two."""
    gpu_hours, attainment = reference.score.gpu_hours, reference.attainment
    tried: list[Tried] = []
    values = tuple(dict.fromkeys(grid))
    for finer_rounds_left in reversed(range(ROUNDS + 1)):
        tried += map(Tried, values, play(values))
        values = finer(tried, between, gpu_hours, attainment) if finer_rounds_left else ()
    picks = {Pick.AT_COST: at_cost(tried, gpu_hours), Pick.AT_ATTAINMENT: at_attainment(tried, attainment)}
    return Sweep(
        tuple(sorted(tried, key=lambda each: each.value)),
        {pick: found for pick, found in picks.items() if found is not None},
    )


def most_runs(grid: Sequence[float]) -> int:
    """How often a sweep plays at the most."""
    return len(grid) + 4 * ROUNDS


def efficient(tried: Iterable[CostedT]) -> tuple[CostedT, ...]:
    """Those that no other beats (Pareto), the cheapest first; of equals the first that was tried."""
    found: list[CostedT] = []
    for each in sorted(tried, key=lambda it: (it.gpu_hours, -it.attainment)):
        if not found or each.attainment > found[-1].attainment:
            found.append(each)
    return tuple(found)


def at_cost(tried: Iterable[CostedT], gpu_hours: float) -> CostedT | None:
    """The best attainment among those that cost no more; of equals the cheaper. None where all cost more."""
    able = (each for each in tried if each.gpu_hours <= gpu_hours)
    return max(able, key=lambda each: (each.attainment, -each.gpu_hours), default=None)


def at_attainment(tried: Iterable[CostedT], attainment: float) -> CostedT | None:
    """The cheapest among those that attain no less; of equals the better. None where all attain less."""
    able = (each for each in tried if each.attainment >= attainment)
    return min(able, key=lambda each: (each.gpu_hours, -each.attainment), default=None)


def finer(
    tried: Sequence[Tried], between: Callable[[float, float], float], gpu_hours: float, attainment: float
) -> tuple[float, ...]:
    """A finer round: values halfway between each pick and its neighbours.

    Where nothing qualifies, around what comes nearest to it.
    """
    known = sorted(each.value for each in tried)
    around = {
        (at_cost(tried, gpu_hours) or min(tried, key=lambda each: each.gpu_hours)).value,
        (at_attainment(tried, attainment) or max(tried, key=lambda each: each.attainment)).value,
    }
    halfway = (between(value, neighbour) for value in around for neighbour in _neighbours(known, value))
    return tuple(sorted(set(halfway) - set(known)))


def _neighbours(known: Sequence[float], value: float) -> Iterator[float]:
    place = known.index(value)
    yield from known[max(0, place - 1) : place]
    yield from known[place + 1 : place + 2]
