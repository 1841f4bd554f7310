"""Choose and fit a family for one service: pure, picklable in and out, about 0.2 s for a week of minutes."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from forecasting import guard
from forecasting.log_demand import to_log
from forecasting.models import Model, Unfit
from forecasting.models.autoreg import fit_autoreg
from forecasting.models.naive import Naive
from forecasting.models.seasonal import fit_seasonal
from forecasting.quantiles import learn_table, prior, quantiles, realised_maxima
from forecasting.scores import mean_loss, scored, scored_maxima
from forecasting.series import Floats, Series
from forecasting.skill import Matured

HOLDOUT_SECONDS = 86_400.0  # at most; a third of a short history
PREFERENCE = 0.05  # of the loss: by so much a family must beat one that is named before it
LEARN_SECONDS = 7 * 86_400.0  # what autoreg and the error tables learn from; a profile learns from all


@dataclass(frozen=True, slots=True, eq=False)
class FittedModel:
    """A model and the table of its past errors."""

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


UNFITTED = FittedModel(Naive(), prior())


def fit_naive(demand: Series) -> FittedModel:
    """Naive with the errors that it made."""
    return FittedModel(Naive(), learn_table(Naive(), _recent(demand)))


def fit_family_autoreg(demand: Series) -> FittedModel:
    """The autoregression, with the errors that it makes in its own past."""
    recent = _recent(demand)
    model = fit_autoreg(recent.mapped(to_log).filled())
    return FittedModel(model, learn_table(model, recent))


def fit_family_seasonal(demand: Series) -> FittedModel:
    """The profile, with the errors that it makes on days that it was not learned from."""
    model = fit_seasonal(demand.mapped(to_log))
    return FittedModel(model.for_the_future(), learn_table(model, _recent(demand)))


FAMILIES: dict[str, Callable[[Series], FittedModel]] = {"autoreg": fit_family_autoreg, "seasonal": fit_family_seasonal}


def fit(series: Series) -> Fit:
    """Fit the family that loses least on the newest part of the series, which it is not shown for that trial.

    Naive speaks, and the note says why, where the series is too poor, no family can be fitted or none beats it.
    Raises ValueError where nothing is known.
    """
    naive = fit_naive(series)
    held_out = int(min(HOLDOUT_SECONDS / series.step_seconds, len(series) // 3))
    shown = series.cut(0, len(series) - held_out)
    if objection := guard.objection(shown):
        return Fit(naive, naive, note=objection)
    naive_losses = _trial(fit_naive(shown), series, held_out)
    best, best_losses, notes = "", naive_losses, []
    for family, fit_family in FAMILIES.items():
        try:
            family_losses = _trial(fit_family(shown), series, held_out)
        except Unfit as refusal:
            notes.append(f"{family}: {refusal}")
            continue
        margin = PREFERENCE if best else 0.0
        if np.nansum(family_losses) < (1.0 - margin) * np.nansum(best_losses):
            best, best_losses = family, family_losses
    if not best:
        return Fit(naive, naive, note="; ".join([*notes, f"nothing beat naive on the last {held_out} steps"]))
    try:
        fitted = FAMILIES[best](series)
    except Unfit as refusal:
        return Fit(naive, naive, note=f"{best}: {refusal}")
    as_of = series.ends_seconds[-held_out:]
    rows = zip(as_of.tolist(), best_losses.tolist(), naive_losses.tolist(), strict=True)
    return Fit(fitted, naive, tuple(Matured(*row) for row in rows if math.isfinite(row[1])))


def _trial(fitted: FittedModel, series: Series, held_out: int) -> Floats:
    """The mean loss of each forecast given in the last `held_out` steps; NaN where it has not matured or was not known."""
    lost = mean_loss(scored(fitted.quantiles(series, held_out)), scored_maxima(realised_maxima(series)[-held_out:]))
    lost[~series.known[-held_out:]] = np.nan
    return lost


def _recent(demand: Series) -> Series:
    return demand.tail(round(LEARN_SECONDS / demand.step_seconds))
