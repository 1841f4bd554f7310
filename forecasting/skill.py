"""Rolling skill against naive, over forecasts whose time has come."""

import math
from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import NamedTuple

WINDOW_SECONDS = 86_400.0
LEAST_MATURED = 120  # forecasts; two hours at one a minute
LEAST_SKILL = 0.02


class Matured(NamedTuple):
    """One forecast and what it lost, beside naive: mean pinball losses in replicas."""

    as_of_seconds: float
    loss: float
    naive_loss: float


class Skill:
    """The last day of matured forecasts. Those given live count before those of a hindcast."""

    def __init__(self) -> None:
        self._matured: list[Matured] = []

    def add(self, matured: Matured) -> None:
        """Take a forecast that has matured; the first one of a moment stays."""
        at = bisect_left(self._matured, matured.as_of_seconds, key=lambda each: each.as_of_seconds)
        if at < len(self._matured) and self._matured[at].as_of_seconds == matured.as_of_seconds:
            return
        insort(self._matured, matured)
        oldest = self._matured[-1].as_of_seconds - WINDOW_SECONDS
        del self._matured[: bisect_left(self._matured, oldest, key=lambda each: each.as_of_seconds)]

    def extend(self, hindcast: Iterable[Matured]) -> None:
        """Take a hindcast, where no forecast was given live."""
        for matured in hindcast:
            self.add(matured)

    @property
    def count(self) -> int:
        """How many forecasts it rests on."""
        return len(self._matured)

    @property
    def value(self) -> float | None:
        """1 is perfect, 0 is naive, negative is worse; None while too few have matured."""
        if len(self._matured) < LEAST_MATURED:
            return None
        naive = math.fsum(each.naive_loss for each in self._matured)
        return 1.0 - math.fsum(each.loss for each in self._matured) / naive if naive > 0 else None

    @property
    def proven(self) -> bool:
        """Whether the forecast has earned a voice."""
        return (self.value or 0.0) >= LEAST_SKILL
