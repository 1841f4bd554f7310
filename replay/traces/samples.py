"""Samples that are made here, from a seed, so that a replay needs no download. Nothing of them was recorded."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replay.traces.recorded import OUTPUT_SPREAD, PROMPT_SPREAD, BinTrace
from replay.traces.trace import UNDATED_EPOCH_SECONDS

BIN_SECONDS = 10.0
HOUR, DAY = 3600.0, 86_400.0
WINDOW_SECONDS = 36 * 60.0  # 72 s of a demo at 30x
# Chat: mean tokens of a request.
PROMPT_TOKENS, OUTPUT_TOKENS = 900.0, 220.0


@dataclass(frozen=True)
class Sample:
    """A trace and the window of it that is worth replaying; what lies before is its past."""

    trace: BinTrace
    start_seconds: float
    duration_seconds: float


def sample(name: str) -> Sample:
    """A shipped sample by name, the same each time. Raises KeyError for an unknown one."""
    if name not in SAMPLES:
        raise KeyError(f"no sample {name!r}; available: {', '.join(SAMPLES)}")
    return SAMPLES[name]()


def _office_morning() -> Sample:
    """Chat of an office: seven days, then 36 minutes from Wednesday 09:00 UTC in which the rush of every working day comes.

    The rush begins within a minute or so of 09:14, grows for five minutes to 2.2 to 2.6 times the traffic and lasts
    fifteen. Ten other bursts, at any time of the week, are announced by nothing. Requests a second peak near 13.
    """
    return Sample(_office("office-morning", 7 * DAY, WINDOW_SECONDS, 10, 20250108), 7 * DAY, WINDOW_SECONDS)


def _office_weeks() -> Sample:
    """The same kind of office for three weeks, with thirty such bursts; the first day of the third week is shown."""
    return Sample(_office("office-weeks", 21 * DAY, 0.0, 30, 20250110), 14 * DAY, DAY)


def _office(name: str, past_seconds: float, shown_seconds: float, bursts: int, seed: int) -> BinTrace:
    """Traffic from a Wednesday 09:00 UTC on. Bursts lie at least an hour inside the past."""
    random = np.random.default_rng(seed)
    first_s = 2 * DAY + 9 * HOUR  # since Monday 00:00
    start_s = np.arange(0.0, past_seconds + shown_seconds, BIN_SECONDS)
    clock_s = start_s + first_s
    rate = 5.5 * _daily(clock_s % DAY) * np.where(clock_s // DAY % 7 < 5, 1.0, 0.35)
    rate *= _wander(len(start_s), random)
    for day in range(2, math.ceil(clock_s[-1] / DAY)):
        if day % 7 < 5:
            at_s = day * DAY + 9 * HOUR + 14 * 60 + random.normal(0, 45)
            rate *= 1.0 + random.uniform(1.2, 1.6) * _rush(clock_s - at_s, rise=300.0, length=900.0, fall=240.0)
    for at_s in first_s + random.uniform(HOUR, past_seconds - HOUR, bursts):
        length_s = random.uniform(180, 600)
        rate *= 1.0 + random.uniform(0.3, 0.8) * _rush(clock_s - at_s, rise=45.0, length=length_s, fall=120.0)
    return _bins(name, start_s, rate, random, UNDATED_EPOCH_SECONDS + first_s)


def _flood() -> Sample:
    """A tenant of two requests a second that sends fifteen times as many for an hour, from the second hour's half on: four hours."""
    random = np.random.default_rng(20250109)
    start_s = np.arange(0.0, 4 * HOUR, BIN_SECONDS)
    rate = 2.0 * _wander(len(start_s), random)
    rate *= 1.0 + 14.0 * _rush(start_s - 1.5 * HOUR, rise=30.0, length=HOUR, fall=30.0)
    return Sample(_bins("flood", start_s, rate, random, UNDATED_EPOCH_SECONDS), 0.0, 4 * HOUR)


def _daily(second_of_day: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the day's plateau: quiet nights, up from seven to ten, a dip at lunch, down from five to nine."""
    hours = [0, 4, 7, 8.5, 9, 10, 11.75, 12.5, 13.5, 16.5, 18, 21, 24]
    share = [0.22, 0.15, 0.22, 0.5, 0.68, 0.98, 1.0, 0.82, 1.0, 1.0, 0.7, 0.35, 0.22]
    return np.interp(second_of_day / HOUR, hours, share)


def _wander(bins: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Slow noise around 1: 6 % of it, forgotten within some ten minutes."""
    keep = math.exp(-BIN_SECONDS / 600.0)
    steps = random.normal(0.0, 0.06 * math.sqrt(1.0 - keep * keep), bins)
    level = np.empty(bins)
    last = 0.0
    for i, step in enumerate(steps):
        last = keep * last + step
        level[i] = last
    return np.exp(level)


def _rush(since_s: NDArray[np.float64], rise: float, length: float, fall: float) -> NDArray[np.float64]:
    """From 0 to 1 and back, in seconds since it began."""
    return np.interp(since_s, [0.0, rise, length - fall, length], [0.0, 1.0, 1.0, 0.0])


def _bins(
    name: str,
    start_s: NDArray[np.float64],
    rate: NDArray[np.float64],
    random: np.random.Generator,
    epoch_seconds: float,
) -> BinTrace:
    """Bins with Poisson counts of a rate in requests per second, and the sums of as many log-normal token lengths."""
    requests = random.poisson(rate * BIN_SECONDS).astype(np.float64)

    def tokens(mean: float, spread: float) -> NDArray[np.float64]:
        relative = math.sqrt(math.exp(spread * spread) - 1.0)  # standard deviation over mean of a log-normal
        noise = random.normal(0.0, relative, len(requests)) / np.sqrt(np.maximum(requests, 1.0))
        return np.rint(requests * mean * np.maximum(1.0 + noise, 0.3))

    return BinTrace(
        name,
        start_s,
        np.full(len(start_s), BIN_SECONDS),
        requests,
        tokens(PROMPT_TOKENS, PROMPT_SPREAD),
        tokens(OUTPUT_TOKENS, OUTPUT_SPREAD),
        epoch_seconds,
    )


SAMPLES: dict[str, Callable[[], Sample]] = {
    "office-morning": _office_morning,
    "office-weeks": _office_weeks,
    "flood": _flood,
}
