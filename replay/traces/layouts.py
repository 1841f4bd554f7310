"""Traces in the columns of a table: single requests, turns of conversations, or sums per bin."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crds.notation.units import DAY_SECONDS
from replay.traces.names import ARRIVAL, BIN_FIELDS, DELAY, OUTPUT, PROMPT, SESSION, chosen
from replay.traces.recorded import BinTrace, RequestTrace
from replay.traces.tables import Cells, Table
from replay.traces.times import Times, since_start, unit_of
from replay.traces.trace import LONGEST_SECONDS, MOST_SUMMED, Counts, Trace, TraceError, compact, in_order
from replay.traces.values import PER_SECOND, dates, is_dates, labels, numbers

MOST_TOKENS = 1e8  # of one request: fifty times the longest context that is served
MOST_TIME = 1e19  # in any unit; what is plausible depends on the unit
MOST_ROWS = 20_000_000  # some 1.2 GB of memory, and 8 s

Convert = Callable[[Cells], Any]  # to a NumPy or an Arrow array


def recognise(name: str, table: Table, columns: Mapping[str, str], time_unit: str | None) -> Trace:
    """The trace in a table; `columns` names the column of a field. Raises TraceError, and what reading the table does."""
    fields = chosen(table.path, table.names, columns)
    if ARRIVAL in fields:
        return _requests(name, table, fields, time_unit)
    return _bins(name, table, {field: fields[field] for field in BIN_FIELDS}, time_unit)


class _Moments:
    """Reads a column of times, numbers or dates as its first row is."""

    def __init__(self, *, gaps: bool) -> None:
        self.dated: bool | None = None
        self._gaps = gaps

    def __call__(self, cells: Cells) -> NDArray[np.float64]:
        if self.dated is None:
            self.dated = is_dates(cells)
        return dates(cells) if self.dated else numbers(cells, most=MOST_TIME, gaps=self._gaps)


def _requests(name: str, table: Table, fields: Mapping[str, str], time_unit: str | None) -> RequestTrace:
    turns = DELAY in fields and SESSION in fields
    moments = _Moments(gaps=turns)
    converts: dict[str, Convert] = {ARRIVAL: moments, PROMPT: _tokens, OUTPUT: partial(_tokens, gaps=True)}
    if turns:
        converts |= {SESSION: labels, DELAY: partial(numbers, most=MOST_TIME, gaps=True)}
    found = _read(table, fields, converts)
    times = Times(table.path, fields[ARRIVAL], found[ARRIVAL], bool(moments.dated))
    if turns:
        times = replace(times, values=_turns(times, found[SESSION], found[DELAY]))
    arrival_s, epoch_seconds = since_start(times, unit_of(times, fields[PROMPT], time_unit))
    served = found[OUTPUT] > 0
    failed = len(served) - int(np.count_nonzero(served))
    if failed == len(served):
        why = f"has no output tokens in any of its {failed:,} rows, so all are failed requests"
        raise TraceError(table.path, why, column=fields[OUTPUT])
    columns = (arrival_s, found[PROMPT], found[OUTPUT])
    if failed:
        columns = tuple(column[served] for column in columns)
    return RequestTrace(name, in_order(*columns), epoch_seconds, failed)


def _turns(times: Times, sessions: pa.ChunkedArray, delay: NDArray[np.float64]) -> NDArray[np.float64]:
    """The times of conversations whose later turns have only a delay, which counts from the time of the turn before.

    When that turn ended is not in the file, and depends on the fleet that serves it.
    """
    timed = ~np.isnan(times.values)
    session = np.from_dlpack(sessions.dictionary_encode().combine_chunks().indices.fill_null(-1))
    order = np.argsort(session, kind="stable")
    first = np.empty(len(order), np.bool_)
    first[order] = np.diff(session[order], prepend=-2) != 0
    for wrong, why in (
        (~timed & (first | (session < 0)), "has no value, but is the first turn of its session"),
        (~timed & np.isnan(delay), "has no value, and no delay after the turn before"),
    ):
        if wrong.any():
            raise times.fault(why, int(np.argmax(wrong)))
    since = np.cumsum(np.where(timed, 0.0, delay)[order])
    anchor = np.maximum.accumulate(np.where(timed[order], np.arange(len(order)), 0))
    values = np.empty(len(order))
    values[order] = times.values[order][anchor] + since - since[anchor]
    return values


def _tokens(cells: Cells, *, gaps: bool = False) -> Counts:
    """Tokens of requests; 0 where there is no value."""
    return compact(np.nan_to_num(numbers(cells, whole=True, most=MOST_TOKENS, gaps=gaps)))


def _bins(name: str, table: Table, fields: Mapping[str, str], time_unit: str | None) -> BinTrace:
    moments = _Moments(gaps=False)
    start, width, *sums = BIN_FIELDS
    sum_ = partial(numbers, most=MOST_SUMMED)
    found = _read(table, fields, {start: moments, width: partial(numbers, most=MOST_TIME), **dict.fromkeys(sums, sum_)})
    times = Times(table.path, fields[start], found[start], bool(moments.dated))
    start_s, epoch_seconds = since_start(times, unit_of(times, fields[PROMPT], time_unit))
    width_s = found[width] / PER_SECOND[time_unit or "s"]
    for wrong, why in (
        (width_s == 0.0, "a bin cannot be 0 s wide"),
        (width_s > LONGEST_SECONDS, f"a bin cannot be wider than {LONGEST_SECONDS / DAY_SECONDS:.0f} days"),
    ):
        if wrong.any():
            raise TraceError(table.path, why, row=int(np.argmax(wrong)) + 1, column=fields[width])
    # Starts may be single floats, whose error grows with time: 1/32 s at four days.
    overlaps = start_s[:-1] + width_s[:-1] > start_s[1:] + 1e-6 * start_s[1:] + 1e-6
    if overlaps.any():
        raise times.fault("starts before the previous bin ends", int(np.argmax(overlaps)) + 1)
    requests, prompt, output = (found[field] for field in sums)
    return BinTrace(name, start_s, width_s, requests, prompt, output, epoch_seconds)


def _read(table: Table, fields: Mapping[str, str], converts: Mapping[str, Convert]) -> dict[str, Any]:
    """Each field as one array, converted a batch at a time."""
    parts: dict[str, list[Any]] = {field: [] for field in converts}
    rows = 0
    for batch in table.batches([fields[field] for field in converts]):
        for (field, convert), values in zip(converts.items(), batch, strict=True):
            parts[field].append(convert(Cells(table.path, fields[field], rows + 1, values)))
        rows += len(batch[0])
        if rows > MOST_ROWS:
            raise TraceError(table.path, f"has more than {MOST_ROWS:,} rows; cut it into parts, or sum it up in bins")
    if rows == 0:
        raise TraceError(table.path, "has no rows")
    joined: dict[str, Any] = {}
    for field in converts:
        values = parts.pop(field)
        joined[field] = np.concatenate(values) if isinstance(values[0], np.ndarray) else pa.chunked_array(values)
    return joined
