"""The profile of the day and the week, shifted by the present deviation from it."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from forecasting import profile
from forecasting.log_demand import LEVEL_STEPS, smooth
from forecasting.models.base import Family, Model
from forecasting.series import Floats, Series


@dataclass(frozen=True, slots=True, eq=False)
class Seasonal(Model):
    """Usual log demand plus the present deviation from it."""

    profile: profile.Profile

    def paths(self, log_demand: Series, steps: int) -> Floats:
        """The profile of the steps ahead, shifted by the smoothed deviation."""
        step = log_demand.step_seconds
        middles = log_demand.start_seconds + step * (0.5 + np.arange(len(log_demand) + steps, dtype=np.float64))
        usual = self.profile.at(middles)
        deviations = log_demand.values - usual[: len(log_demand)]
        present = smooth(deviations, LEVEL_STEPS, float(deviations[0]))
        ahead = np.lib.stride_tricks.sliding_window_view(usual[1:], len(log_demand))  # [step ahead, step]
        return (ahead + present).T

    def without_past(self) -> Self:
        """The same with the profile that all days gave, for today and later."""
        return type(self)(self.profile.without_past())


def fit_seasonal(log_demand: Series) -> Seasonal:
    """Learn the profile of log demand with gaps. Raises ValueError where fewer than two days have values."""
    return Seasonal(profile.learn(log_demand))


SEASONAL = Family("seasonal", fit_seasonal, least_seconds=2.0 * profile.DAY_SECONDS)
