"""CSV and its kin: values separated by commas, semicolons, tabs or bars, whichever the first line has most of."""

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import csv as arrow_csv

from replay.traces.files import BLOCK_BYTES, beginning, opened
from replay.traces.tables import MOST_COLUMNS, listed
from replay.traces.trace import TraceError
from replay.traces.values import is_number

DELIMITERS = ",;\t|"
RAGGED = re.compile(r"Row #(?P<row>\d+): Expected (?P<header>\d+) columns, got (?P<has>\d+)")


class DelimitedTable:
    """A table of text. The first line names the columns; values stay text."""

    def __init__(self, path: Path) -> None:
        self.path = path
        text, _ = beginning(path)
        first = next((line for line in text.splitlines() if line.strip()), "")
        if re.fullmatch("sep=.?", first.strip(), re.IGNORECASE):
            raise TraceError(path, f"starts with {first.strip()}, which only Excel reads; remove this line")
        self._delimiter = max(DELIMITERS, key=first.count)
        try:
            header = next(csv.reader([first], delimiter=self._delimiter), [])
        except csv.Error as error:
            raise TraceError(path, f"has a first line that cannot be read: {error}") from error
        self.names = [name.strip() for name in header]
        if len(self.names) > MOST_COLUMNS:
            raise TraceError(path, f"has {len(self.names):,} columns; at most {MOST_COLUMNS:,} can be read")
        if all(map(is_number, self.names)):
            why = f"has no header, since its first line is {listed(self.names)}; name the columns there"
            raise TraceError(path, why)

    def batches(self, names: Sequence[str]) -> Iterator[list[pa.Array]]:
        """Rows as text."""
        numbers = [str(index) for index in range(len(self.names))]  # a name may be empty or appear twice
        wanted = [numbers[self.names.index(name)] for name in names]
        with opened(self.path) as file:
            try:
                for batch in arrow_csv.open_csv(
                    file,
                    # Without threads: only then do faults know their row.
                    read_options=arrow_csv.ReadOptions(
                        use_threads=False, block_size=BLOCK_BYTES, column_names=numbers, skip_rows_after_names=1
                    ),
                    parse_options=arrow_csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True),
                    convert_options=arrow_csv.ConvertOptions(
                        include_columns=wanted,
                        column_types=dict.fromkeys(wanted, pa.string()),
                        strings_can_be_null=False,
                    ),
                ):
                    yield [batch.column(number) for number in wanted]
            except pa.ArrowInvalid as error:
                raise self._explained(error) from error

    def _explained(self, error: pa.ArrowInvalid) -> TraceError:
        # A row's handler would get its text, but fails where that is not UTF-8.
        if ragged := RAGGED.search(str(error)):
            why = (
                f"has {ragged['has']} value{'s' if ragged['has'] != '1' else ''}, but the header has {ragged['header']}"
            )
            return TraceError(self.path, why, row=int(ragged["row"]) - 1)
        if "straddling" in str(error):
            why = f"has a row of more than {BLOCK_BYTES >> 20} MiB; is a closing quotation mark missing?"
            return TraceError(self.path, why)
        if "UTF8" in str(error):
            return TraceError(self.path, "is not encoded in UTF-8; save it in UTF-8")
        return TraceError(self.path, f"cannot be read: {error}")
