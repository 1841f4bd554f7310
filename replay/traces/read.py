"""Any trace, by the ending of its file's name."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from crds.resolve.problems import printable
from replay.traces import prometheus
from replay.traces.delimited import DelimitedTable
from replay.traces.files import CODECS, check, content
from replay.traces.json_lines import JsonLinesTable
from replay.traces.layouts import recognise
from replay.traces.parquet import ParquetTable
from replay.traces.prometheus import joined, read_page
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


def read(path: Path, *more: Path, columns: Mapping[str, str] | None = None, time_unit: str | None = None) -> Trace:
    """Read a trace: a table of requests or bins, or a Prometheus range export (`.json`), of which `more` are further pages.

    Of a table, `columns` names the column of a field, and `time_unit` (s, ms, us, ns) says what its times are in. Raises TraceError.
    """
    ending, *endings = (_ending(each) for each in (path, *more))
    for each, its in zip((path, *more), (ending, *endings), strict=True):
        if more and its in TABLES:
            raise TraceError(each, "is a table; only the pages of a Prometheus export are read together")
    name = printable(path.name[: -len(ending)])
    if ending in TABLES:
        with _refusing(path):
            return recognise(name, TABLES[ending](path), columns or {}, time_unit)
    if columns or time_unit:
        raise TraceError(path, "is a Prometheus export, but --columns and --time-unit are for tables")
    pages = []
    for each in (path, *more):
        with _refusing(each):
            pages.append(read_page(each, content(each, prometheus.MOST_BYTES)))
    return joined(path, name, pages)


def _ending(path: Path) -> str:
    with _refusing(path):
        check(path)
        for ending in (*TABLES, *EXPORTS):
            if path.name.lower().endswith(ending):
                return ending
    endings = ", ".join((".parquet", *TEXTS, ".json"))
    why = f"is not a known kind of trace file; its name must end in one of {endings}, or in .csv.gz and the like"
    raise TraceError(path, why)


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Errors of reading this file as a TraceError."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise TraceError(path, "is not encoded in UTF-8; save it in UTF-8") from error
    except (OSError, pa.ArrowException, ValueError, OverflowError, MemoryError) as error:
        raise TraceError(path, f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
