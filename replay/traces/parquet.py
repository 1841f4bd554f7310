"""Parquet files, as far as their columns are numbers, text or times."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from replay.traces.files import opened
from replay.traces.tables import MOST_COLUMNS
from replay.traces.trace import TraceError

BATCH_ROWS = 1 << 16
MOST_TEXT_BYTES = 1 << 30  # since a batch of long text fills the memory; numbers are bounded by their rows


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
            # The sizes of single columns would say more, but pyarrow ends the process where they are damaged.
            size = sum(file.metadata.row_group(index).total_byte_size for index in range(file.metadata.num_row_groups))
            if text and size > MOST_TEXT_BYTES:
                why = f"holds text, in a file of more than {MOST_TEXT_BYTES >> 20:,} MiB unpacked; store numbers, or cut it"
                raise TraceError(self.path, why, column=text[0])
        with opened(self.path) as raw, parquet.ParquetFile(raw, read_dictionary=text) as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=list(names)):
                yield [batch.column(name) for name in names]


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
