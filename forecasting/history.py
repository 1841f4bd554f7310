"""The newest steps of one workload's demand, averaged from finer readings."""

import math
from array import array
from collections.abc import Iterable

import numpy as np

from forecasting.series import Series

_EDGE = 1e-6  # of a step: a reading this close to the end of a step is at its end


class History:
    """At most `limit_steps` closed steps, and the open one. A reading belongs to the time that ends with it.

    Raises ValueError for a step that does not last a positive number of seconds.
    """

    def __init__(self, step_seconds: float, limit_steps: int) -> None:
        if not step_seconds > 0:
            raise ValueError(f"step_seconds is {step_seconds}: give a positive number of seconds")
        self._step_seconds = step_seconds
        self._limit_steps = limit_steps
        self._closed = array("d")
        self._open: int | None = None  # number of the open step since the epoch
        self._readings: list[float] = []  # of the open step

    def series(self) -> Series:
        """All closed steps up to the last one with a value."""
        end = len(self._closed)
        while end and not math.isfinite(self._closed[end - 1]):
            end -= 1
        first = (self._open or 0) - len(self._closed)
        return Series(first * self._step_seconds, self._step_seconds, np.array(self._closed[:end]))

    @property
    def closed_seconds(self) -> float | None:
        """The end of the last closed step, known or not; None before the first."""
        return self._open * self._step_seconds if self._open is not None and self._closed else None

    def add(self, at_seconds: float, value: float | None) -> None:
        """Add a reading. None, NaN, infinite and negative ones leave a gap; readings of closed steps are ignored."""
        number = self._step_of(at_seconds)
        self._close_before(number)
        if number == self._open and value is not None and _valid(value):
            self._readings.append(value)
        self._close_before(math.floor(at_seconds / self._step_seconds + _EDGE))

    def backfill(self, points: Iterable[tuple[float, float]]) -> None:
        """Add older readings, (seconds, value) in any order, where nothing is known yet."""
        older: dict[int, list[float]] = {}
        for at_seconds, value in points:
            number = self._step_of(at_seconds)
            if _valid(value) and (self._open is None or number < self._open):
                older.setdefault(number, []).append(value)
        if not older:
            return
        steps = {number: math.fsum(values) / len(values) for number, values in older.items()}
        self._open = max(steps) + 1 if self._open is None else self._open
        own = range(self._open - len(self._closed), self._open)
        steps |= {n: v for n, v in zip(own, self._closed, strict=True) if math.isfinite(v)}
        first = max(min(steps), self._open - self._limit_steps)
        self._closed = array("d", (steps.get(number, math.nan) for number in range(first, self._open)))

    def _close_before(self, number: int) -> None:
        """Close the open step and those after it, up to, without, `number`."""
        if self._open is None:
            self._open = number
        gap = number - self._open
        if gap <= 0:
            return
        self._closed.append(math.fsum(self._readings) / len(self._readings) if self._readings else math.nan)
        self._closed.extend([math.nan] * min(gap - 1, self._limit_steps))
        del self._closed[: max(0, len(self._closed) - self._limit_steps)]
        self._open, self._readings = number, []

    def _step_of(self, at_seconds: float) -> int:
        return math.ceil(at_seconds / self._step_seconds - _EDGE) - 1


def _valid(value: float) -> bool:
    return math.isfinite(value) and value >= 0
