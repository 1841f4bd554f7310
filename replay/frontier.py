"""How the HPA is tuned: its target is swept on the very trace it is then judged on, and the best is picked by hindsight.

Two picks, since one number cannot be right for both questions: what it attains for no more GPU-hours than the other
contender, and what it costs to attain no less.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

LEAST_SHARE, MOST_SHARE, STEPS = 0.03, 0.8, 9  # of max_num_seqs, at equal ratios of 1.5
ROUNDS = 2  # of finer steps: 1.23 and 1.11 around the picks


@dataclass(frozen=True, slots=True)
class Point:
    """One target in flight per replica, what it cost and what it attained."""

    target: float
    gpu_hours: float
    attainment: float


def targets(max_num_seqs: int) -> tuple[float, ...]:
    """The first round: in flight per replica, ascending."""
    ratio = (MOST_SHARE / LEAST_SHARE) ** (1 / (STEPS - 1))
    return tuple(rounded(LEAST_SHARE * ratio**step * max_num_seqs) for step in range(STEPS))


def at_cost(points: Iterable[Point], gpu_hours: float) -> Point | None:
    """The best attainment among those that cost no more; of equals the cheaper. None where all cost more."""
    able = (point for point in points if point.gpu_hours <= gpu_hours)
    return max(able, key=lambda point: (point.attainment, -point.gpu_hours), default=None)


def at_attainment(points: Iterable[Point], attainment: float) -> Point | None:
    """The cheapest among those that attain no less; of equals the better. None where all attain less."""
    able = (point for point in points if point.attainment >= attainment)
    return min(able, key=lambda point: (point.gpu_hours, -point.attainment), default=None)


def finer(points: Sequence[Point], gpu_hours: float, attainment: float) -> tuple[float, ...]:
    """A finer round: targets halfway between each pick and its neighbours.

    Where nothing qualifies, around what comes nearest to it.
    """
    known = sorted(point.target for point in points)
    around = {
        (at_cost(points, gpu_hours) or min(points, key=lambda point: point.gpu_hours)).target,
        (at_attainment(points, attainment) or max(points, key=lambda point: point.attainment)).target,
    }
    return tuple(sorted(set(_halfway(known, around)) - set(known)))


def _halfway(known: list[float], around: Iterable[float]) -> Iterator[float]:
    for target in around:
        place = known.index(target)
        for neighbour in known[max(0, place - 1) : place] + known[place + 1 : place + 2]:
            yield rounded(math.sqrt(target * neighbour))


def rounded(target: float) -> float:
    """As a person would write it: whole numbers, and tenths below ten. At least 0.1."""
    return max(0.1, round(target, 1)) if target < 10 else float(round(target))
