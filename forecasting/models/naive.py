"""Naive: demand stays as it is. Every other family must beat it."""

from dataclasses import dataclass

import numpy as np

from forecasting.models.base import Family, Model
from forecasting.series import Floats, Series


@dataclass(frozen=True, slots=True)
class Naive(Model):
    """The last value, carried forward."""

    def paths(self, log_demand: Series, steps: int) -> Floats:
        """The value of each step, repeated for the steps ahead."""
        return np.full((steps, len(log_demand)), log_demand.values).T


NAIVE = Family("naive", lambda _: Naive(), least_seconds=0.0)
