"""Choose and fit a family for one workload. Pure; argument and result can be pickled; 0.1 s for a week of minutes."""

from dataclasses import dataclass, replace

import numpy as np

from forecasting import guard
from forecasting.log_demand import to_log
from forecasting.models import FAMILIES
from forecasting.models.base import Family, Model, Unfit
from forecasting.models.naive import NAIVE, Naive
from forecasting.quantiles import Recent, learn_table, prior, quantiles
from forecasting.series import Floats, Series
from forecasting.worth import NOTHING, Counterfactual, Law, Worth, level_headroom

HOLDOUT_SECONDS = 3 * 86_400.0  # at most; a third of a short history
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
    naive: FittedModel  # what takes its place where its quantiles cannot be used
    worth: Worth = NOTHING  # what it saved over the holdout; nothing where naive was chosen
    note: str = ""  # why naive was chosen; empty otherwise
    level_headroom: float = 1.0  # the share of the level's headroom that the series needed


UNFITTED = FittedModel(NAIVE.name, Naive(), prior())


def fit(series: Series, law: Law) -> Fit:
    """Choose the family that saves the law most on a holdout, the newest part of the series, and fit it to all of the series.

    The series is demand in replicas with NaN for gaps. Naive is chosen where the series does not allow a fit, or no family
    can be fitted. Raises ValueError where no value is known.
    """
    return replace(_chosen(series, law), level_headroom=level_headroom(series, law))


def _chosen(series: Series, law: Law) -> Fit:
    naive = fit_family(NAIVE, series)
    holdout_steps = int(min(HOLDOUT_SECONDS / series.step_seconds, len(series) // 3))
    training = series.cut(0, len(series) - holdout_steps)
    if objection := guard.objection(training):
        return Fit(naive, naive, note=objection)
    recent = Recent.of(series, holdout_steps)
    unforeseen = fit_family(NAIVE, training).quantiles(recent)
    counterfactual = Counterfactual(series, holdout_steps, law, unforeseen)
    best: Family | None = None
    worth, notes = NOTHING, []
    for family in FAMILIES:
        try:
            found = counterfactual.worth(fit_family(family, training).quantiles(recent))
        except Unfit as refusal:
            notes.append(f"{family.name}: {refusal}")
            continue
        if best is None or found.gpu_hours > worth.gpu_hours:
            best, worth = family, found
    if not best:
        return Fit(naive, naive, note="; ".join(notes))
    try:
        return Fit(fit_family(best, series), naive, worth)
    except Unfit as refusal:
        return Fit(naive, naive, note=f"{best.name}: {refusal}")


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
