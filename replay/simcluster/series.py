"""Time series as Prometheus keeps them, and the three things that it is asked of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

LOOKBACK_SECONDS = 300.0

Floats = NDArray[np.float64]


@dataclass
class Series:
    """One series. `stale_seconds` is when its target was found gone, after which it has no value."""

    labels: Mapping[str, str]  # with __name__
    times: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    stale_seconds: float = float("inf")

    def at(self, moments: Floats, lookback_seconds: float) -> Floats:
        """The newest value that is no older than the lookback, at each moment; NaN where there is none."""
        times, values = np.asarray(self.times), np.asarray(self.values)
        newest = np.searchsorted(times, moments, "right") - 1
        held = np.maximum(newest, 0)
        known = (newest >= 0) & (times[held] > moments - lookback_seconds) & (moments < self.stale_seconds)
        return np.where(known, values[held], np.nan)

    def rate(self, moments: Floats, window_seconds: float) -> Floats:
        """Increase per second over (moment - window, moment], extrapolated to its ends; NaN below two samples.

        Prometheus' rule: an end further than 1.1 sample intervals from the window's border is extrapolated by half an
        interval only, and never to below zero.
        """
        times, values = np.asarray(self.times), np.asarray(self.values)
        resets = np.concatenate(([0.0], np.cumsum(np.where(np.diff(values) < 0, values[:-1], 0.0))))
        grown = values + resets
        first = np.searchsorted(times, moments - window_seconds, "right")
        last = np.searchsorted(times, moments, "right") - 1
        enough = last > first
        first, last = np.where(enough, first, 0), np.where(enough, last, 0)
        sampled = np.where(enough, times[last] - times[first], 1.0)
        increase = grown[last] - grown[first]
        interval = sampled / np.where(enough, last - first, 1)
        before, after = times[first] - (moments - window_seconds), moments - times[last]
        before = np.where(before >= 1.1 * interval, interval / 2, before)
        after = np.where(after >= 1.1 * interval, interval / 2, after)
        to_zero = np.where(increase > 0, sampled * values[first] / np.where(increase > 0, increase, 1.0), np.inf)
        before = np.minimum(before, to_zero)
        return np.where(enough, increase * (sampled + before + after) / sampled / window_seconds, np.nan)


def total(columns: Iterable[Floats], moments: Floats) -> Floats:
    """The sum of what is known at each moment; NaN where nothing is."""
    summed = np.full(moments.shape, np.nan)
    for column in columns:
        summed = np.where(np.isnan(column), summed, np.where(np.isnan(summed), 0.0, summed) + column)
    return summed
