"""What a trace is, whatever it was read from. Its own time starts at 0; `epoch_seconds` says when that was."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from crds.notation.units import DAY_SECONDS
from crds.resolve.problems import printable

# Where a trace does not say when it was recorded, it starts on Monday 2025-01-06 00:00 UTC.
UNDATED_EPOCH_SECONDS = 1_736_121_600.0

# Times count from the trace's start: what lies farther from it is a date or a typing error.
LONGEST_SECONDS = 400 * DAY_SECONDS

MOST_SUMMED = 1e15  # requests or tokens: sums of floats are exact up to here


class TraceError(Exception):
    """A trace that cannot be used: the file, where known the row (from 1, the first of the data) and the column.

    The message can be printed, whatever the file, its columns and its values are called.
    """

    def __init__(self, file: Path, why: str, *, row: int | None = None, column: str | None = None) -> None:
        place = [str(file)]
        if row is not None:
            place.append(f"row {row}")
        if column is not None:
            place.append(f"column {column}")
        super().__init__(f"{printable(', '.join(place))}: {printable(why)}")
        self.file, self.why, self.row, self.column = file, why, row, column


Counts = NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Requests:
    """Single requests, sorted by arrival in seconds from the start of the trace or of a window of it."""

    arrival_s: NDArray[np.float64]
    prompt_tokens: Counts
    output_tokens: Counts

    def __len__(self) -> int:
        return len(self.arrival_s)


def compact(counts: NDArray[Any]) -> Counts:
    """Whole numbers in four bytes each where that is exact, else in eight."""
    fits = not len(counts) or counts.max() <= np.iinfo(np.int32).max
    return counts.astype(np.int32 if fits else np.int64)


def in_order(arrival_s: NDArray[np.float64], prompt_tokens: Counts, output_tokens: Counts) -> Requests:
    """Requests by arrival; those of one instant keep their order."""
    if (arrival_s[1:] >= arrival_s[:-1]).all():
        return Requests(arrival_s, prompt_tokens, output_tokens)
    order = np.argsort(arrival_s, kind="stable")
    return Requests(arrival_s[order], prompt_tokens[order], output_tokens[order])


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums per step of equal length. NaN where the trace has a gap, which is not the same as no traffic."""

    start_seconds: float
    step_seconds: float
    requests: NDArray[np.float64]
    prompt_tokens: NDArray[np.float64]
    output_tokens: NDArray[np.float64]


class Trace(Protocol):
    """Recorded or generated traffic, from which windows are cut."""

    @property
    def name(self) -> str:
        """Short name, as a report shows it."""

    @property
    def epoch_seconds(self) -> float:
        """Unix time of the trace's second 0."""

    @property
    def duration_seconds(self) -> float:
        """Length of the trace."""

    @property
    def failed_requests(self) -> int:
        """Rows of the trace without output tokens, which it leaves out."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What Prometheus warned of when it answered: the trace may lack a part."""

    def window(self, start_seconds: float, end_seconds: float, scale: float, seed: int) -> Requests:
        """Requests that arrive in the window, `scale` times as many; arrivals count from the window's start."""

    def count(self, start_seconds: float, end_seconds: float) -> float:
        """Requests in the window, unscaled; of bins that reach out of it, all."""

    def totals(self, start_seconds: float, end_seconds: float, step_seconds: float) -> Totals:
        """Sums per step over the window, unscaled."""
