"""Quantiles of the maximum of demand over a horizon: the maximum that a model expects, plus quantiles of its past errors.

Errors are those of log demand in units of the spread at their time, so calm and busy hours share one table: empirical
quantiles of standardised residuals, as in filtered historical simulation (Barone-Adesi, Giannopoulos and Vosper, 1999).
"""

from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise
from typing import Self

import numpy as np

from forecasting.log_demand import from_log, spread, to_log
from forecasting.models.base import Model
from forecasting.series import Floats, Series
from policies.ladder import headroom_deviations

HORIZONS_SECONDS = (60.0, 120.0, 300.0, 600.0, 900.0, 1200.0, 1800.0)
PROBABILITIES = (0.5, 0.8, 0.9, 0.95, 0.99)
LEAST_ERRORS = 60  # a horizon with fewer keeps the prior's quantiles
_PRIOR = [[headroom_deviations(horizon, p) for p in PROBABILITIES] for horizon in HORIZONS_SECONDS]
WARM_STEPS = 120  # after them, e^-4 is left of the value that the smoothers start from


@dataclass(frozen=True, slots=True, eq=False)
class Recent:
    """What the forecasts as of each of the last `steps` steps start from, whatever the model."""

    steps: int
    log_demand: Series  # without gaps; begins WARM_STEPS before the first of those steps
    spread: Floats

    @classmethod
    def of(cls, demand: Series, steps: int = 1) -> Self:
        """Of demand in replicas, with gaps. Raises ValueError where none of its last `steps` + WARM_STEPS values is known."""
        log_demand = demand.tail(steps + WARM_STEPS).mapped(to_log).filled()
        return cls(min(steps, len(demand)), log_demand, spread(log_demand.values))


@cache
def horizon_steps(step_seconds: float) -> tuple[int, ...]:
    """The horizons in steps; each is at least one step."""
    return tuple(max(1, round(horizon / step_seconds)) for horizon in HORIZONS_SECONDS)


def prior() -> Floats:
    """Quantiles of the error in spreads, [horizon, probability], before any were learned.

    They are the deviations that the volatility floor holds for such a lead and attainment.
    """
    return np.array(_PRIOR)


def expected_maxima(model: Model, log_demand: Series) -> Floats:
    """The maximum of the expected log demand over each horizon after each step, [step, horizon], of a series without gaps."""
    ahead = horizon_steps(log_demand.step_seconds)
    highest = list(accumulate(model.paths(log_demand, ahead[-1]).T, np.maximum))
    return np.stack([highest[steps - 1] for steps in ahead]).T


def realised_maxima(series: Series) -> Floats:
    """The maximum of the series over each horizon after each step, [step, horizon]; NaN where any of it is unknown."""
    ahead = horizon_steps(series.step_seconds)
    count, reach = len(series), 1
    maxima = np.concatenate([series.values[1:], np.full(ahead[-1], np.nan)])  # of the next `reach` steps
    columns = []
    for steps in ahead:
        while reach < steps:  # two shorter windows, which may overlap, make a longer one
            further = min(reach, steps - reach)
            maxima = np.maximum(maxima[: len(maxima) - further], maxima[further:])
            reach += further
        columns.append(maxima[:count])
    return np.stack(columns).T


def learn_table(model: Model, demand: Series) -> Floats:
    """Quantiles of the model's past errors in spreads, [horizon, probability], over demand in replicas with gaps.

    Raises ValueError where no value is known.
    """
    log_demand = demand.mapped(to_log)
    filled = log_demand.filled()
    errors = realised_maxima(log_demand).T - expected_maxima(model, filled).T  # [horizon, step], each row in one piece
    errors /= spread(filled.values)
    errors[:, ~log_demand.known] = np.nan
    warm = np.sort(errors[:, min(WARM_STEPS, len(demand) // 4) :])  # NaN last
    table = prior()
    for row, ascending in zip(table, warm, strict=True):
        known = len(ascending) - np.count_nonzero(np.isnan(ascending))
        if known >= LEAST_ERRORS:
            rank = np.multiply(PROBABILITIES, known - 1)
            below = rank.astype(np.int64)
            row[:] = ascending[below] + (rank - below) * (ascending[below + 1] - ascending[below])
    return table


def quantiles(model: Model, table: Floats, recent: Recent) -> Floats:
    """Demand quantiles in replicas as of each of the recent steps, [step, horizon, probability].

    They never fall from one horizon or probability to the next.
    """
    maxima = expected_maxima(model, recent.log_demand)[-recent.steps :].T
    width = recent.spread[-recent.steps :]
    values = from_log(
        maxima[:, None, :] + width * table[:, :, None]
    )  # [horizon, probability, step], each row in one piece
    for shorter, longer in pairwise(values):
        np.maximum(shorter, longer, out=longer)
    for lower, higher in pairwise(values.swapaxes(0, 1)):
        np.maximum(lower, higher, out=higher)
    return values.transpose(2, 0, 1)
