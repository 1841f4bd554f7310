"""Small fleets: where rounding up dominates, the count with the least sum of replicas and of late work (a newsvendor).

Demand over the lead is the level, moved by a Student t with 5 degrees of freedom: log demand has tails as heavy as that.
"""

import math
from itertools import pairwise

from policies.level import LEVEL_OFFSET

MOST_REPLICAS = 4  # above, the quantile of the volatility floor costs the same
LATE_COST = 1.7  # replicas that one replica of late work is worth, over the share of requests that may be late
DRIFT, SPREAD = 0.065, 1.37  # of the moves over a lead of 270 s, in deviations
RAREST = 1e-4  # rarer moves are left out
POINTS = 48


def cheapest_count(level: float, deviation: float, most: int, attainment: float) -> int:
    """The count from 1 to `most` that costs least.

    `level` is in replicas, `deviation` that of log demand over the lead.
    """
    late_cost = LATE_COST / (1.0 - attainment)
    demands = [((level + LEVEL_OFFSET) * math.exp(deviation * move) - LEVEL_OFFSET, p) for move, p in MOVES]

    def cost(count: int) -> float:
        return count + late_cost * sum([p * (demand - count) for demand, p in demands if demand > count])

    return min(range(1, most + 1), key=cost)


def student5(t: float) -> float:
    """The distribution function of Student's t with 5 degrees of freedom (Abramowitz and Stegun 26.7.3)."""
    angle = math.atan(t / math.sqrt(5.0))
    cos = math.cos(angle)
    return 0.5 + (angle + math.sin(angle) * cos * (1.0 + 2.0 / 3.0 * cos * cos)) / math.pi


def _quantile(probability: float) -> float:
    low, high = 0.0, 50.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if student5(middle) < probability else (low, middle)
    return low


def _moves() -> tuple[tuple[float, float], ...]:
    """(move, probability) of the upper half: the ever finer steps of its tail have equal ratios."""
    tails = [0.5 * (2.0 * RAREST) ** (step / POINTS) for step in range(POINTS + 1)]
    return tuple((DRIFT + SPREAD * _quantile(1.0 - (far + near) / 2), near - far) for near, far in pairwise(tails))


MOVES = _moves()
