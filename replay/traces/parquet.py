"""Parquet files, as far as their columns are numbers, text or times."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from replay.traces.files import MOST_BYTES, opened
from replay.traces.tables import MOST_COLUMNS
from replay.traces.trace import TraceError

BATCH_ROWS = 1 << 16
MOST_TEXT_BYTES = 256  # of a value, on average: no number or time is as long


class ParquetTable:
    """A table whose file says how many rows it has and how large they are unpacked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with opened(path) as raw, parquet.ParquetFile(raw) as file:
            self.names = list(file.schema_arrow.names)
            if file.metadata.num_columns > MOST_COLUMNS:
                why = f"has {file.metadata.num_columns:,} columns; at most {MOST_COLUMNS:,} can be read"
                raise TraceError(path, why)

    def batches(self, names: Sequence[str]) -> Iterator[list[pa.Array]]:
        """Rows with the types of the file; text as a dictionary, since few values may fill many rows."""
        with opened(self.path) as raw, parquet.ParquetFile(raw) as file:
            schema = file.schema_arrow
            text = [name for name in names if _is_text(schema.field(name).type)]
            for name in names:
                if pa.types.is_nested(kind := schema.field(name).type):
                    raise TraceError(self.path, f"holds {str(kind)[:60]}, not numbers or times", column=name)
            self._check_size(file.metadata, names, text)
        with opened(self.path) as raw, parquet.ParquetFile(raw, read_dictionary=text) as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=list(names)):
                yield [batch.column(name) for name in names]

    def _check_size(self, metadata: parquet.FileMetaData, names: Sequence[str], text: Sequence[str]) -> None:
        columns = {metadata.schema.column(index).path: index for index in range(metadata.num_columns)}
        groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
        sizes = {name: sum(group.column(columns[name]).total_uncompressed_size for group in groups) for name in names}
        if sum(sizes.values()) > MOST_BYTES:
            raise TraceError(self.path, f"holds more than {MOST_BYTES >> 20:,} MiB unpacked; cut it into parts")
        for name in text:
            if sizes[name] > MOST_TEXT_BYTES * metadata.num_rows + (1 << 20):
                raise TraceError(self.path, "holds text too long for a number or a time", column=name)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
