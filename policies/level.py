"""The smoothed level of demand, and its volatility: how much it usually moves in five minutes."""

import math
from dataclasses import replace

from policies.model import Filters

LEVEL_TAU_SECONDS = 120.0  # costs 5 % less than 30 s
VOLATILITY_TAU_SECONDS = 1800.0
VOLATILITY_LAG_SECONDS = 300.0
VOLATILITY_PRIOR = 0.05  # a level's move in 5 min before any has been seen
LEVEL_OFFSET = 0.5  # replicas; keeps logarithms of small levels from swinging


def advance_level(filters: Filters, now_seconds: float, level: float) -> Filters:
    """The filters one tick later: the level, its last 5 min, and how much it moves in 5 min."""
    dt = elapsed_seconds(filters, now_seconds)
    # A move across a gap is not volatility.
    oldest = now_seconds - VOLATILITY_LAG_SECONDS - min(dt, VOLATILITY_LAG_SECONDS)
    levels = tuple([item for item in filters.levels if item[0] >= oldest])
    volatility = VOLATILITY_PRIOR if filters.volatility is None else filters.volatility
    if levels and now_seconds - levels[0][0] >= 0.8 * VOLATILITY_LAG_SECONDS:
        move = abs(math.log((level + LEVEL_OFFSET) / (levels[0][1] + LEVEL_OFFSET)))
        volatility += _gain(dt, VOLATILITY_TAU_SECONDS) * (move - volatility)
    if filters.settled_seconds is None or now_seconds >= filters.settled_seconds:
        levels = (*levels, (now_seconds, level))
    return replace(filters, tick_seconds=now_seconds, level=level, levels=levels, volatility=volatility)


def ticked(filters: Filters, now_seconds: float) -> Filters:
    """The filters one tick later, of whose demand nothing is known."""
    return replace(filters, tick_seconds=now_seconds)


def interrupted(filters: Filters, now_seconds: float) -> Filters:
    """The filters while something is wrong: no level is compared with another until it has followed the demand again."""
    return replace(filters, levels=(), settled_seconds=now_seconds + VOLATILITY_LAG_SECONDS)


def level_after(filters: Filters, now_seconds: float, demand: float) -> float:
    """The level after `demand` since the last tick; the demand itself if there was no level."""
    if filters.level is None:
        return demand
    return filters.level + _gain(elapsed_seconds(filters, now_seconds), LEVEL_TAU_SECONDS) * (demand - filters.level)


def elapsed_seconds(filters: Filters, now_seconds: float) -> float:
    """Seconds since the last tick; 0 before the first."""
    return max(0.0, now_seconds - filters.tick_seconds) if filters.tick_seconds is not None else 0.0


def _gain(dt_seconds: float, tau_seconds: float) -> float:
    return 1.0 - math.exp(-dt_seconds / tau_seconds)
