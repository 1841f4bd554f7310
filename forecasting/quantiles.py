"""Quantiles of the maximum of demand over a lead: where a model expects the maximum, plus how far the past was off.

The error is taken in log demand, in units of the spread at its time, so that calm and busy hours share one table.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forecasting.log_demand import from_log, spread, to_log
from forecasting.models.base import Model
from forecasting.series import Floats, Series
from policies.ladder import headroom_deviations

HORIZONS_SECONDS = (60.0, 120.0, 300.0, 600.0, 900.0, 1200.0, 1800.0)
PROBABILITIES = (0.5, 0.8, 0.9, 0.95, 0.99)
LEAST_ERRORS = 60  # below it a horizon keeps the prior's quantiles
WARM_STEPS = 120  # the smoothers forget where they began: e^-4 of it is left


def horizon_steps(step_seconds: float) -> tuple[int, ...]:
    """The horizons in steps, at least one."""
    return tuple(max(1, round(horizon / step_seconds)) for horizon in HORIZONS_SECONDS)


def prior() -> Floats:
    """Quantiles of the error in spreads, by horizon and probability, before anything was learned.

    The deviations that the volatility floor holds for a lead and an attainment.
    """
    return np.array([[headroom_deviations(horizon, p) for p in PROBABILITIES] for horizon in HORIZONS_SECONDS])


def expected_maxima(model: Model, log_demand: Series) -> Floats:
    """The maximum of the expected path over each horizon, at each step of a filled series."""
    ahead = horizon_steps(log_demand.step_seconds)
    paths = model.paths(log_demand, ahead[-1])
    return np.maximum.accumulate(paths, axis=1)[:, np.array(ahead) - 1]


def realised_maxima(series: Series) -> Floats:
    """The maximum of what came over each horizon after each step; NaN where any of it is unknown."""
    columns = []
    for steps in horizon_steps(series.step_seconds):
        after = np.concatenate([series.values[1:], np.full(steps, np.nan)])
        columns.append(sliding_window_view(after, steps).max(axis=1))
    return np.stack(columns, axis=1)


def learn_table(model: Model, demand: Series) -> Floats:
    """Quantiles of the model's past error in spreads, by horizon and probability, over a series with gaps."""
    log_demand = demand.mapped(to_log)
    filled = log_demand.filled()
    errors = realised_maxima(log_demand) - expected_maxima(model, filled)
    errors /= spread(filled.values)[:, None]
    errors[~log_demand.known] = np.nan
    warm = errors[min(WARM_STEPS, len(errors) // 4) :]
    table = prior()
    for row, column in zip(table, warm.T, strict=True):
        seen = column[np.isfinite(column)]
        if len(seen) >= LEAST_ERRORS:
            row[:] = np.quantile(seen, PROBABILITIES)
    return table


def quantiles(model: Model, table: Floats, demand: Series, last: int = 1) -> Floats:
    """Demand quantiles in replicas at the last `last` steps: [step, horizon, probability], monotone in both."""
    log_demand = demand.tail(last + WARM_STEPS).mapped(to_log).filled()
    maxima = expected_maxima(model, log_demand)[-last:]
    width = spread(log_demand.values)[-last:]
    values = from_log(maxima[:, :, None] + width[:, None, None] * table)
    return np.maximum.accumulate(np.maximum.accumulate(values, axis=1), axis=2)
