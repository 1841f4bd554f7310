"""The unit of a trace's times, and the time from which they count."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crds.notation.units import DAY_SECONDS, duration
from replay.traces.names import plain, unit_named
from replay.traces.trace import LONGEST_SECONDS, UNDATED_EPOCH_SECONDS, TraceError
from replay.traces.values import PER_SECOND

# The formats whose publishers state the unit, by the names of their columns for the arrival and the prompt's tokens.
PUBLISHED = {
    ("timestamp", "inputlength"): "ms",  # Mooncake
    ("timestamp", "requesttokens"): "s",  # BurstGPT
    ("arrivedat", "numprefilltokens"): "s",  # Vidur
}
MOST_PER_SECOND = 1000.0  # requests; more come from a unit that is too small
MOST_PUBLISHED_PER_SECOND = (
    100.0  # where no name states the unit: the published traces have 7, whole seconds read as ms 1,000 each
)
FEWEST_PER_SECOND = 0.01  # requests, in the likely unit: the largest that has as many
FIRST_EPOCH_SECONDS, LAST_EPOCH_SECONDS = 1e9, 4_102_444_800.0  # 2001 to 2100, as numbers
LONGEST_GAP_SECONDS = 30 * DAY_SECONDS


@dataclass(frozen=True, slots=True)
class Times:
    """Times of a column in the order of its rows, and what is known of their unit."""

    path: Path
    column: str
    values: NDArray[np.float64]
    dated: bool  # whether they are Unix seconds already, of dates

    def fault(self, why: str, index: int | None = None) -> TraceError:
        """The error for one of these times, or for the column."""
        return TraceError(self.path, why, row=None if index is None else index + 1, column=self.column)


def unit_of(times: Times, prompt_column: str, given: str | None) -> str:
    """The unit of the times. Raises TraceError where the file does not say it, or says one that cannot be right."""
    if times.dated:
        if given is not None:
            raise times.fault("holds dates; leave out --time-unit")
        return "s"
    if given is not None:
        return given
    values = times.values
    by_size = _epoch_unit(values)
    published = PUBLISHED.get((plain(times.column), plain(prompt_column)))
    stated = published or unit_named(times.column)
    if stated is None:
        if by_size is None:
            raise times.fault(f"does not say the unit of its times; add --time-unit {_likely(values)}")
        return by_size
    if by_size not in (None, stated):
        middle = _middle(values)
        raise times.fault(
            f"{middle:.15g} is not a time in {stated}; add --time-unit {by_size} if it is a Unix time in {by_size}"
        )
    if stated != "s":
        fraction = values != np.floor(values)
        if fraction.any():
            index = int(np.argmax(fraction))
            why = f"{values[index]:.15g} has a fraction, but times in {stated} are whole numbers"
            raise times.fault(f"{why}; add --time-unit {_likely(values)}", index)
        span = float(np.ptp(values)) / PER_SECOND[stated]
        most = MOST_PUBLISHED_PER_SECOND if published else MOST_PER_SECOND
        if span > 0 and len(values) > most * span:
            why = f"{len(values):,} rows in {_lasts(span)} are more than {most:,.0f} a second if its times are in {stated}"
            raise times.fault(f"{why}; add --time-unit {_likely(values)}")
    return stated


def since_start(times: Times, unit: str) -> tuple[NDArray[np.float64], float]:
    """Seconds since the trace's start, and the start as Unix seconds. Raises TraceError for a time far from the others.

    Dates count from the first of them. Other times count from zero, without the whole days before the first.
    """
    seconds = times.values if unit == "s" else times.values / PER_SECOND[unit]
    if times.dated or _middle(seconds) >= FIRST_EPOCH_SECONDS:
        start = _first_date(times, seconds)
        seconds = seconds - start
        far = seconds > LONGEST_SECONDS
        if far.any():
            why = f"lies more than {LONGEST_SECONDS / DAY_SECONDS:.0f} days after the earliest time; remove the row, or cut the trace"
            raise times.fault(why, int(np.argmax(far)))
    else:
        start = UNDATED_EPOCH_SECONDS
        for wrong, why in (
            (~(seconds >= 0.0), "is not a number of 0 or more"),
            (
                seconds > LONGEST_SECONDS,
                f"is more than {LONGEST_SECONDS * PER_SECOND[unit]:,.0f}, the largest plausible value",
            ),
        ):
            if wrong.any():
                index = int(np.argmax(wrong))
                raise times.fault(f"{times.values[index]:g} {why}", index)
        days = math.floor(float(seconds.min()) / DAY_SECONDS)
        if days:
            seconds = seconds - days * DAY_SECONDS
    _check_gaps(times, seconds)
    return seconds, start


def _first_date(times: Times, seconds: NDArray[np.float64]) -> float:
    middle = _middle(seconds)
    for wrong, why in (
        (~((seconds >= 0.0) & (seconds < LAST_EPOCH_SECONDS)), "is not a time from 1970 to 2100"),
        (
            seconds < middle - LONGEST_SECONDS,
            f"lies more than {LONGEST_SECONDS / DAY_SECONDS:.0f} days before most others; remove the row",
        ),
    ):
        if wrong.any():
            raise times.fault(why, int(np.argmax(wrong)))
    return float(seconds.min())


def _check_gaps(times: Times, seconds: NDArray[np.float64]) -> None:
    if np.ptp(seconds) <= LONGEST_GAP_SECONDS:
        return
    order = np.argsort(seconds, kind="stable")
    gaps = np.diff(seconds[order])
    widest = int(np.argmax(gaps))
    if gaps[widest] > LONGEST_GAP_SECONDS:
        why = f"lies {gaps[widest] / DAY_SECONDS:.0f} days after the time before it"
        raise times.fault(
            f"{why}; a gap may last {LONGEST_GAP_SECONDS / DAY_SECONDS:.0f}, so cut the trace there",
            int(order[widest + 1]),
        )


def _epoch_unit(values: NDArray[np.float64]) -> str | None:
    """The unit in which these are Unix times of this century, if there is one."""
    middle = _middle(values)
    for unit, per_second in PER_SECOND.items():
        if FIRST_EPOCH_SECONDS <= middle / per_second < LAST_EPOCH_SECONDS:
            return unit
    return None


def _likely(values: NDArray[np.float64]) -> str:
    """The likely unit, and what it means."""
    span = float(np.ptp(values))
    if not 0.0 < span < math.inf:
        return "s if they are seconds"
    # Seconds are written with a fraction, smaller units rarely are: then one request in three hours is enough.
    fewest = FEWEST_PER_SECOND / 100.0 if (values != np.floor(values)).any() else FEWEST_PER_SECOND
    enough = (unit for unit, per_second in PER_SECOND.items() if len(values) * per_second / span >= fewest)
    unit = next(enough, "ns")
    return f"{unit} if {len(values):,} rows in {_lasts(span / PER_SECOND[unit])} is right"


def _lasts(seconds: float) -> str:
    if seconds < 1.0:
        return f"{seconds:.2g} s"
    return duration(round(seconds)) if seconds < DAY_SECONDS else f"{seconds / DAY_SECONDS:.0f} days"


def _middle(values: NDArray[np.float64]) -> float:
    """One of the values, with about half of the others below it."""
    some = values[:: 1 + len(values) // 1_000_000]
    return float(np.partition(some, (len(some) - 1) // 2)[(len(some) - 1) // 2])
