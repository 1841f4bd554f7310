"""How good quantile forecasts were."""

import numpy as np

from forecasting.quantiles import HORIZONS_SECONDS, PROBABILITIES
from forecasting.series import Floats

SCORED_HORIZONS_SECONDS = (120.0, 300.0, 600.0)  # the leads at which replicas are bought
SCORED_PROBABILITIES = (0.9, 0.95, 0.99)
_ROWS = [HORIZONS_SECONDS.index(horizon) for horizon in SCORED_HORIZONS_SECONDS]
_COLUMNS = [PROBABILITIES.index(probability) for probability in SCORED_PROBABILITIES]


def pinball(forecast: Floats, realised: Floats, probabilities: Floats) -> Floats:
    """The loss of quantile forecasts [..., probability] of `realised` [...], in its unit. Least for the true quantile."""
    short = realised[..., None] - forecast
    return np.maximum(probabilities * short, (probabilities - 1.0) * short)


def scored(values: Floats) -> Floats:
    """The part of quantiles [..., horizon, probability] that is scored."""
    return values[..., _ROWS, :][..., _COLUMNS]


def scored_maxima(maxima: Floats) -> Floats:
    """The part of maxima [..., horizon] that is scored."""
    return maxima[..., _ROWS]


def losses(values: Floats, maxima: Floats) -> Floats:
    """Pinball losses in replicas of the scored parts of fans and maxima: [..., horizon, probability]; NaN where unknown."""
    return pinball(values, maxima, np.array(SCORED_PROBABILITIES))


def mean_loss(values: Floats, maxima: Floats) -> Floats:
    """One figure for each scored fan: over its horizons and probabilities."""
    return np.asarray(losses(values, maxima).mean(axis=(-2, -1)), dtype=np.float64)
