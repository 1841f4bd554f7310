"""Tables of a trace as columns: parquet, CSV and JSON lines, gzipped or not. Faults name the file, row and column."""

import csv
import gzip
import json
import zlib
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from replay.traces.trace import TraceError

Columns = dict[str, Sequence[object] | NDArray[np.float64]]


def load(path: Path) -> Columns:
    """All columns of a table, values as they stand. Raises TraceError."""
    name = path.name.removesuffix(".gz")
    try:
        if name.endswith(".parquet"):
            return _parquet(path)
        with (
            gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as raw,
            TextIOWrapper(raw, "utf-8-sig", newline="") as text,
        ):
            return _csv(path, text) if name.endswith(".csv") else _json_lines(path, text)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error, pa.ArrowException) as error:
        raise TraceError(path, f"cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _parquet(path: Path) -> Columns:
    table = pq.read_table(path)
    _unique(path, table.column_names)
    columns: Columns = {}
    for name in table.column_names:
        column = table[name]
        numeric = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        columns[name] = column.to_numpy().astype(np.float64) if numeric else column.to_pylist()
    return columns


def _csv(path: Path, text: TextIOWrapper) -> Columns:
    rows = csv.reader(text)
    header = next(rows, None)
    if header is None:
        raise TraceError(path, "is empty; the first line must name the columns")
    header = [name.strip() for name in header]
    _unique(path, header)
    table = list(rows)
    for number, row in enumerate(table, 1):
        if len(row) != len(header):
            raise TraceError(path, f"has {len(row)} values, but the header has {len(header)}", row=number)
    return dict(zip(header, zip(*table, strict=True) if table else ((),) * len(header), strict=True))


def _unique(path: Path, names: Sequence[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise TraceError(path, "appears more than once; keep one", column=twice[0])


def _json_lines(path: Path, text: TextIOWrapper) -> Columns:
    rows: list[dict[str, object]] = []
    for number, line in enumerate(text, 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise TraceError(path, f"is not JSON: {error}", row=number) from error
        if not isinstance(row, dict):
            raise TraceError(path, "is not a JSON object", row=number)
        rows.append(row)
    if not rows:
        raise TraceError(path, "is empty; write one JSON object per line")
    names = list(rows[0])
    return {name: [row.get(name) for row in rows] for name in names}


def numbers(path: Path, columns: Columns, name: str, *, whole: bool = False, most: float) -> NDArray[np.float64]:
    """A column of numbers from 0 to `most`. Raises TraceError at the first row that holds anything else."""
    values = columns[name]
    if isinstance(values, np.ndarray):
        array = values
    else:
        array = np.array([_number(path, value, row, name) for row, value in enumerate(values, 1)], np.float64)
    bad = ~np.isfinite(array) | (array < 0)
    if whole:
        bad |= array != np.floor(array)
    kind = "a whole number" if whole else "a number"
    for wrong, why in (
        (bad, f"is not {kind} of 0 or more"),
        (array > most, f"is more than {most:,.0f}, the largest plausible value"),
    ):
        if wrong.any():
            row = int(np.argmax(wrong))
            raise TraceError(path, f"{array[row]:g} {why}", row=row + 1, column=name)
    return array


def _number(path: Path, value: object, row: int, column: str) -> float:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    shown = repr(value)
    raise TraceError(
        path, f"{shown if len(shown) < 60 else shown[:57] + '...'} is not a number", row=row, column=column
    )


def timestamps(path: Path, columns: Columns, name: str) -> NDArray[np.float64]:
    """A column of UTC times such as `2023-11-16 18:15:46.6805900`, as Unix seconds. Raises TraceError."""
    return np.array([_timestamp(path, value, row, name) for row, value in enumerate(columns[name], 1)])


def _timestamp(path: Path, value: object, row: int, column: str) -> float:
    try:
        moment = datetime.fromisoformat(str(value))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        why = f"{value!r} is not a time like 2023-11-16 18:15:46.68"
        raise TraceError(path, why, row=row, column=column) from error
