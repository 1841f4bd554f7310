"""A series of equal steps with gaps, which every forecast is made from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Values of equal steps; `values[i]` is the mean over [start + i * step, start + (i + 1) * step). NaN is a gap."""

    start_seconds: float  # since the Unix epoch
    step_seconds: float
    values: Floats

    def __len__(self) -> int:
        return len(self.values)

    @property
    def end_seconds(self) -> float:
        """The end of the last step."""
        return self.start_seconds + len(self) * self.step_seconds

    @property
    def ends_seconds(self) -> Floats:
        """The end of each step: the moment at which its value is known."""
        return self.start_seconds + self.step_seconds * np.arange(1, len(self) + 1, dtype=np.float64)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Where there is a value, [step]."""
        return np.isfinite(self.values)

    def cut(self, first: int, end: int) -> Self:
        """The steps from `first` up to but not including `end`."""
        start_seconds = self.start_seconds + first * self.step_seconds
        return type(self)(start_seconds, self.step_seconds, self.values[first:end])

    def tail(self, steps: int) -> Self:
        """The last `steps` steps, or all where there are fewer."""
        return self.cut(max(0, len(self) - steps), len(self))

    def newest(self, seconds: float) -> Self:
        """The steps of the last `seconds`, or all where there are fewer."""
        return self.tail(round(min(seconds / self.step_seconds, len(self))))

    def mapped(self, function: Callable[[Floats], Floats]) -> Self:
        """The same steps with `function` applied to their values."""
        return type(self)(self.start_seconds, self.step_seconds, function(self.values))

    def filled(self) -> Self:
        """Gaps filled by linear interpolation; the first and last known values are extended to the ends.

        A gap is filled from its nearest known steps, so no value before a known step depends on what came after it.
        Raises ValueError where no value is known.
        """
        known = self.known
        if not known.any():
            raise ValueError("a series without a known value cannot be filled")
        if known.all():
            return self
        at = np.arange(len(self))
        return self.mapped(lambda values: np.interp(at, at[known], values[known]))
