"""Rolling skill score against naive: 1 - loss / naive's loss, over forecasts whose horizons have passed (matured)."""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

WINDOW_SECONDS = 86_400.0
LEAST_MATURED = 120  # forecasts; two hours at one a minute
LEAST_SKILL = 0.02
RECENT_MATURED = 30  # forecasts; a change in the character of demand must show within the hour
LEAST_RECENT_SKILL = -0.25  # a forecast with a true skill of 0.05 rarely falls so low in half an hour by chance


class Matured(NamedTuple):
    """The mean pinball losses in replicas of one forecast and of naive's for the same step."""

    as_of_seconds: float
    loss: float
    naive_loss: float


class Skill:
    """The last day's matured forecasts, live ones and those of holdouts."""

    def __init__(self) -> None:
        self._matured: list[Matured] = []

    def add(self, matured: Iterable[Matured]) -> None:
        """Add matured forecasts; of two as of the same time, the one that was added first stays."""
        scored = {each.as_of_seconds for each in self._matured}
        self._matured += [each for each in matured if each.as_of_seconds not in scored]
        self._matured.sort()
        oldest = self._matured[-1].as_of_seconds - WINDOW_SECONDS if self._matured else 0.0
        del self._matured[: bisect_left(self._matured, oldest, key=lambda each: each.as_of_seconds)]

    @property
    def count(self) -> int:
        """How many forecasts it is computed from."""
        return len(self._matured)

    @property
    def value(self) -> float | None:
        """1 is perfect, 0 is naive, negative is worse; None while too few have matured."""
        return _skill(self._matured) if self.count >= LEAST_MATURED else None

    @property
    def proven(self) -> bool:
        """Whether the forecast beat naive over the window, and has not failed in its newest part."""
        if self.value is None or self.value < LEAST_SKILL:
            return False
        return _skill(self._matured[-RECENT_MATURED:]) >= LEAST_RECENT_SKILL


def _skill(matured: Sequence[Matured]) -> float:
    naive_loss = math.fsum(each.naive_loss for each in matured)
    return 1.0 - math.fsum(each.loss for each in matured) / naive_loss if naive_loss > 0 else 0.0
