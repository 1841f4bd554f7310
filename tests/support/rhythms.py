"""Made-up traffic that repeats, which a forecast has to earn on: jobs at each full hour, working weeks, a burst a day."""

import math

import numpy as np
from numpy.typing import NDArray

from forecasting.series import Floats
from replay.traces.recorded import BinTrace

BIN_SECONDS = 10.0
HOUR, DAY = 3_600.0, 86_400.0
MONDAY_SECONDS = 1_736_121_600.0  # 2025-01-06 00:00 UTC
PROMPT_TOKENS, OUTPUT_TOKENS = 900.0, 220.0


def hourly_jobs(days: float, per_second: float = 4.0) -> BinTrace:
    """Traffic that grows by 1.2 to 1.8 times within 20 s of each full hour, for eight minutes."""
    random = np.random.default_rng(11)
    at = np.arange(0.0, days * DAY, BIN_SECONDS)
    rate = per_second * _noise(at, random)
    for hour in range(int(days * 24)):
        since = at - hour * HOUR - random.uniform(0.0, 20.0)
        rate *= 1.0 + random.uniform(1.2, 1.8) * np.interp(since, [0.0, 20.0, 420.0, 480.0], [0.0, 1.0, 1.0, 0.0])
    return _trace("hourly-jobs", at, rate, random)


def working_weeks(days: float, per_second: float = 10.0) -> BinTrace:
    """Working days that begin within ten minutes at nine, with an hour of lunch; quiet nights and weekends."""
    random = np.random.default_rng(12)
    at = np.arange(0.0, days * DAY, BIN_SECONDS)
    hours = [0, 8.9, 9.05, 11.9, 12.05, 12.9, 13.05, 17.4, 17.7, 24]
    share = np.interp(at % DAY / HOUR, hours, [0.12, 0.15, 1, 1, 0.5, 0.5, 1, 1, 0.2, 0.12])
    works = at // DAY % 7 < 5
    return _trace("working-weeks", at, per_second * np.where(works, share, 0.12) * _noise(at, random), random)


def daily_bursts(days: float, replica_seconds: float) -> BinTrace:
    """Each day at nine, within 20 s of it, half an hour that keeps 13.2 replicas busy, and else 4.5; from one to the other in 30 s.

    With what may come on top these are 14 and 7 replicas. A request takes `replica_seconds` of one.
    """
    random = np.random.default_rng(13)
    at = np.arange(0.0, days * DAY, BIN_SECONDS)
    busy = np.full(len(at), 4.5)
    for day in range(math.ceil(days)):
        since = at - day * DAY - 9 * HOUR - random.uniform(-20.0, 20.0)
        busy += (13.2 - 4.5) * np.interp(since, [0.0, 30.0, 1800.0, 1860.0], [0.0, 1.0, 1.0, 0.0])
    return _trace("daily-bursts", at, busy * _noise(at, random) / replica_seconds, random)


def _noise(at: Floats, random: np.random.Generator) -> Floats:
    """Slow noise around 1: 6 % of it, forgotten within some ten minutes."""
    kept = np.exp(-BIN_SECONDS / 600.0)
    steps = random.normal(0.0, 0.06 * np.sqrt(1.0 - kept**2), len(at))
    window = kept ** np.arange(360)
    return np.asarray(np.exp(np.convolve(steps, window)[: len(at)]), dtype=np.float64)


def _trace(name: str, at: Floats, rate: Floats, random: np.random.Generator) -> BinTrace:
    requests = random.poisson(rate * BIN_SECONDS).astype(np.float64)
    sizes: NDArray[np.float64] = np.full(len(at), BIN_SECONDS)
    return BinTrace(name, at, sizes, requests, requests * PROMPT_TOKENS, requests * OUTPUT_TOKENS, MONDAY_SECONDS)
