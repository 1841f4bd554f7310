"""Cells of a table as plain numbers and times. The first fault is named by its row and column."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from replay.traces.tables import Cells, shown
from replay.traces.trace import TraceError

LONGEST_TEXT = 256  # bytes; no number or time is longer
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
NAN = pa.Array.from_buffers(pa.float64(), 1, [None, pa.py_buffer(np.array([np.nan]))])[
    0
]  # `pa.scalar` imports pandas: 0.5 s
DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
THOUSANDS = re.compile(r"[+-]?[0-9]{1,3},[0-9]{3}")


def numbers(cells: Cells, *, whole: bool = False, most: float, gaps: bool = False) -> NDArray[np.float64]:
    """Numbers from 0 to `most`; NaN for what has no value where `gaps` are allowed. Raises TraceError."""
    values, empty = _floats(cells)
    if not gaps and empty.any():
        raise cells.fault(int(np.argmax(empty)), "has no value")
    kind = f"{'a whole number' if whole else 'a number'} of 0 or more"
    bad = ~np.isfinite(values) | (values < 0)
    if whole:
        bad |= values != np.floor(values)
    for wrong, why in (
        (bad & ~empty, f"is not {kind}"),
        (values > most, f"is more than {most:,.0f}, the largest plausible value"),
    ):
        if wrong.any():
            index = int(np.argmax(wrong))
            raise cells.fault(index, f"{values[index]:g} {why}")
    return values


def is_dates(cells: Cells) -> bool:
    """Whether times are dates, which need no unit, and not numbers. Text is what its first value is."""
    kind = cells.values.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if not _is_text(kind):
        return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))
    first = next((text for value in cells.values.drop_null() if (text := str(value).strip())), "0")
    return not DECIMAL_COMMA.fullmatch(first) and not is_number(first)


def is_number(text: str) -> bool:
    """Whether text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def dates(cells: Cells) -> NDArray[np.float64]:
    """Unix seconds of times such as `2023-11-16 18:15:46.68+01:00`, in UTC where they name no zone. Raises TraceError."""
    array = _dense(cells, "a time")
    if array.null_count:
        raise cells.fault(int(np.argmax(array.is_null())), "has no value")
    if pa.types.is_date(array.type):
        array = array.cast(pa.timestamp("ms"), safe=False)
    if pa.types.is_timestamp(array.type):
        per_second = PER_SECOND[array.type.unit]
        return np.asarray(_numpy(array.cast(pa.int64())) / per_second, np.float64)
    kinds = [pa.timestamp(unit, zone) for zone in (None, "UTC") for unit in ("us", "ns")]
    same = next((kind for kind in kinds if _casts(array.slice(0, 1), kind)), None)
    try:
        micros = _micros(array.cast(same)) if same else _mixed(cells, array)
    except pa.ArrowInvalid:
        micros = _mixed(cells, array)
    return micros / PER_SECOND["us"]


def _micros(moments: pa.Array) -> NDArray[np.int64]:
    values = _numpy(moments.cast(pa.int64()))
    return values // 1000 if moments.type.unit == "ns" else values


def _mixed(cells: Cells, array: pa.Array) -> NDArray[np.int64]:
    """Unix microseconds of times whose notation may change from row to row. Slower than a cast."""
    text = pc.utf8_upper(pc.utf8_trim_whitespace(array))
    text = pc.replace_substring_regex(text, r"\s*(UTC|GMT)$", "Z")
    text = pc.replace_substring_regex(text, r"\s+([+-][0-9:]+)$", r"\1")
    text = pc.replace_substring_regex(text, r"[.,]([0-9]{1,6})[0-9]*", r".\1")
    zoned = pc.match_substring_regex(text, r":[0-9]{2}.*(Z|[+-][0-9:]+)$")
    found = np.empty(len(text), np.int64)
    for mask, kind in ((pc.invert(zoned), pa.timestamp("us")), (zoned, pa.timestamp("us", "UTC"))):
        part, rows = text.filter(mask), np.flatnonzero(mask)
        if not _casts(part, kind):
            index = int(rows[_first(part, lambda some, kind=kind: not _casts(some, kind))])  # type: ignore[misc]
            raise cells.fault(index, f"{shown(_text(array[index]))} is not a time like 2023-11-16 18:15:46.68")
        found[rows] = _micros(part.cast(kind))
    return found


def labels(cells: Cells) -> pa.Array:
    """Text or numbers that only have to be equal or not, as text. Raises TraceError."""
    array = _dense(cells, "a label")
    if pa.types.is_nested(array.type) or pa.types.is_binary(array.type):
        raise TraceError(cells.path, f"holds {str(array.type)[:60]}, not text", column=cells.column)
    return array.cast(pa.string())


def _floats(cells: Cells) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The values, and which of them are missing."""
    array = _dense(cells, "a number")
    kind = array.type
    if _is_text(kind):
        array = _parsed(cells, array)
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        array = array.cast(pa.float64(), safe=False)
    else:
        raise TraceError(cells.path, f"holds {str(kind)[:60]}, not numbers", column=cells.column)
    empty = _numpy(array.is_null(nan_is_null=not _is_text(kind)).cast(pa.uint8())) > 0
    return _numpy(array.fill_null(NAN)), empty


def _numpy(array: pa.Array) -> NDArray[Any]:
    """The same numbers. `to_numpy` would first import pandas where it is installed, in half a second."""
    return np.from_dlpack(array)


def _parsed(cells: Cells, array: pa.Array) -> pa.Array:
    # A value that cannot be cast costs 50 times one that can: blanks are taken off first where there are any.
    if pc.any(pc.or_(pc.equal(pc.binary_length(array), 0), pc.match_substring(array, " "))).as_py():
        array = pc.utf8_trim_whitespace(array)
        array = pc.if_else(pc.equal(array, ""), None, array)
    try:
        return array.cast(pa.float64())
    except pa.ArrowInvalid:
        index = _first(array, lambda some: not _casts(some, pa.float64()))
        text = _text(array[index])
        how = "; write decimals with a point" if DECIMAL_COMMA.fullmatch(text) else ""
        how = f"{how}, and thousands without a comma" if THOUSANDS.fullmatch(text) else how
        raise cells.fault(index, f"{shown(text)} is not a number{how}") from None


def _dense(cells: Cells, what: str) -> pa.Array:
    """Values without a dictionary. Long text is refused first, since few values of a dictionary may fill many rows."""
    array = cells.values
    if not pa.types.is_dictionary(array.type):
        return array
    if _is_text(array.type.value_type):
        long = pc.greater(pc.binary_length(array.dictionary), LONGEST_TEXT)
        if pc.any(long).as_py():
            used = long.take(array.indices).fill_null(False)
            if pc.any(used).as_py():
                index = int(np.argmax(used))
                value = array.dictionary[array.indices[index].as_py()]
                raise cells.fault(index, f"{shown(_text(value))} is not {what}")
    return array.dictionary_decode()


def _first(array: pa.Array, wrong: Callable[[pa.Array], bool]) -> int:
    """The first row for which slices are wrong; at least one is."""
    low, high = 0, len(array)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if wrong(array.slice(low, middle - low)) else (middle, high)
    return low


def _casts(array: pa.Array, kind: pa.DataType) -> bool:
    try:
        array.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _text(value: pa.Scalar) -> str:
    return str(value)[:200]
