"""The usual log demand of each five minutes of the day and each day of the week, in UTC.

A weekday seen on n days weighs n / (n + SHRINK_DAYS) against the mean of all days (credibility: Bühlmann, 1967).
"""

from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from forecasting.series import Floats, Series

Integers: TypeAlias = NDArray[np.int64]

DAY_SECONDS = 86_400
BINS = 288  # of a day: five minutes
SMOOTH_BINS = 3  # a jump at the full hour becomes one of a quarter of an hour, not longer
SHRINK_DAYS = 2.0  # after this many days of one weekday, its own shape weighs as much as that of all days
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Curves of log demand over the day, one for each weekday, and for each day of the history.

    A curve in `past` is learned without its own day (leave one out), so that errors in the past are those of a forecast.
    """

    curves: Floats  # [weekday, bin], Monday first
    first_day: int  # of `past`, in days since the epoch
    past: Floats  # [day of the history, bin]

    def at(self, seconds: Floats) -> Floats:
        """The usual log demand at each time, in Unix seconds; in the past, learned without that day. Same shape."""
        day, of_day = np.divmod(seconds, DAY_SECONDS)
        day = day.astype(np.int64)
        rows = np.concatenate([self.past, self.curves])
        in_past = (day >= self.first_day) & (day < self.first_day + len(self.past))
        row = np.where(in_past, day - self.first_day, len(self.past) + _weekday(day))
        position = of_day / DAY_SECONDS * BINS - 0.5
        low = np.floor(position).astype(np.int64)
        share = position - low
        return rows[row, low % BINS] * (1.0 - share) + rows[row, (low + 1) % BINS] * share

    def without_past(self) -> Self:
        """The profile without the curves of past days."""
        return type(self)(self.curves, self.first_day, self.past[:0])


def learn(log_demand: Series) -> Profile:
    """The profile of log demand with gaps. A part of the day that no day knows is interpolated from its neighbours.

    Raises ValueError where fewer than two days have values.
    """
    moments = log_demand.ends_seconds - log_demand.step_seconds / 2
    days, of_day = np.divmod(moments, DAY_SECONDS)
    first_day = int(days[0])
    cell = (days.astype(np.int64) - first_day) * BINS + (of_day / DAY_SECONDS * BINS).astype(np.int64)
    known = log_demand.known
    shape = (int(days[-1]) - first_day + 1, BINS)
    size = shape[0] * BINS
    counts = np.bincount(cell[known], minlength=size).reshape(shape).astype(np.int64)
    sums = np.bincount(cell[known], log_demand.values[known], minlength=size).reshape(shape).astype(np.float64)
    if np.count_nonzero(counts.any(axis=1)) < 2:
        raise ValueError("a profile needs two days with values")
    weekdays = _weekday(first_day + np.arange(shape[0], dtype=np.int64))
    curves = np.stack([_curve(sums, counts, weekdays == weekday) for weekday in range(7)])
    past = []
    for day in range(shape[0]):
        others = np.arange(shape[0]) != day
        past.append(_curve(sums[others], counts[others], weekdays[others] == weekdays[day]))
    return Profile(curves, first_day, np.stack(past))


def _curve(sums: Floats, counts: Integers, same_weekday: NDArray[np.bool_]) -> Floats:
    """The mean of all days, drawn towards that of one weekday the more, the more days of it there are. Shape [bin]."""
    mean = _bridged(sums.sum(axis=0), counts.sum(axis=0))
    own_counts = counts[same_weekday]
    if own_counts.any():
        seen = float(own_counts.any(axis=1).sum())
        own = _bridged(sums[same_weekday].sum(axis=0), own_counts.sum(axis=0))
        mean += (own - mean) * seen / (seen + SHRINK_DAYS)
    return _smooth_around_midnight(mean)


def _bridged(sums: Floats, counts: Integers) -> Floats:
    at = np.arange(BINS)
    known = counts > 0
    return np.interp(at, at[known], sums[known] / counts[known], period=BINS)


def _smooth_around_midnight(curve: Floats) -> Floats:
    reach = SMOOTH_BINS // 2
    around = np.concatenate([curve[-reach:], curve, curve[:reach]])
    return np.convolve(around, np.full(SMOOTH_BINS, 1.0 / SMOOTH_BINS), mode="valid")


def _weekday(day: Integers) -> Integers:
    return (day + _EPOCH_WEEKDAY) % 7
