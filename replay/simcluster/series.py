"""Time series as Prometheus stores them, with instant values, rates, counts, sums and maxima."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

LOOKBACK_SECONDS = 300.0

Floats = NDArray[np.float64]


@dataclass
class Series:
    """One series. It has no value from `stale_seconds` on, when its target was found to be gone."""

    labels: Mapping[str, str]  # with __name__
    times: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    stale_seconds: float = float("inf")

    def at(self, moments: Floats, lookback_seconds: float) -> Floats:
        """The newest value at each moment that is younger than the lookback; NaN where there is none."""
        times, values = np.asarray(self.times), np.asarray(self.values)
        newest = np.searchsorted(times, moments, "right") - 1
        held = np.maximum(newest, 0)
        known = (newest >= 0) & (times[held] > moments - lookback_seconds) & (moments < self.stale_seconds)
        return np.where(known, values[held], np.nan)

    def rate(self, moments: Floats, window_seconds: float) -> Floats:
        """Increase per second over (moment - window, moment], extrapolated to its ends; NaN with fewer than two samples.

        Prometheus's rule: if the first or last sample is 1.1 sample intervals or more from the window's edge, the rate is
        extrapolated by half an interval only, and never below zero.
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

    def count(self, moments: Floats, window_seconds: float) -> Floats:
        """Samples in (moment - window, moment]; NaN where there is none."""
        times = np.asarray(self.times)
        first, past = (np.searchsorted(times, at, "right") for at in (moments - window_seconds, moments))
        return np.where(past > first, past - first, np.nan)


def highest(columns: Iterable[Floats], moments: Floats) -> Floats:
    """The largest of the known values at each moment; NaN where none is known."""
    found = np.full(moments.shape, np.nan)
    for column in columns:
        found = np.fmax(found, column)
    return found


def total(columns: Iterable[Floats], moments: Floats) -> Floats:
    """The sum of the known values at each moment; NaN where none is known."""
    summed = np.full(moments.shape, np.nan)
    for column in columns:
        summed = np.where(np.isnan(column), summed, np.where(np.isnan(summed), 0.0, summed) + column)
    return summed
