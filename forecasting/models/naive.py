"""Naive: demand stays where it is. What every other family must beat."""

from dataclasses import dataclass

import numpy as np

from forecasting.series import Floats, Series


@dataclass(frozen=True, slots=True)
class Naive:
    """The last value, carried forward."""

    family = "naive"

    def paths(self, log_demand: Series, steps: int) -> Floats:
        """The value of each step, repeated."""
        return np.repeat(log_demand.values[:, None], steps, axis=1)
