"""Any trace, by its file name's ending."""

from pathlib import Path

from replay.traces.layouts import recognise
from replay.traces.prometheus import read_range
from replay.traces.tables import load
from replay.traces.trace import Trace, TraceError

TABLES = (".parquet", ".csv", ".csv.gz", ".jsonl", ".jsonl.gz")


def read(path: Path) -> Trace:
    """Read a trace: a table of requests or bins, or a Prometheus range export (`.json`). Raises TraceError."""
    if path.is_dir():
        raise TraceError(path, "is a folder; name one file")
    for ending in (*TABLES, ".json"):
        if path.name.endswith(ending):
            name = path.name.removesuffix(ending)
            return read_range(path, name) if ending == ".json" else recognise(path, name, load(path))
    raise TraceError(
        path, f"is not a known kind of trace file; its name must end in one of {', '.join((*TABLES, '.json'))}"
    )
