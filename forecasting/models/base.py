"""What a family of models declares, and what its models can do."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from forecasting.series import Floats, Series


class Unfit(Exception):  # noqa: N818 - a result, not a fault
    """A family cannot be fitted to a series; the text says why."""


class Model(ABC):
    """A fitted model of a family. It can be pickled, and its forecasts are cheap."""

    __slots__ = ()

    @abstractmethod
    def paths(self, log_demand: Series, steps: int) -> Floats:
        """The expected log demand of the next `steps` steps as of the end of each step, [step, step ahead].

        `log_demand` has no gaps. A row must not depend on later steps. It is read step ahead by step ahead, so those are
        best laid out in one piece each.
        """

    def without_past(self) -> Self:
        """The model without what it needs only for forecasts of its own past."""
        return self


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of model: how it is fitted and what that takes. Each is declared in the file of its model.

    `fit` takes log demand with NaN for gaps and raises Unfit where it fails. What is declared here is checked before.
    """

    name: str
    fit: Callable[[Series], Model]
    least_seconds: float  # of known demand that a fit needs
    newest_seconds: float = math.inf  # the newest part of the history that a fit learns from
