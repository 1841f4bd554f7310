"""An autoregression on log demand, fitted by statsmodels. All its paths come from one matrix product."""

import warnings
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forecasting.models.base import Family, Model, Unfit
from forecasting.series import Floats, Series

LAGS = 20
LEAST_SECONDS = 2 * 3_600.0  # six minutes for each lag
NEWEST_SECONDS = 7 * 86_400.0
GREATEST_ROOT = 1.02  # log demand grows 1.8-fold over 30 steps; above it a path explodes


@dataclass(frozen=True, slots=True, eq=False)
class AutoReg(Model):
    """x[t+1] = constant + weights . (x[t], x[t-1], ...), with x in log demand."""

    constant: float
    weights: Floats  # newest first

    def paths(self, log_demand: Series, steps: int) -> Floats:
        """Iterated expectations. Before the first value, log demand is taken to have been equal to it."""
        lags = len(self.weights)
        past = np.concatenate([np.full(lags - 1, log_demand.values[0]), log_demand.values])
        constants, matrix = unrolled(self, steps)
        return constants + sliding_window_view(past, lags) @ matrix.T


@lru_cache(maxsize=64)  # a model lasts for an hour of forecasts
def unrolled(model: AutoReg, steps: int) -> tuple[Floats, Floats]:
    """Each step ahead as constants [step ahead] plus a matrix [step ahead, lag] times the last values, oldest first."""
    lags = len(model.weights)
    oldest_first = model.weights[::-1]
    rows = np.vstack([np.eye(lags), np.zeros((steps, lags))])
    constants = np.zeros(lags + steps)
    for at in range(lags, lags + steps):
        rows[at] = oldest_first @ rows[at - lags : at]
        constants[at] = model.constant + oldest_first @ constants[at - lags : at]
    return constants[lags:], rows[lags:]


def fit_autoreg(log_demand: Series) -> AutoReg:
    """Least squares over log demand, with gaps filled.

    Raises Unfit where statsmodels fails or warns, or the largest root of the companion matrix is above GREATEST_ROOT.
    """
    from statsmodels.tsa.ar_model import AutoReg as Regression  # noqa: PLC0415 - takes 2 s: only where one fits

    values = log_demand.filled().values
    try:
        with warnings.catch_warnings(action="error"):
            parameters = np.asarray(Regression(values, LAGS, trend="c").fit().params, dtype=np.float64)
    except (ValueError, np.linalg.LinAlgError, Warning) as error:
        raise Unfit(f"statsmodels failed: {error}") from error
    if not np.isfinite(parameters).all():
        raise Unfit("statsmodels failed: a parameter is not finite")
    companion = np.vstack([parameters[1:], np.eye(LAGS - 1, LAGS)])
    root = float(np.abs(np.linalg.eigvals(companion)).max())
    if root > GREATEST_ROOT:
        raise Unfit(f"explosive: the largest root is {root:.3f}; at most {GREATEST_ROOT} is allowed")
    return AutoReg(float(parameters[0]), parameters[1:])


AUTOREG = Family("autoreg", fit_autoreg, LEAST_SECONDS, NEWEST_SECONDS)
