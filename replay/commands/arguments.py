"""Reads the arguments of the offline commands: a trace by its name, the part of it to play, and a duration with days."""

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from crds.notation.units import DAY_SECONDS, span_seconds
from crds.notation.units import duration as written
from crds.resolve.problems import printable
from replay.traces.names import FIELDS
from replay.traces.read import read
from replay.traces.samples import SAMPLES, sample
from replay.traces.trace import Trace

if TYPE_CHECKING:
    from replay.commands.prometheus import Access

SAMPLE = "sample:"
MOST_WARNINGS = 5  # a store that is away warns in every answer


def named(
    name: str,
    *more: str,
    columns: Sequence[str] | None = None,
    time_unit: str | None = None,
    access: "Access | None" = None,
) -> tuple[Trace, float, float | None]:
    """The trace of a file, of sample:NAME or of a Prometheus, where to start in it, and for how long (None: to its end), in seconds.

    `more` are further pages of an export; `columns` and `time_unit` are those options. Prints warnings where the trace is not
    whole: failed requests, which are not played, and what Prometheus warned of. Raises ValueError for an unknown sample or
    field, or a Prometheus that cannot be read, and TraceError for a file that cannot be read as a trace.
    """
    if more and not all(map(_is_file, (name, *more))):
        raise ValueError("only the pages of a Prometheus export are read together; name one trace")
    if not name.startswith(SAMPLE):
        if _is_file(name):
            if name in SAMPLES and not Path(name).exists():
                raise ValueError(f"no such file: {name}; for the shipped sample, write {SAMPLE}{name}")
            trace = read(Path(name), *map(Path, more), columns=fields(columns), time_unit=time_unit)
        elif columns or time_unit:
            raise ValueError("--columns and --time-unit are for tables, not for Prometheus")
        else:
            from replay.commands import prometheus

            trace = prometheus.read(name, access or prometheus.Access())
        _warn(name, trace)
        return trace, 0.0, None
    wanted = name.removeprefix(SAMPLE)
    if wanted not in SAMPLES:
        raise ValueError(f"no sample {wanted!r}; available: {', '.join(SAMPLES)}")
    if columns or time_unit:
        raise ValueError("--columns and --time-unit are for tables, not for a sample")
    shipped = sample(wanted)
    return shipped.trace, shipped.start_seconds, shipped.duration_seconds


def _is_file(name: str) -> bool:
    return not name.startswith(SAMPLE) and "://" not in name


def _warn(name: str, trace: Trace) -> None:
    if failed := trace.failed_requests:
        rows = f"{failed:,} row{' has' if failed == 1 else 's have'}"
        print(f"warning: {printable(name)}: {rows} no output tokens; failed requests are not played", file=sys.stderr)
    for text in trace.warnings[:MOST_WARNINGS]:
        why = f"Prometheus warned that a part may be missing: {printable(text[:200])}"
        print(f"warning: {printable(name)}: {why}", file=sys.stderr)


def why(error: Exception) -> str:
    """The text of an error; of an OSError the file and the reason, without the number that Python puts before."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


def part(
    name: str,
    *more: str,
    start: str | None,
    duration: str | None,
    columns: Sequence[str] | None = None,
    time_unit: str | None = None,
    access: "Access | None" = None,
) -> tuple[Trace, float, float | None]:
    """A trace, where to start in it, and for how long (None: to its end), in seconds; `start` and `duration` are the options.

    Of a sample they count in the part it shows: what lies before is its past. Raises as `named` does, and ValueError for a
    start or a duration outside.
    """
    ahead_seconds, lasts_seconds = option_seconds("--start", start) or 0.0, option_seconds("--duration", duration)
    trace, begins_seconds, of_sample_seconds = named(name, *more, columns=columns, time_unit=time_unit, access=access)
    whole_seconds = trace.duration_seconds if of_sample_seconds is None else of_sample_seconds
    left_seconds = whole_seconds - ahead_seconds
    if left_seconds <= 0.0:
        raise ValueError(f"--start {start} is too late: {trace.name} lasts {_length(whole_seconds)}")
    if lasts_seconds is None:
        lasts_seconds = None if of_sample_seconds is None else left_seconds
    elif lasts_seconds > left_seconds + 1.0:
        rest = f", of which {_length(left_seconds)} are left after --start {start}" if ahead_seconds else ""
        raise ValueError(f"--duration {duration} is too long: {trace.name} lasts {_length(whole_seconds)}{rest}")
    return trace, begins_seconds + ahead_seconds, lasts_seconds


def fields(columns: Sequence[str] | None) -> dict[str, str]:
    """The column of each field, of `arrival=time,prompt_tokens=len_in` and its like. Raises ValueError that names the option."""
    found: dict[str, str] = {}
    for pair in ",".join(columns).split(",") if columns else ():
        field, equals, column = (text.strip() for text in pair.partition("="))
        if field not in FIELDS:
            close = difflib.get_close_matches(field, FIELDS, n=1)
            nearest = f" (nearest: {close[0]})" if close else ""
            raise ValueError(f"--columns {pair!r} does not name one of {', '.join(FIELDS)}{nearest}")
        if not equals or not column:
            raise ValueError(f"--columns {pair!r} names no column; write {field}=COLUMN")
        if field in found:
            raise ValueError(f"--columns names two columns for {field}; keep one")
        found[field] = column
    return found


def _length(of_seconds: float) -> str:
    """A length for people: to the second, and to the minute from an hour on."""
    unit = 60.0 if of_seconds >= 3600.0 else 1.0
    days, rest = divmod(round(of_seconds / unit) * unit, DAY_SECONDS)
    text = written(rest) if rest or not days else ""
    return f"{days:.0f}d{text}" if days else text


def option_seconds(option: str, text: str | None) -> float | None:
    """A duration that may have days. Raises ValueError that names the option."""
    try:
        return None if text is None else span_seconds(text)
    except ValueError:
        raise ValueError(f"{option} {text!r} is not a duration like 90s, 45m or 1d2h") from None
