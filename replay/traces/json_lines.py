"""JSON lines: one object per line."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import json as arrow_json

from replay.traces.files import BLOCK_BYTES, beginning, opened
from replay.traces.tables import MOST_COLUMNS, shown
from replay.traces.trace import TraceError

SEEN_LINES = 1000  # from which the columns and their types are taken


class JsonLinesTable:
    """A table of JSON objects. A column holds numbers or text, whichever its first value is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        text, whole = beginning(path)
        if text.lstrip().startswith("["):
            raise TraceError(path, "is a JSON array; write one object per line, as `jq -c '.[]' FILE` does")
        self._types: dict[str, pa.DataType | None] = {}
        lines = [line for line in text.split("\n") if line.strip()]
        for row, line in enumerate(lines[:SEEN_LINES], 1):
            for name, value in _object(path, line, row).items():
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
        schema = pa.schema([(name, self._types[name] or pa.float64()) for name in names])
        options = arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
        reading = arrow_json.ReadOptions(use_threads=False, block_size=2 * BLOCK_BYTES + 1)
        row = 1
        for block in self._blocks():
            try:
                table = arrow_json.read_json(pa.BufferReader(block), read_options=reading, parse_options=options)
            except pa.ArrowInvalid as error:
                raise self._explained(error, block, row, schema) from error
            yield [table[name].combine_chunks() for name in names]
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

    def _explained(self, error: pa.ArrowInvalid, block: bytes, first_row: int, schema: pa.Schema) -> TraceError:
        """The first row that the parser cannot have taken."""
        lines = (line for line in block.decode("utf-8-sig", "replace").split("\n") if line.strip())
        for row, line in enumerate(lines, first_row):
            for name, value in _object(self.path, line, row).items():
                if name in schema.names and value is not None and _type(value) != schema.field(name).type:
                    kind = "text" if schema.field(name).type == pa.string() else "a number"
                    why = f"{shown(value)} is not {kind}, as the values before it are"
                    return TraceError(self.path, why, row=row, column=name)
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


def _type(value: object) -> pa.DataType:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return pa.float64()
    return pa.string() if isinstance(value, str) else pa.null()
