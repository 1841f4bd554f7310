"""Rolling skill score against naive: 1 - loss / naive's loss, over forecasts whose horizons have passed (matured)."""

from bisect import bisect_left
from collections.abc import Iterable
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
        self._as_of_seconds: list[float] = []  # ascending
        self._losses: list[float] = []
        self._naive_losses: list[float] = []

    def add(self, matured: Iterable[Matured]) -> None:
        """Add matured forecasts; of two as of the same time, the one that was added first stays."""
        columns = self._as_of_seconds, self._losses, self._naive_losses
        for each in matured:
            at = bisect_left(self._as_of_seconds, each.as_of_seconds)
            if self._as_of_seconds[at : at + 1] != [each.as_of_seconds]:
                for column, value in zip(columns, each, strict=True):
                    column.insert(at, value)
        if self._as_of_seconds:
            first = bisect_left(self._as_of_seconds, self._as_of_seconds[-1] - WINDOW_SECONDS)
            for column in columns:
                del column[:first]

    @property
    def count(self) -> int:
        """How many forecasts it is computed from."""
        return len(self._as_of_seconds)

    @property
    def value(self) -> float | None:
        """1 is perfect, 0 is naive, negative is worse; None while too few have matured."""
        return self._skill(self.count) if self.count >= LEAST_MATURED else None

    @property
    def proven(self) -> bool:
        """Whether the forecast beat naive over the window, and has not failed in its newest part."""
        value = self.value
        if value is None or value < LEAST_SKILL:
            return False
        return self._skill(RECENT_MATURED) >= LEAST_RECENT_SKILL

    def _skill(self, newest: int) -> float:
        naive_loss = sum(self._naive_losses[-newest:])
        return 1.0 - sum(self._losses[-newest:]) / naive_loss if naive_loss > 0 else 0.0
