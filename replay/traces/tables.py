"""Tables of a trace as columns: parquet, CSV and JSON lines, gzipped or not. Faults name the file, row and column."""

import csv
import gzip
import json
from collections.abc import Sequence
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
            TextIOWrapper(raw, "utf-8") as text,
        ):
            return _csv(path, text) if name.endswith(".csv") else _json_lines(path, text)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        raise TraceError(path, f"cannot be read: {error}") from error


def _parquet(path: Path) -> Columns:
    table = pq.read_table(path)
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
    table = list(rows)
    for number, row in enumerate(table, 1):
        if len(row) != len(header):
            raise TraceError(path, f"has {len(row)} values, the header {len(header)}", row=number)
    return dict(zip(header, zip(*table, strict=True) if table else ((),) * len(header), strict=True))


def _json_lines(path: Path, text: TextIOWrapper) -> Columns:
    rows: list[dict[str, object]] = []
    for number, line in enumerate(text, 1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise TraceError(path, f"is not JSON: {error}", row=number) from error
        if not isinstance(row, dict):
            raise TraceError(path, "is not a JSON object", row=number)
        rows.append(row)
    names = list(rows[0]) if rows else []
    return {name: [row.get(name) for row in rows] for name in names}


def numbers(path: Path, columns: Columns, name: str, *, whole: bool = False) -> NDArray[np.float64]:
    """A column of finite numbers of 0 or more. Raises TraceError at the first row that holds anything else."""
    values = columns[name]
    if isinstance(values, np.ndarray):
        array = values
    else:
        array = np.array([_number(path, value, row, name) for row, value in enumerate(values, 1)], np.float64)
    bad = ~np.isfinite(array) | (array < 0)
    if whole:
        bad |= array != np.floor(array)
    if bad.any():
        row = int(np.argmax(bad))
        kind = "a whole number" if whole else "a number"
        raise TraceError(path, f"{array[row]:g} is not {kind} of 0 or more", row=row + 1, column=name)
    return array


def _number(path: Path, value: object, row: int, column: str) -> float:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except ValueError:
            pass
    raise TraceError(path, f"{value!r} is not a number", row=row, column=column)


def timestamps(path: Path, columns: Columns, name: str) -> NDArray[np.float64]:
    """A column of UTC times such as `2023-11-16 18:15:46.6805900`, as Unix seconds. Raises TraceError."""
    return np.array([_timestamp(path, value, row, name) for row, value in enumerate(columns[name], 1)])


def _timestamp(path: Path, value: object, row: int, column: str) -> float:
    why = f"{value!r} is not a time like 2023-11-16 18:15:46.68"
    try:
        moment = np.datetime64(str(value), "ns")
    except ValueError as error:
        raise TraceError(path, why, row=row, column=column) from error
    if np.isnat(moment):
        raise TraceError(path, why, row=row, column=column)
    return float(moment.astype(np.int64)) / 1e9
