"""What a family of models is: how to fit a model of it, and what that takes."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from forecasting.series import Floats, Series


class Unfit(Exception):  # noqa: N818 - an answer, not a fault
    """A family cannot be fitted to a series; the text says why."""


class Model(ABC):
    """A fitted member of a family. Picklable, and cheap to ask."""

    __slots__ = ()

    @abstractmethod
    def paths(self, log_demand: Series, steps: int) -> Floats:
        """The expected log demand of the next `steps` steps, at the end of each step of a series without gaps.

        Shape [step of the series, step ahead]. A row knows only what came before it.
        """

    def without_past(self) -> Self:
        """The same model for the time after its history: without what only the forecasts of its own past need."""
        return self


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of model, declared once in the file of its model.

    `fit` takes log demand with NaN for gaps, raises Unfit, and need not check what is declared here.
    """

    name: str
    fit: Callable[[Series], Model]
    least_seconds: float  # of known demand; with less the family is not fitted
    newest_seconds: float = math.inf  # of the history that `fit` is given
