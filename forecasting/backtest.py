"""Walk forward through a series: fit on what was known, forecast the next hour step by step, score it.

Each family is scored alone; `chosen` are the forecasts of a `Forecaster`, which chooses a family once an hour.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from forecasting import guard
from forecasting.fit import FittedModel, fit, fit_family
from forecasting.forecaster import HISTORY_SECONDS, REFIT_SECONDS, Forecaster
from forecasting.models import FAMILIES
from forecasting.models.base import Family, Unfit
from forecasting.models.naive import NAIVE
from forecasting.quantiles import realised_maxima
from forecasting.scores import losses, scored, scored_maxima
from forecasting.series import Floats, Series
from policies.model import Fan

WARM_UP_SECONDS = 86_400.0  # at most; a third of a short series
CHOSEN = "chosen"


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """How one family did. Arrays are [horizon, probability] of what `forecasting.scores` scores."""

    family: str
    loss_replicas: Floats  # mean pinball loss
    coverage: Floats  # share of maxima at or below the quantile
    skill: float  # 1 - loss / naive's loss; 0 for naive itself
    refusals: int  # hours in which the family could not be fitted and naive stood in


@dataclass(frozen=True, slots=True, eq=False)
class Backtest:
    """Scores of all families over the same forecasts."""

    forecasts: int
    mean_replicas: float
    proven_share: float  # of the chosen forecasts
    scores: tuple[Score, ...]  # naive, the families, chosen


def backtest(demand: Series, progress: Callable[[float], None] = lambda _: None) -> Backtest:
    """Score every family on one series of demand in replicas. `progress` is told the share that is done.

    Raises ValueError for a series of less than half an hour of known steps.
    """
    if np.count_nonzero(demand.known) * demand.step_seconds < 1_800:
        raise ValueError(f"a backtest needs half an hour of demand, there are {np.count_nonzero(demand.known)} steps")
    first = int(min(WARM_UP_SECONDS / demand.step_seconds, len(demand) // 3))
    hour = round(REFIT_SECONDS / demand.step_seconds)
    forecaster = Forecaster(demand.step_seconds)
    _live(forecaster, demand.cut(0, first))
    said: dict[str, list[Floats]] = {name: [] for name in (NAIVE.name, *(family.name for family in FAMILIES), CHOSEN)}
    refusals = dict.fromkeys(said, 0)
    proven = 0
    for start in range(first, len(demand), hour):
        end = min(start + hour, len(demand))
        known = demand.cut(max(0, start - round(HISTORY_SECONDS / demand.step_seconds)), start)
        ahead = demand.cut(0, end)
        naive = fit_family(NAIVE, known)
        said[NAIVE.name].append(naive.quantiles(ahead, end - start))
        for family in FAMILIES:
            fitted = _fitted(family, known)
            refusals[family.name] += fitted is None
            said[family.name].append((fitted or naive).quantiles(ahead, end - start))
        fans = _live(forecaster, demand.cut(start, end))
        said[CHOSEN].append(np.array([fan.values for fan in fans]))
        proven += sum(fan.proven for fan in fans)
        progress((end - first) / (len(demand) - first))
    return _scored(demand, first, {family: np.concatenate(hours) for family, hours in said.items()}, refusals, proven)


def _fitted(family: Family, known: Series) -> FittedModel | None:
    if guard.objection(known):
        return None
    try:
        return fit_family(family, known)
    except Unfit:
        return None


def _live(forecaster: Forecaster, demand: Series) -> list[Fan]:
    """The fans of the steps, as a shell would have them: a fit speaks one step after the series that it was made on."""
    fans = []
    for end_seconds, value in zip(demand.ends_seconds.tolist(), demand.values.tolist(), strict=True):
        forecaster.observe(end_seconds, value)
        if fan := forecaster.fan(end_seconds):
            fans.append(fan)
        if (series := forecaster.fit_due(end_seconds)) is not None:
            forecaster.adopt(fit(series), end_seconds)
    return fans


def _scored(
    demand: Series, first: int, said: Mapping[str, Floats], refusals: Mapping[str, int], proven: int
) -> Backtest:
    maxima = scored_maxima(realised_maxima(demand)[first:])
    matured = np.isfinite(maxima).all(axis=1) & demand.known[first:]
    maxima = maxima[matured]
    means = {family: losses(scored(values)[matured], maxima).mean(axis=0) for family, values in said.items()}
    naive_loss = float(means[NAIVE.name].mean())
    scores = tuple(
        Score(
            family=family,
            loss_replicas=loss,
            coverage=(maxima[:, :, None] <= scored(said[family])[matured]).mean(axis=0),
            skill=1.0 - float(loss.mean()) / naive_loss if naive_loss > 0 else 0.0,
            refusals=refusals[family],
        )
        for family, loss in means.items()
    )
    given = len(demand) - first
    return Backtest(int(matured.sum()), float(np.nanmean(demand.values[first:])), proven / given, scores)
