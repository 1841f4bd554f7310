"""Scores of quantile forecasts: the pinball loss (Koenker and Bassett, 1978), which the true quantile makes least."""

import numpy as np

from forecasting.quantiles import HORIZONS_SECONDS, PROBABILITIES
from forecasting.series import Floats

SCORED_HORIZONS_SECONDS = (120.0, 300.0, 600.0)  # the leads for which replicas are added
SCORED_PROBABILITIES = (0.9, 0.95, 0.99)
_ROWS = [HORIZONS_SECONDS.index(horizon) for horizon in SCORED_HORIZONS_SECONDS]
_COLUMNS = [PROBABILITIES.index(probability) for probability in SCORED_PROBABILITIES]


def pinball(forecast: Floats, realised: Floats, probabilities: Floats) -> Floats:
    """The loss of quantile forecasts [..., probability] of `realised` [...], in its unit; [..., probability].

    A forecast that is too low by x loses p x, one that is too high by x loses (1 - p) x.
    """
    missing = realised[..., None] - forecast
    return np.maximum(probabilities * missing, (probabilities - 1.0) * missing)


def scored(values: Floats) -> Floats:
    """The scored horizons and probabilities of quantiles [..., horizon, probability]."""
    return values[..., _ROWS, :][..., _COLUMNS]


def scored_maxima(maxima: Floats) -> Floats:
    """The scored horizons of maxima [..., horizon]."""
    return maxima[..., _ROWS]


def losses(values: Floats, maxima: Floats) -> Floats:
    """Pinball losses in replicas, [..., horizon, probability], of scored quantiles of scored maxima; NaN where these are unknown."""
    return pinball(values, maxima, np.array(SCORED_PROBABILITIES))


def mean_loss(values: Floats, maxima: Floats) -> Floats:
    """The mean of the losses over horizons and probabilities, [...], in replicas."""
    return np.asarray(losses(values, maxima).mean(axis=(-2, -1)), dtype=np.float64)
