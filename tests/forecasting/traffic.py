"""Made-up demand for the tests of forecasting: a daily wave with noise, in replicas, one value a minute."""

import numpy as np
from numpy.typing import ArrayLike

from forecasting.series import Floats, Series
from forecasting.worth import Law

MONDAY_SECONDS = 1_736_121_600.0  # 2025-01-06 00:00 UTC
DAY_STEPS = 1440
LAW = Law(270.0, 120.0, 0.99, 5.0, min_replicas=1, max_replicas=400, gpus_per_replica=1)


def wave(days: float, *, noise: float = 0.1, level: float = 10.0, swing: float = 0.5, seed: int = 1) -> Floats:
    """Demand that doubles and halves over the day, with independent noise on every minute."""
    at = np.arange(round(days * DAY_STEPS))
    usual = np.log(level) + swing * np.sin(2 * np.pi * at / DAY_STEPS)
    return np.asarray(np.exp(usual + noise * np.random.default_rng(seed).normal(size=len(at))), dtype=np.float64)


def with_gaps(share: float, days: float = 1) -> Floats:
    """The wave without `share` of its minutes."""
    values = wave(days)
    values[np.random.default_rng(2).random(len(values)) < share] = np.nan
    return values


def growing(steps: int = 300) -> Floats:
    """A process that grows by a twentieth a minute, with noise."""
    noise = np.random.default_rng(7).normal(scale=0.01, size=steps)
    return 1.05 ** np.arange(steps) * (1.0 + np.cumsum(noise / 1.05 ** np.arange(steps)))


def minutes(values: ArrayLike, start_seconds: float = MONDAY_SECONDS) -> Series:
    """A series of one-minute steps."""
    return Series(start_seconds, 60.0, np.asarray(values, dtype=np.float64))


def points(series: Series) -> list[tuple[float, float]]:
    """The series as a source of history would give it, gaps left out."""
    return [(at, v) for at, v in zip(series.ends_seconds.tolist(), series.values.tolist(), strict=True) if v == v]
