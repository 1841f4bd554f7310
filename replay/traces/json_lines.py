"""JSON lines: one object per line."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as arrow_json

from replay.traces.files import BLOCK_BYTES, beginning, opened
from replay.traces.tables import MOST_COLUMNS, shown
from replay.traces.trace import TraceError

SEEN_LINES = 1000  # from which the columns and their types are taken
DEEPEST = 4  # objects in objects, down to a value

Place: TypeAlias = tuple[str, ...]  # the names that lead to a value: ("usage", "prompt_tokens")


class JsonLinesTable:
    """A table of JSON objects. A column holds numbers or text, whichever its first value is.

    What an object holds in turn is a column of its own, such as `usage.prompt_tokens`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        text, whole = beginning(path)
        if text.lstrip().startswith("["):
            raise TraceError(path, "is a JSON array; write one object per line, as `jq -c '.[]' FILE` does")
        self._types: dict[str, pa.DataType | None] = {}
        self._places: dict[str, Place] = {}
        lines = [line for line in text.split("\n") if line.strip()]
        for row, line in enumerate(lines[:SEEN_LINES], 1):
            for place, value in _leaves(_object(path, line, row)):
                name = ".".join(place)
                self._places.setdefault(name, place)
                if self._types.get(name) is None:
                    self._types[name] = None if value is None else _type(value)
            if len(self._types) > MOST_COLUMNS:
                raise TraceError(path, f"has more than {MOST_COLUMNS:,} columns", row=row)
        if not self._types and whole:
            raise TraceError(path, "has no rows; write one JSON object per line")
        self.names = list(self._types)

    def batches(self, names: Sequence[str]) -> Iterator[list[pa.Array]]:
        """Rows as numbers or text; null where a row lacks the column."""
        for name in names:
            if self._types[name] is pa.null():
                raise TraceError(self.path, "holds neither numbers nor text", column=name)
        kinds = {self._places[name]: self._types[name] or pa.float64() for name in names}
        schema = pa.schema(_fields(kinds))
        options = arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
        reading = arrow_json.ReadOptions(use_threads=False, block_size=2 * BLOCK_BYTES + 1)
        row = 1
        for block in self._blocks():
            try:
                table = arrow_json.read_json(pa.BufferReader(block), read_options=reading, parse_options=options)
            except pa.ArrowInvalid as error:
                raise self._explained(error, block, row, kinds) from error
            yield [_column(table, self._places[name]) for name in names]
            row += len(table)

    def _blocks(self) -> Iterator[bytes]:
        """The file in whole lines."""
        with opened(self.path) as file:
            rest = b""
            while data := file.read(BLOCK_BYTES):
                end = data.rfind(b"\n") + 1
                if end == 0 and len(rest) + len(data) > 2 * BLOCK_BYTES:
                    raise TraceError(self.path, f"has a row of more than {BLOCK_BYTES >> 20} MiB; is it JSON lines?")
                if (whole := rest + data[:end]) and end and whole.strip():
                    yield whole
                rest = data[end:] if end else rest + data
            if rest.strip():
                yield rest

    def _explained(
        self, error: pa.ArrowInvalid, block: bytes, first_row: int, kinds: Mapping[Place, pa.DataType]
    ) -> TraceError:
        """The first row that the parser cannot have taken."""
        lines = (line for line in block.decode("utf-8-sig", "replace").split("\n") if line.strip())
        for row, line in enumerate(lines, first_row):
            found = _object(self.path, line, row)
            for place, kind in kinds.items():
                if why := _fault(found, place, kind):
                    return TraceError(self.path, why, row=row, column=".".join(place))
        return TraceError(self.path, f"cannot be read: {error}")


def _object(path: Path, line: str, row: int) -> dict[str, object]:
    try:
        found = json.loads(line)
    except RecursionError as error:
        raise TraceError(path, "is nested too deeply", row=row) from error
    except ValueError as error:
        raise TraceError(path, f"is not JSON: {error}", row=row) from error
    if not isinstance(found, dict):
        raise TraceError(path, "is not a JSON object", row=row)
    return found


def _leaves(found: Mapping[str, object], above: Place = ()) -> Iterator[tuple[Place, object]]:
    """What an object and the objects in it hold, with the names that lead there."""
    for name, value in found.items():
        place = (*above, name)
        if isinstance(value, dict) and len(place) < DEEPEST:
            yield from _leaves(value, place)
        else:
            yield place, value


def _fault(found: object, place: Place, kind: pa.DataType) -> str | None:
    """Why the values of an object do not fit with the kind at this place; None where they do, or none is there."""
    value = found
    for name in place:
        if value is None:
            return None
        if not isinstance(value, dict):
            return f"{shown(value)} is not an object, as the values before it are"
        value = value.get(name)
    if value is None or _type(value) == kind:
        return None
    return f"{shown(value)} is not {'text' if kind == pa.string() else 'a number'}, as the values before it are"


def _fields(kinds: Mapping[Place, pa.DataType]) -> list[pa.Field]:
    """The columns at these places; those in one object are a column of structures."""
    inner: dict[str, dict[Place, pa.DataType]] = {}
    for (name, *rest), kind in kinds.items():
        inner.setdefault(name, {})[tuple(rest)] = kind
    return [pa.field(name, kinds[()] if () in kinds else pa.struct(_fields(kinds))) for name, kinds in inner.items()]


def _column(table: pa.Table, place: Place) -> pa.Array:
    array = table[place[0]].combine_chunks()
    return pc.struct_field(array, list(place[1:])) if len(place) > 1 else array


def _type(value: object) -> pa.DataType:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return pa.float64()
    return pa.string() if isinstance(value, str) else pa.null()
