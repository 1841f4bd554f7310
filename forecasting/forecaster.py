"""One workload's forecaster: collects demand, says when a fit is due, and makes quantile forecasts (fans)."""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from forecasting import guard
from forecasting.fit import UNFITTED, Fit
from forecasting.history import History
from forecasting.models.naive import NAIVE
from forecasting.quantiles import HORIZONS_SECONDS, PROBABILITIES, Recent, horizon_steps
from forecasting.scores import SCORED_HORIZONS_SECONDS, mean_loss, scored, scored_maxima
from forecasting.series import Floats, Series
from forecasting.skill import Matured, Skill
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
        self._scored_steps = scored_maxima(np.array(horizon_steps(step_seconds)))
        self._skill = Skill()
        self._given: deque[tuple[float, Floats, Floats]] = deque()  # as of, own quantiles, naive's; not yet matured
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
        self._adopted = (fit or replace(self._fit, holdout=(), note="the last fit failed"), at_seconds)

    def fan(self, now_seconds: float) -> Fan | None:
        """Quantiles of the maximum of demand after the last closed step; None before the first step with a value.

        It is made once a step. While demand is unknown, the fan of the last known step stays, and ages.
        """
        if self._adopted and now_seconds > self._adopted[1]:
            self._fit, self._adopted, self._fan = self._adopted[0], None, None
            self._skill.add(self._fit.holdout)
        if self._fan is None or self._closed_seconds != self._history.closed_seconds:
            self._closed_seconds = self._history.closed_seconds
            self._fan = self._forecast(self._history.series())
        return self._fan

    def _forecast(self, demand: Series) -> Fan | None:
        if not len(demand):
            return None
        self._mature(demand)
        fitted, note = self._fit.chosen, self._fit.note
        recent = Recent.of(demand)
        values = fitted.quantiles(recent)[0]
        if not guard.sound(values):
            note = f"{fitted.family}: a quantile is not a number from 0 to {guard.GREATEST_REPLICAS:g} replicas"
            fitted = self._fit.naive
            values = np.minimum(fitted.quantiles(recent)[0], guard.GREATEST_REPLICAS)
        own = fitted.family != NAIVE.name
        if own and demand.end_seconds == self._closed_seconds:
            naive = self._fit.naive.quantiles(recent)[0]
            self._given.append((demand.end_seconds, scored(values), scored(naive)))
        rows = tuple(tuple(row) for row in np.round(values, 6).tolist())
        proven = own and self._skill.proven
        return Fan(demand.end_seconds, HORIZONS_SECONDS, PROBABILITIES, rows, fitted.family, proven, note)

    def _mature(self, demand: Series) -> None:
        """Score the forecasts whose horizons have passed; drop those that met a gap."""
        while self._given and self._given[0][0] + max(SCORED_HORIZONS_SECONDS) <= demand.end_seconds:
            as_of_seconds, own, naive = self._given.popleft()
            origin = round((as_of_seconds - demand.start_seconds) / self._step_seconds) - 1
            if origin < 0:
                continue  # the history no longer has that step, after a gap as long as the history
            ahead = demand.values[origin + 1 : origin + 1 + self._scored_steps[-1]]
            maxima = np.maximum.accumulate(ahead)[self._scored_steps - 1]
            if np.isfinite(maxima).all():
                lost = mean_loss(np.stack([own, naive]), maxima).tolist()
                self._skill.add([Matured(as_of_seconds, *lost)])
