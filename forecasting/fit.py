"""Choose and fit a family for one service: pure, picklable in and out, about 0.2 s for a week of minutes."""

import math
from dataclasses import dataclass

import numpy as np

from forecasting import guard
from forecasting.log_demand import to_log
from forecasting.models import FAMILIES
from forecasting.models.base import Family, Model, Unfit
from forecasting.models.naive import NAIVE, Naive
from forecasting.quantiles import learn_table, prior, quantiles, realised_maxima
from forecasting.scores import mean_loss, scored, scored_maxima
from forecasting.series import Floats, Series
from forecasting.skill import Matured

HOLDOUT_SECONDS = 86_400.0  # at most; a third of a short history
PREFERENCE = 0.05  # of the loss: by so much a family must beat one that is named before it
TABLE_SECONDS = 7 * 86_400.0  # the newest part of the history, whose errors make the table


@dataclass(frozen=True, slots=True, eq=False)
class FittedModel:
    """A model of a family and the table of its past errors."""

    family: str
    model: Model
    table: Floats

    def quantiles(self, demand: Series, last: int = 1) -> Floats:
        """As `forecasting.quantiles.quantiles`."""
        return quantiles(self.model, self.table, demand, last)


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Who speaks, who it is measured against, how the last day would have gone, and why a fall-back speaks."""

    chosen: FittedModel
    naive: FittedModel
    holdout: tuple[Matured, ...] = ()
    note: str = ""


UNFITTED = FittedModel(NAIVE.name, Naive(), prior())


def fit(series: Series) -> Fit:
    """Fit the family that loses least on the newest part of the series, which it is not shown for that trial.

    Naive speaks, and the note says why, where the series is too poor, no family can be fitted or none beats it.
    Raises ValueError where nothing is known.
    """
    naive = fit_family(NAIVE, series)
    held_out = int(min(HOLDOUT_SECONDS / series.step_seconds, len(series) // 3))
    shown = series.cut(0, len(series) - held_out)
    if objection := guard.objection(shown):
        return Fit(naive, naive, note=objection)
    naive_losses = _trial(fit_family(NAIVE, shown), series, held_out)
    best: Family | None = None
    best_losses, notes = naive_losses, []
    for family in FAMILIES:
        try:
            losses = _trial(fit_family(family, shown), series, held_out)
        except Unfit as refusal:
            notes.append(f"{family.name}: {refusal}")
            continue
        margin = PREFERENCE if best else 0.0
        if np.nansum(losses) < (1.0 - margin) * np.nansum(best_losses):
            best, best_losses = family, losses
    if not best:
        if len(notes) < len(FAMILIES):
            notes.append(f"no family beat naive on the last {held_out} steps")
        return Fit(naive, naive, note="; ".join(notes))
    try:
        chosen = fit_family(best, series)
    except Unfit as refusal:
        return Fit(naive, naive, note=f"{best.name}: {refusal}")
    as_of = series.ends_seconds[-held_out:]
    rows = zip(as_of.tolist(), best_losses.tolist(), naive_losses.tolist(), strict=True)
    return Fit(chosen, naive, tuple(Matured(*row) for row in rows if math.isfinite(row[1])))


def fit_family(family: Family, demand: Series) -> FittedModel:
    """A family fitted to demand in replicas, with the errors that it makes in its own past. Raises Unfit."""
    learned = demand.newest(family.newest_seconds)
    known_seconds = np.count_nonzero(learned.known) * learned.step_seconds
    if known_seconds < family.least_seconds:
        raise Unfit(f"needs {family.least_seconds / 3600:g} h of known demand, has {known_seconds / 3600:.2f} h")
    model = family.fit(learned.mapped(to_log))
    table = learn_table(model, demand.newest(TABLE_SECONDS))
    return FittedModel(family.name, model.without_past(), table)


def _trial(fitted: FittedModel, series: Series, held_out: int) -> Floats:
    """The mean loss of each forecast given in the last `held_out` steps; NaN where it has not matured or was not known."""
    lost = mean_loss(scored(fitted.quantiles(series, held_out)), scored_maxima(realised_maxima(series)[-held_out:]))
    lost[~series.known[-held_out:]] = np.nan
    return lost
