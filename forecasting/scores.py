"""Scores of quantile forecasts: the pinball loss (Koenker and Bassett, 1978), which the true quantile makes least."""

import math

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


def skill_error(own: Floats, naive: Floats, lags: int) -> float:
    """The standard error of the skill 1 - own / naive, from losses of one step each, [step], that depend on `lags` steps before.

    NaN where naive loses nothing. A skill is a ratio of means, hence the residuals; their covariance is that of Newey and West (1987).
    """
    if not naive.any():
        return math.nan
    from statsmodels.regression.linear_model import OLS  # noqa: PLC0415 - takes 2 s: only where it is asked for

    residuals = naive * (own.mean() / naive.mean()) - own
    mean = OLS(residuals, np.ones_like(residuals)).fit(cov_type="HAC", cov_kwds={"maxlags": lags})
    return float(mean.bse[0] / naive.mean())
