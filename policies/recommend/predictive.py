"""The floor for a lead time: the level plus headroom for its recent volatility, or the forecast if it has skill."""

import math
from itertools import pairwise

from policies.combine import whole
from policies.ladder import headroom_deviations, relative_headroom
from policies.level import LEVEL_OFFSET, VOLATILITY_PRIOR
from policies.model import Fan, Filters, Policy, Reason, Rule
from policies.recommend.small import MOST_REPLICAS, cheapest_count

BASE_DEVIATION = 0.02
DEVIATION_LIMIT = 0.4
FAN_STALE_SECONDS = 180.0


def volatility_floor(policy: Policy, filters: Filters, lead_seconds: float) -> Reason | None:
    """Enough for the level to grow as it usually does over the lead: (level + c) * exp(z * sigma) - c.

    z is trimmed by the requests that were late. Of a few replicas, the last may cost more than the late requests that it
    saves: then fewer.
    """
    if filters.level is None:
        return None
    moves = VOLATILITY_PRIOR if filters.volatility is None else filters.volatility
    sigma = min(DEVIATION_LIMIT, math.hypot(moves, BASE_DEVIATION))
    factor = filters.headroom.factor
    z = factor * headroom_deviations(lead_seconds, policy.attainment)
    floor = (filters.level + LEVEL_OFFSET) * math.exp(z * sigma) - LEVEL_OFFSET
    numbers = (
        ("level", filters.level),
        ("sigma", sigma),
        ("deviations", z),
        ("headroom_factor", factor),
        ("lead_seconds", lead_seconds),
    )
    most = whole(floor)
    if 1 < most <= MOST_REPLICAS:
        deviation = factor * sigma * relative_headroom(lead_seconds)
        count = cheapest_count(filters.level, deviation, most, policy.attainment)
        if count < most:
            return Reason(Rule.SMALL_FLEET, float(count), numbers)
    return Reason(Rule.VOLATILITY, floor, numbers)


def forecast_floor(policy: Policy, fan: Fan | None, now_seconds: float, lead_seconds: float) -> Reason | None:
    """The forecast quantile, at the policy's attainment, of the maximum over the lead; None without a fresh, proven forecast."""
    if fan is None or not fan.proven or now_seconds - fan.as_of_seconds > FAN_STALE_SECONDS:
        return None
    horizon = lead_seconds + max(0.0, now_seconds - fan.as_of_seconds)
    asked = interpolate(fan, horizon, policy.attainment)
    return Reason(Rule.FORECAST, asked, (("probability", policy.attainment), ("lead_seconds", lead_seconds)), fan.model)


def interpolate(fan: Fan, horizon_seconds: float, probability: float) -> float:
    """Linear interpolation in horizon and probability; beyond the ends, the outermost value."""
    row, row_share = _position(fan.horizons_seconds, horizon_seconds)
    column, column_share = _position(fan.probabilities, probability)
    near, far = (_between(fan.values[i], column, column_share) for i in (row, min(row + 1, len(fan.values) - 1)))
    return near + row_share * (far - near)


def _position(grid: tuple[float, ...], value: float) -> tuple[int, float]:
    if value <= grid[0]:
        return 0, 0.0
    for index, (low, high) in enumerate(pairwise(grid)):
        if value <= high:
            return index, (value - low) / (high - low)
    return len(grid) - 1, 0.0


def _between(values: tuple[float, ...], index: int, share: float) -> float:
    following = values[min(index + 1, len(values) - 1)]
    return values[index] + share * (following - values[index])
