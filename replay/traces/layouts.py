"""The table layouts that can be read, recognised by their columns."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from replay.traces.recorded import BinTrace, RequestTrace
from replay.traces.tables import Columns, numbers, timestamps
from replay.traces.trace import LONGEST_SECONDS, Requests, Trace, TraceError

MOST_TOKENS = 1e8  # of one request: fifty times the longest context that is served
MOST_PER_BIN = 1e15  # of anything; sums of floats are exact up to here


def recognise(path: Path, name: str, columns: Columns) -> Trace:
    """The trace in a table. Raises TraceError for unknown columns, no rows, or a bad value."""
    for wanted, reader in LAYOUTS.items():
        if set(wanted) <= set(columns):
            if len(columns[wanted[0]]) == 0:
                raise TraceError(path, "has no rows")
            return reader(path, name, columns)
    known = "; or ".join(", ".join(wanted) for wanted in LAYOUTS)
    raise TraceError(path, f"has the columns {', '.join(columns) or '(none)'}; expected {known}")


def _requests(path: Path, name: str, columns: Columns) -> Trace:
    arrival_s = numbers(path, columns, "arrival_s", most=LONGEST_SECONDS)
    prompt, output = _tokens(path, columns, "prompt_tokens", "output_tokens")
    return RequestTrace(name, _sorted(arrival_s, prompt, output))


def _mooncake(path: Path, name: str, columns: Columns) -> Trace:
    arrival_s = numbers(path, columns, "timestamp", most=1000.0 * LONGEST_SECONDS) / 1000.0
    prompt, output = _tokens(path, columns, "input_length", "output_length")
    return RequestTrace(name, _sorted(arrival_s, prompt, output))


def _azure(path: Path, name: str, columns: Columns) -> Trace:
    times = timestamps(path, columns, "TIMESTAMP")
    epoch_seconds = float(times.min())
    far = times - epoch_seconds > LONGEST_SECONDS
    if far.any():
        why = f"lies more than {LONGEST_SECONDS / 86_400:.0f} days after the earliest time"
        raise TraceError(path, why, row=int(np.argmax(far)) + 1, column="TIMESTAMP")
    prompt, output = _tokens(path, columns, "ContextTokens", "GeneratedTokens")
    return RequestTrace(name, _sorted(times - epoch_seconds, prompt, output), epoch_seconds)


def _tokens(path: Path, columns: Columns, *names: str) -> tuple[NDArray[np.int64], ...]:
    return tuple(numbers(path, columns, name, whole=True, most=MOST_TOKENS).astype(np.int64) for name in names)


def _sorted(arrival_s: NDArray[np.float64], prompt: NDArray[np.int64], output: NDArray[np.int64]) -> Requests:
    order = np.argsort(arrival_s, kind="stable")
    return Requests(arrival_s[order], prompt[order], output[order])


def _bins(path: Path, name: str, columns: Columns) -> Trace:
    start_s, width_s = (numbers(path, columns, column, most=LONGEST_SECONDS) for column in BINS[:2])
    requests, prompt, output = (numbers(path, columns, column, most=MOST_PER_BIN) for column in BINS[2:])
    if not width_s.all():
        raise TraceError(path, "a bin cannot be 0 s wide", row=int(np.argmin(width_s)) + 1, column="bin_s")
    # Starts may be single floats, whose error grows with time: 1/32 s at four days.
    overlaps = start_s[:-1] + width_s[:-1] > start_s[1:] + 1e-6 * start_s[1:] + 1e-6
    if overlaps.any():
        row = int(np.argmax(overlaps)) + 2
        raise TraceError(path, "starts before the previous bin ends", row=row, column="bin_start_s")
    return BinTrace(name, start_s, width_s, requests, prompt, output)


BINS = ("bin_start_s", "bin_s", "requests", "prompt_tokens", "output_tokens")
LAYOUTS: dict[tuple[str, ...], Callable[[Path, str, Columns], Trace]] = {
    ("arrival_s", "prompt_tokens", "output_tokens"): _requests,
    BINS: _bins,
    ("TIMESTAMP", "ContextTokens", "GeneratedTokens"): _azure,  # Azure LLM inference traces
    ("timestamp", "input_length", "output_length"): _mooncake,  # Mooncake, in milliseconds
}
