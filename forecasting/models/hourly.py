"""The profile of the hour, shifted by the present deviation from it: jobs that start at each full hour."""

from dataclasses import dataclass

import numpy as np

from forecasting.log_demand import LEVEL_STEPS, smooth
from forecasting.models.base import Family, Model
from forecasting.series import Floats, Series

HOUR_SECONDS = 3_600.0
BINS = 60  # of an hour: minutes


@dataclass(frozen=True, slots=True, eq=False)
class Hourly(Model):
    """Usual log demand of each minute of the hour plus the present deviation from it."""

    curve: Floats  # [minute of the hour], in log demand; its mean is 0

    def paths(self, log_demand: Series, steps: int) -> Floats:
        """The curve of the steps ahead, shifted by the smoothed deviation."""
        step = log_demand.step_seconds
        middles = log_demand.start_seconds + step * (0.5 + np.arange(len(log_demand) + steps, dtype=np.float64))
        usual = self.curve[_minute(middles)]
        deviations = log_demand.values - usual[: len(log_demand)]
        present = smooth(deviations, LEVEL_STEPS, float(deviations[0]))
        ahead = np.lib.stride_tricks.sliding_window_view(usual[1:], len(log_demand))  # [step ahead, step]
        return (ahead + present).T


def fit_hourly(log_demand: Series) -> Hourly:
    """The mean of log demand in each minute of the hour, gaps left out."""
    known = log_demand.known
    minute = _minute(log_demand.ends_seconds - log_demand.step_seconds / 2)[known]
    counts = np.bincount(minute, minlength=BINS)
    sums = np.bincount(minute, log_demand.values[known], minlength=BINS)
    at = np.arange(BINS)
    curve = np.interp(at, at[counts > 0], sums[counts > 0] / counts[counts > 0], period=BINS)
    return Hourly(curve - curve.mean())


def _minute(seconds: Floats) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return (seconds % HOUR_SECONDS / HOUR_SECONDS * BINS).astype(np.int64)


HOURLY = Family("hourly", fit_hourly, least_seconds=86_400.0, newest_seconds=7 * 86_400.0)
