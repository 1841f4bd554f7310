"""Walk forward through a series: fit to what was known, forecast the next hour step by step, and score the forecasts.

This is rolling-origin evaluation (Tashman, 2000), with a refit each hour.

Each family is scored alone; `chosen` are the forecasts of a `Forecaster`, which chooses a family once an hour.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from forecasting import guard
from forecasting.fit import TABLE_SECONDS, FittedModel, fit, fit_family
from forecasting.forecaster import HISTORY_SECONDS, REFIT_SECONDS, Forecaster
from forecasting.models import FAMILIES
from forecasting.models.base import Family, Unfit
from forecasting.models.naive import NAIVE
from forecasting.quantiles import HORIZONS_SECONDS, PROBABILITIES, WARM_STEPS, Recent, realised_maxima
from forecasting.scores import losses, scored, scored_maxima, skill_error
from forecasting.series import Floats, Series
from forecasting.worth import Counterfactual, Law, Worth
from policies.model import Fan

WARM_UP_SECONDS = 86_400.0  # at most; a third of a short series
CHOSEN = "chosen"


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """The score of one family. Arrays have the shape [scored horizon, scored probability]; see `forecasting.scores`."""

    family: str
    worth: Worth  # what it would have saved, used throughout; chosen: used where it was proven
    loss_replicas: Floats  # mean pinball loss
    coverage: Floats  # share of maxima at or below the quantile
    skill: float  # 1 - loss / naive's loss; 0 for naive itself
    skill_error: float | None  # its standard error, where asked for; NaN where naive loses nothing
    refusals: int  # hours in which the family could not be fitted and naive took its place


@dataclass(frozen=True, slots=True, eq=False)
class Backtest:
    """Scores of all families over the same steps."""

    forecasts: int  # that were scored
    mean_replicas: float  # mean demand
    proven_share: float  # of the chosen forecasts, 0 .. 1
    scores: tuple[Score, ...]  # naive, the families, chosen


def backtest(
    demand: Series, law: Law, progress: Callable[[float], None] = lambda _: None, *, errors: bool = False
) -> Backtest:
    """Score every family on one series of demand in replicas, scaled by this law. `progress` is called with the share done, 0 .. 1.

    `errors` asks for the standard errors of the skills, to which losses up to an hour apart contribute.
    Raises ValueError for less than half an hour of known demand, and for a gap of a week.
    """
    if np.count_nonzero(demand.known) * demand.step_seconds < 1_800:
        raise ValueError(f"a backtest needs half an hour of demand; {np.count_nonzero(demand.known)} steps are known")
    known_steps = np.flatnonzero(np.concatenate([[True], demand.known]))
    if np.diff(known_steps).max() * demand.step_seconds > TABLE_SECONDS:
        raise ValueError("has a gap of more than 7 days, across which nothing can be fitted; cut the trace there")
    first = int(min(WARM_UP_SECONDS / demand.step_seconds, len(demand) // 3))
    hour = round(REFIT_SECONDS / demand.step_seconds)
    history = round(HISTORY_SECONDS / demand.step_seconds)
    forecaster = Forecaster(demand.step_seconds)
    _live(forecaster, demand.cut(0, first), law)
    progress(first / len(demand))
    names = (NAIVE.name, *(family.name for family in FAMILIES), CHOSEN)
    hours: dict[str, list[Floats]] = {name: [] for name in names}  # the forecasts, an hour's at a time
    refusals = dict.fromkeys(names, 0)
    used: list[float] = []
    for start in range(first, len(demand), hour):
        end = min(start + hour, len(demand))
        for name, values in _alone(demand.cut(max(0, start - history), end), end - start).items():
            refusals[name] += values is None
            hours[name].append(hours[NAIVE.name][-1] if values is None else values)
        fans = _live(forecaster, demand.cut(start, end), law)
        hours[CHOSEN].append(np.array([fan.values for fan in fans]))
        used.extend(fan.headroom if fan.proven else math.nan for fan in fans)
        progress(end / len(demand))
    forecasts = {name: np.concatenate(values) for name, values in hours.items()}
    counterfactual = Counterfactual(demand, len(demand) - first, law, forecasts[NAIVE.name])
    worth = {
        name: counterfactual.worth(values, np.array(used) if name == CHOSEN else None)
        for name, values in forecasts.items()
    }
    return _scored(
        demand, first, forecasts, worth, refusals, int(np.count_nonzero(~np.isnan(used))), hour if errors else None
    )


def _alone(demand: Series, steps: int) -> dict[str, Floats | None]:
    """The forecasts of naive and of each family as of the last `steps` steps, fitted to those before; None where it could not be."""
    if not demand.tail(steps + WARM_STEPS).known.any():  # a long gap: nothing in it is scored
        unknown = np.full((steps, len(HORIZONS_SECONDS), len(PROBABILITIES)), np.nan)
        return dict.fromkeys((NAIVE.name, *(family.name for family in FAMILIES)), unknown)
    known = demand.cut(0, len(demand) - steps)
    fitted = {NAIVE.name: fit_family(NAIVE, known)} | {family.name: _fitted(family, known) for family in FAMILIES}
    recent = Recent.of(demand, steps)
    return {name: None if model is None else model.quantiles(recent) for name, model in fitted.items()}


def _fitted(family: Family, known: Series) -> FittedModel | None:
    if guard.objection(known):
        return None
    try:
        return fit_family(family, known)
    except Unfit:
        return None


def _live(forecaster: Forecaster, demand: Series, law: Law) -> list[Fan]:
    """The forecast at each step, as live: a fit is used from one step after the end of the series it was fitted to."""
    fans = []
    for end_seconds, value in zip(demand.ends_seconds.tolist(), demand.values.tolist(), strict=True):
        forecaster.observe(end_seconds, value)
        if fan := forecaster.fan(end_seconds):
            fans.append(fan)
        if (due := forecaster.fit_due(end_seconds)) is not None:
            forecaster.adopt(fit(due, law), end_seconds)
    return fans


def _scored(
    demand: Series,
    first: int,
    forecasts: Mapping[str, Floats],
    worth: Mapping[str, Worth],
    refusals: Mapping[str, int],
    proven: int,
    error_lags: int | None,
) -> Backtest:
    maxima = scored_maxima(realised_maxima(demand)[first:])
    matured = np.isfinite(maxima).all(axis=1) & demand.known[first:]
    maxima = maxima[matured]
    lost = {family: losses(scored(values)[matured], maxima) for family, values in forecasts.items()}
    naive_losses = lost[NAIVE.name].mean(axis=(1, 2))
    naive_loss = float(lost[NAIVE.name].mean(axis=0).mean())
    scores = tuple(
        Score(
            family=family,
            worth=worth[family],
            loss_replicas=loss.mean(axis=0),
            coverage=(maxima[:, :, None] <= scored(forecasts[family])[matured]).mean(axis=0),
            skill=1.0 - float(loss.mean(axis=0).mean()) / naive_loss if naive_loss > 0 else 0.0,
            skill_error=skill_error(loss.mean(axis=(1, 2)), naive_losses, error_lags) if error_lags else None,
            refusals=refusals[family],
        )
        for family, loss in lost.items()
    )
    given = len(demand) - first
    return Backtest(int(matured.sum()), float(np.nanmean(demand.values[first:])), proven / given, scores)
