"""Tables of a trace, read in batches of rows: Parquet, delimited text and JSON lines. Only the columns asked for are decoded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from replay.traces.trace import TraceError

MOST_COLUMNS = 10_000
SHOWN_COLUMNS, SHOWN_CHARACTERS = 12, 40  # in an error


class Table(Protocol):
    """A table of a file."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def names(self) -> Sequence[str]:
        """Its columns, in order; a name may appear twice."""

    def batches(self, names: Sequence[str]) -> Iterator[list[pa.Array]]:
        """Some rows of these columns at a time, values as the file has them. Raises TraceError, OSError, ArrowException."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Some rows of one column, for conversion; a fault names its row and column."""

    path: Path
    column: str
    first_row: int
    values: pa.Array

    def fault(self, index: int, why: str) -> TraceError:
        """The error for one of these values."""
        return TraceError(self.path, why, row=self.first_row + index, column=self.column)


def shown(value: object) -> str:
    """A value in a message, cut where it is long."""
    text = repr(value)
    return text if len(text) < 60 else f"{text[:57]}..."


def listed(names: Sequence[str]) -> str:
    """Column names in a message."""
    short = [name or "''" if len(name) <= SHOWN_CHARACTERS else f"{name[: SHOWN_CHARACTERS - 3]}..." for name in names]
    more = f" and {len(short) - SHOWN_COLUMNS:,} more" if len(short) > SHOWN_COLUMNS else ""
    return (", ".join(short[:SHOWN_COLUMNS]) or "(none)") + more
