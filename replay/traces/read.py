"""Any trace, by the ending of its file's name."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa

from crds.resolve.problems import printable
from replay.traces.delimited import DelimitedTable
from replay.traces.files import CODECS, check
from replay.traces.json_lines import JsonLinesTable
from replay.traces.layouts import recognise
from replay.traces.parquet import ParquetTable
from replay.traces.prometheus import read_range
from replay.traces.tables import Table
from replay.traces.trace import Trace, TraceError

TEXTS: dict[str, Callable[[Path], Table]] = {
    ".csv": DelimitedTable,
    ".tsv": DelimitedTable,
    ".jsonl": JsonLinesTable,
    ".ndjson": JsonLinesTable,
}
TABLES: dict[str, Callable[[Path], Table]] = {
    **{ending + codec: reader for codec in ("", *CODECS) for ending, reader in TEXTS.items()},
    ".parquet": ParquetTable,
}
EXPORTS = tuple(".json" + codec for codec in ("", *CODECS))


def read(path: Path, *, columns: Mapping[str, str] | None = None, time_unit: str | None = None) -> Trace:
    """Read a trace: a table of requests or bins, or a Prometheus range export (`.json`).

    Of a table, `columns` names the column of a field, and `time_unit` (s, ms, us, ns) says what its times are in. Raises TraceError.
    """
    try:
        check(path)
        ending = next((each for each in (*TABLES, *EXPORTS) if path.name.lower().endswith(each)), None)
        if ending is None:
            endings = ", ".join((".parquet", *TEXTS, ".json"))
            why = (
                f"is not a known kind of trace file; its name must end in one of {endings}, or in .csv.gz and the like"
            )
            raise TraceError(path, why)
        name = printable(path.name[: -len(ending)])
        if ending in TABLES:
            return recognise(name, TABLES[ending](path), columns or {}, time_unit)
        if columns or time_unit:
            raise TraceError(path, "is a Prometheus export, but --columns and --time-unit are for tables")
        return read_range(path, name)
    except UnicodeDecodeError as error:
        raise TraceError(path, "is not encoded in UTF-8; save it in UTF-8") from error
    except (OSError, pa.ArrowException, ValueError, OverflowError, MemoryError) as error:
        raise TraceError(path, f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
