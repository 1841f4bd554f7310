"""The profile of the day and the week, carried by how far demand is from it at present."""

from dataclasses import dataclass

import numpy as np

from forecasting import profile
from forecasting.log_demand import LEVEL_STEPS, smooth
from forecasting.models import Unfit
from forecasting.series import Floats, Series

LEAST_DAYS = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Seasonal:
    """Usual demand plus the present deviation from it."""

    family = "seasonal"
    profile: profile.Profile

    def paths(self, log_demand: Series, steps: int) -> Floats:
        """The profile ahead, shifted by the smoothed deviation."""
        step = log_demand.step_seconds
        middles = log_demand.start_seconds + step * (0.5 + np.arange(len(log_demand) + steps, dtype=np.float64))
        usual = self.profile.at(middles)
        off = log_demand.values - usual[: len(log_demand)]
        deviation = smooth(off, LEVEL_STEPS, float(off[0]))
        ahead = np.lib.stride_tricks.sliding_window_view(usual[1:], steps)
        return ahead[: len(log_demand)] + deviation[:, None]

    def for_the_future(self) -> "Seasonal":
        """The same without what only the past needs."""
        return Seasonal(self.profile.without_past())


def fit_seasonal(log_demand: Series) -> Seasonal:
    """Learn the profile of a series with gaps. Raises Unfit below two days of known steps."""
    days = np.count_nonzero(log_demand.known) * log_demand.step_seconds / profile.DAY_SECONDS
    if days < LEAST_DAYS:
        raise Unfit(f"a profile needs {LEAST_DAYS:.0f} days of history, there are {days:.1f}")
    return Seasonal(profile.learn(log_demand))
