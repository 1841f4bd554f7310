"""One workload's forecaster: collects demand, says when a fit is due, and makes quantile forecasts (fans)."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from forecasting import guard
from forecasting.fit import UNFITTED, Fit
from forecasting.history import History
from forecasting.models.naive import NAIVE
from forecasting.quantiles import HORIZONS_SECONDS, PROBABILITIES, Recent
from forecasting.series import Series
from policies.model import Fan

HISTORY_SECONDS = 14 * 86_400.0  # 20,160 minutes, 160 kB
REFIT_SECONDS = 3_600.0
FIRST_FIT_STEPS = 30  # fewer are not worth a fit


class Forecaster:
    """Deterministic and without I/O. Times are Unix seconds of the scenario, demand is in replicas."""

    def __init__(self, step_seconds: float = 60.0) -> None:
        self._step_seconds = step_seconds
        self._history = History(step_seconds, round(HISTORY_SECONDS / step_seconds))
        self._fit = Fit(UNFITTED, UNFITTED, note="no fit yet")
        self._adopted: tuple[Fit, float] | None = None
        self._asked_seconds: float | None = None
        self._used = False  # whether the fit in use is proven
        self._fan: Fan | None = None
        self._closed_seconds: float | None = None  # when the fan was made

    def backfill(self, points: Iterable[tuple[float, float]]) -> None:
        """Add past demand, (seconds, replicas) in any order and density, where nothing was observed."""
        self._history.backfill(points)
        self._fan = None

    def observe(self, at_seconds: float, demand: float | None) -> None:
        """Add the demand of the tick that ends at `at_seconds`, in replicas; None is a gap."""
        self._history.add(at_seconds, demand)

    def fit_due(self, now_seconds: float) -> Series | None:
        """The demand in replicas to fit to, at most once an hour; None where no fit is due."""
        if self._asked_seconds is not None and now_seconds < self._asked_seconds + REFIT_SECONDS:
            return None
        series = self._history.series()
        if len(series) < FIRST_FIT_STEPS:
            return None
        self._asked_seconds = now_seconds
        return series

    def adopt(self, fit: Fit | None, at_seconds: float) -> None:
        """Use this fit after `at_seconds`. None stands for a fit that failed: the present one stays in use."""
        self._adopted = (fit or replace(self._fit, note="the last fit failed"), at_seconds)

    def fan(self, now_seconds: float) -> Fan | None:
        """Quantiles of the maximum of demand after the last closed step; None before the first step with a value.

        It is made once a step. While demand is unknown, the fan of the last known step stays, and ages.
        """
        if self._adopted and now_seconds > self._adopted[1]:
            self._fit, self._adopted, self._fan = self._adopted[0], None, None
            self._used = self._fit.worth.proven(used=self._used)
        if self._fan is None or self._closed_seconds != self._history.closed_seconds:
            self._closed_seconds = self._history.closed_seconds
            self._fan = self._forecast(self._history.series())
        return self._fan

    def _forecast(self, demand: Series) -> Fan | None:
        if not len(demand):
            return None
        fitted, note = self._fit.chosen, self._fit.note
        recent = Recent.of(demand)
        values = fitted.quantiles(recent)[0]
        if not guard.sound(values):
            note = f"{fitted.family}: a quantile is not a number from 0 to {guard.GREATEST_REPLICAS:g} replicas"
            fitted = self._fit.naive
            values = np.minimum(fitted.quantiles(recent)[0], guard.GREATEST_REPLICAS)
        own = fitted.family != NAIVE.name
        if own and not note:
            note = self._fit.worth.text(used=self._used)
        rows = tuple(tuple(row) for row in np.round(values, 6).tolist())
        proven = own and self._used
        headroom = round(self._fit.worth.headroom, 6) if proven else 1.0
        return Fan(
            demand.end_seconds,
            HORIZONS_SECONDS,
            PROBABILITIES,
            rows,
            fitted.family,
            proven,
            note,
            headroom,
            round(self._fit.level_headroom, 6),
        )
