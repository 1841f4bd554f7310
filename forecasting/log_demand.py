"""Demand on a logarithmic scale, where doubling and halving weigh the same, and the spread of its changes there.

The volatility floor of the core is defined on the same scale, so the constants are its own.
"""

import numpy as np

from forecasting.series import Floats
from policies.level import LEVEL_OFFSET
from policies.recommend.predictive import BASE_DEVIATION

MINUTE_VARIANCE = 0.02  # of log demand at one replica, where few requests make a minute noisy
LEVEL_STEPS = 2.5  # mean age of what the smoothed level rests on
VOLATILITY_STEPS = 30.0  # mean age of what the recent change rests on
LEAST_KEPT = 1e-20  # below this share, what came before is lost in rounding


def to_log(replicas: Floats) -> Floats:
    """The logarithm of demand in replicas; NaN stays NaN."""
    return np.log(replicas + LEVEL_OFFSET)


def from_log(log_demand: Floats) -> Floats:
    """Demand in replicas, never below zero; infinite where it is too large for a float."""
    with np.errstate(over="ignore"):
        return np.maximum(np.exp(log_demand) - LEVEL_OFFSET, 0.0)


def smooth(values: Floats, mean_age_steps: float, start: float) -> Floats:
    """An exponentially weighted mean along `values`, starting from `start`. Same shape and unit."""
    weight = 1.0 / mean_age_steps
    kept = 1.0 - weight  # of the mean, from each step to the next
    smoothed = weight * values
    smoothed[0] += kept * start
    reach = 1  # a pass makes each value the sum over twice as many steps (Hillis and Steele, 1986)
    while reach < len(smoothed) and kept > LEAST_KEPT:
        smoothed[reach:] += kept * smoothed[:-reach]
        kept *= kept
        reach *= 2
    return smoothed


def spread(log_demand: Floats) -> Floats:
    """The scale of a forecast's error in log demand at each step: sqrt(sampling variance / level + volatility² + base²).

    The volatility is the mean size of recent changes from step to step. `log_demand` has no gaps; same shape.
    """
    level = smooth(log_demand, LEVEL_STEPS, float(log_demand[0]))
    change = np.zeros_like(log_demand)
    np.abs(log_demand[1:] - log_demand[:-1], out=change[1:])
    volatility = smooth(change, VOLATILITY_STEPS, float(change[:2].max()))
    return np.sqrt(MINUTE_VARIANCE * np.exp(-level) + volatility**2 + BASE_DEVIATION**2)
