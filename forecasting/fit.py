"""Choose and fit a family for one workload. Pure; argument and result can be pickled; 0.1 s for a week of minutes."""

import math
from dataclasses import dataclass

import numpy as np

from forecasting import guard
from forecasting.log_demand import to_log
from forecasting.models import FAMILIES
from forecasting.models.base import Family, Model, Unfit
from forecasting.models.naive import NAIVE, Naive
from forecasting.quantiles import Recent, learn_table, prior, quantiles, realised_maxima
from forecasting.scores import mean_loss, scored, scored_maxima
from forecasting.series import Floats, Series
from forecasting.skill import Matured

HOLDOUT_SECONDS = 86_400.0  # at most; a third of a short history
PREFERENCE = 0.05  # share of the loss by which a family must beat one that comes before it in FAMILIES
TABLE_SECONDS = 7 * 86_400.0  # the newest part of the history, whose errors make the table


@dataclass(frozen=True, slots=True, eq=False)
class FittedModel:
    """A model and the quantiles of its past errors."""

    family: str
    model: Model
    table: Floats  # [horizon, probability], in spreads of log demand

    def quantiles(self, recent: Recent) -> Floats:
        """Demand quantiles in replicas, [step, horizon, probability], as of each of the recent steps."""
        return quantiles(self.model, self.table, recent)


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """The result of a fit."""

    chosen: FittedModel  # what forecasts
    naive: FittedModel  # what it is compared with
    holdout: tuple[Matured, ...] = ()  # the losses of both over the holdout; empty where naive was chosen
    note: str = ""  # why naive was chosen; empty otherwise


UNFITTED = FittedModel(NAIVE.name, Naive(), prior())


class Trial:
    """The newest `steps` steps of a series, on which families are compared."""

    def __init__(self, series: Series, steps: int) -> None:
        self._recent = Recent.of(series, steps)
        self._maxima = scored_maxima(realised_maxima(series.tail(steps)))
        self._known = series.tail(steps).known

    def losses(self, fitted: FittedModel) -> Floats:
        """Mean pinball loss in replicas of the forecast at each step.

        NaN where the step is a gap, or the demand that the forecast is compared with is not known.
        """
        losses = mean_loss(scored(fitted.quantiles(self._recent)), self._maxima)
        losses[~self._known] = np.nan
        return losses


def fit(series: Series) -> Fit:
    """Choose the family with the least loss on a holdout, the newest part of the series, and fit it to all of the series.

    The series is demand in replicas with NaN for gaps. Naive is chosen where the series does not allow a fit, or no family
    can be fitted or beats naive. Raises ValueError where no value is known.
    """
    naive = fit_family(NAIVE, series)
    holdout_steps = int(min(HOLDOUT_SECONDS / series.step_seconds, len(series) // 3))
    training = series.cut(0, len(series) - holdout_steps)
    if objection := guard.objection(training):
        return Fit(naive, naive, note=objection)
    trial = Trial(series, holdout_steps)
    naive_losses = trial.losses(fit_family(NAIVE, training))
    best: Family | None = None
    best_losses, notes = naive_losses, []
    for family in FAMILIES:
        try:
            losses = trial.losses(fit_family(family, training))
        except Unfit as refusal:
            notes.append(f"{family.name}: {refusal}")
            continue
        margin = PREFERENCE if best else 0.0
        if np.nansum(losses) < (1.0 - margin) * np.nansum(best_losses):
            best, best_losses = family, losses
    if not best:
        if len(notes) < len(FAMILIES):  # one was tried
            notes.append(f"no family beat naive on the last {holdout_steps} steps")
        return Fit(naive, naive, note="; ".join(notes))
    try:
        chosen = fit_family(best, series)
    except Unfit as refusal:
        return Fit(naive, naive, note=f"{best.name}: {refusal}")
    as_of_seconds = series.ends_seconds[-holdout_steps:]
    rows = zip(as_of_seconds.tolist(), best_losses.tolist(), naive_losses.tolist(), strict=True)
    return Fit(chosen, naive, tuple(Matured(*row) for row in rows if math.isfinite(row[1])))


def fit_family(family: Family, demand: Series) -> FittedModel:
    """Fit one family to demand in replicas and learn the quantiles of its errors over the newest week.

    Raises Unfit where the family needs more known demand or cannot be fitted, ValueError where no value is known.
    """
    learned = demand.newest(family.newest_seconds)
    known_seconds = np.count_nonzero(learned.known) * learned.step_seconds
    if known_seconds < family.least_seconds:
        raise Unfit(f"needs {family.least_seconds / 3600:g} h of known demand, has {known_seconds / 3600:.2f} h")
    model = family.fit(learned.mapped(to_log))
    table = learn_table(model, demand.newest(TABLE_SECONDS))
    return FittedModel(family.name, model.without_past(), table)
