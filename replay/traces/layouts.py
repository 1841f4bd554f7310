"""The layouts of a table that are known, by their columns."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from replay.traces.recorded import BinTrace, RequestTrace
from replay.traces.tables import Columns, numbers, timestamps
from replay.traces.trace import Requests, Trace, TraceError


def recognise(path: Path, name: str, columns: Columns) -> Trace:
    """The trace in a table. Raises TraceError for unknown columns, no rows, or a bad value."""
    for wanted, reader in LAYOUTS.items():
        if set(wanted) <= set(columns):
            if len(columns[wanted[0]]) == 0:
                raise TraceError(path, "has no rows")
            return reader(path, name, columns)
    known = "; or ".join(", ".join(wanted) for wanted in LAYOUTS)
    raise TraceError(path, f"has the columns {', '.join(columns) or '(none)'}; needed are {known}")


def _requests(path: Path, name: str, columns: Columns) -> Trace:
    arrival_s = numbers(path, columns, "arrival_s")
    prompt, output = _tokens(path, columns, "prompt_tokens", "output_tokens")
    return RequestTrace(name, _sorted(arrival_s, prompt, output))


def _mooncake(path: Path, name: str, columns: Columns) -> Trace:
    arrival_s = numbers(path, columns, "timestamp") / 1000.0
    prompt, output = _tokens(path, columns, "input_length", "output_length")
    return RequestTrace(name, _sorted(arrival_s, prompt, output))


def _azure(path: Path, name: str, columns: Columns) -> Trace:
    times = timestamps(path, columns, "TIMESTAMP")
    epoch_seconds = float(times.min())
    prompt, output = _tokens(path, columns, "ContextTokens", "GeneratedTokens")
    return RequestTrace(name, _sorted(times - epoch_seconds, prompt, output), epoch_seconds)


def _tokens(path: Path, columns: Columns, *names: str) -> tuple[NDArray[np.int64], ...]:
    return tuple(numbers(path, columns, name, whole=True).astype(np.int64) for name in names)


def _sorted(arrival_s: NDArray[np.float64], prompt: NDArray[np.int64], output: NDArray[np.int64]) -> Requests:
    order = np.argsort(arrival_s, kind="stable")
    return Requests(arrival_s[order], prompt[order], output[order])


def _bins(path: Path, name: str, columns: Columns) -> Trace:
    start_s, width_s, requests, prompt, output = (numbers(path, columns, column) for column in BINS)
    # Starts may be single floats, whose error grows with time: 1/32 s at four days.
    overlaps = start_s[:-1] + width_s[:-1] > start_s[1:] + 1e-6 * start_s[1:] + 1e-6
    if overlaps.any():
        row = int(np.argmax(overlaps)) + 2
        raise TraceError(path, "begins before the bin above it ends", row=row, column="bin_start_s")
    return BinTrace(name, start_s, width_s, requests, prompt, output)


BINS = ("bin_start_s", "bin_s", "requests", "prompt_tokens", "output_tokens")
LAYOUTS: dict[tuple[str, ...], Callable[[Path, str, Columns], Trace]] = {
    ("arrival_s", "prompt_tokens", "output_tokens"): _requests,
    BINS: _bins,
    ("TIMESTAMP", "ContextTokens", "GeneratedTokens"): _azure,  # Azure LLM inference traces
    ("timestamp", "input_length", "output_length"): _mooncake,  # Mooncake, in milliseconds
}
