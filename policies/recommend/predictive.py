"""The floor for a lead time: the level plus headroom for its recent volatility, or the forecast if it has saved GPU-hours."""

import math
from itertools import pairwise

from policies.combine import whole
from policies.ladder import headroom_deviations, relative_headroom
from policies.level import LEVEL_OFFSET, VOLATILITY_PRIOR
from policies.model import Fan, Filters, Policy, Reason, Rule
from policies.recommend.small import MOST_REPLICAS, cheapest_count

BASE_DEVIATION = 0.02
SAMPLING_VARIANCE = 0.004  # of the logarithm of a level of one replica, beyond what the volatility shows after a calm
DEVIATION_LIMIT = 0.4
FAN_STALE_SECONDS = 180.0
HIGH, HIGH_DEVIATIONS = 0.99, 2.3263  # the quantile that a forecast's deviation is read from, and a normal's there
LEAST_FACTOR = 0.45  # of the table's headroom, whether late requests trim it, a forecast, or both
FORECAST_LIMIT = 3.0  # times the floor by the level: above it, a forecast seldom came true


def volatility_floor(policy: Policy, filters: Filters, lead_seconds: float) -> Reason | None:
    """Enough for the level to grow as it usually does over the lead: (level + c) * exp(z * sigma) - c.

    z is trimmed by the requests that were late. Of a few replicas, the last may cost more than the late requests that it
    saves: then fewer.
    """
    if filters.level is None:
        return None
    moves = VOLATILITY_PRIOR if filters.volatility is None else filters.volatility
    sampling = math.sqrt(SAMPLING_VARIANCE / (filters.level + LEVEL_OFFSET))
    sigma = min(DEVIATION_LIMIT, math.hypot(moves, sampling, BASE_DEVIATION))
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


def demand_floor(
    policy: Policy, filters: Filters, fan: Fan | None, now_seconds: float, lead_seconds: float
) -> Reason | None:
    """The floor for demand over the lead: by the forecast where it has one to give, else by the level; None without a level."""
    by_level = volatility_floor(policy, filters, lead_seconds)
    return forecast_floor(fan, now_seconds, lead_seconds, by_level) or by_level


def forecast_floor(fan: Fan | None, now_seconds: float, lead_seconds: float, by_level: Reason | None) -> Reason | None:
    """The volatility floor with the median and the deviation of the forecast maximum over the lead in place of the level's.

    None without a level, or without a fresh forecast that has saved GPU-hours.
    """
    if by_level is None or fan is None or not fan.proven or stale(fan, now_seconds):
        return None
    horizon = lead_seconds + max(0.0, now_seconds - fan.as_of_seconds)
    median = interpolate(fan, horizon, 0.5)
    high = interpolate(fan, horizon, HIGH)
    sigma = math.log((high + LEVEL_OFFSET) / (median + LEVEL_OFFSET)) / HIGH_DEVIATIONS
    base = dict(by_level.numbers)
    # Late requests trimmed the headroom of the level. With 0.2 of the table's, which both would leave, proven forecasts of hourly
    # jobs had 0.3 and 38 % of a trial's work late; with their shares, 0.45 and 0.49, at most 0.25 %.
    share = max(fan.headroom, min(fan.headroom, LEAST_FACTOR) / max(base["headroom_factor"], LEAST_FACTOR))
    level, z = base["level"], base["deviations"] * share
    asked = (median + LEVEL_OFFSET) * math.exp(z * sigma) - LEVEL_OFFSET
    floor = max(level, min(asked, FORECAST_LIMIT * by_level.replicas))
    numbers = (
        ("median", median),
        ("sigma", sigma),
        ("deviations", z),
        ("lead_seconds", lead_seconds),
        ("without", by_level.replicas),
    )
    return Reason(Rule.FORECAST, floor, numbers, fan.model)


def stale(fan: Fan, now_seconds: float) -> bool:
    """Whether the fan is too old to be used."""
    return now_seconds - fan.as_of_seconds > FAN_STALE_SECONDS


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
