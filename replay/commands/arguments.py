"""Reads the arguments of the offline commands: a trace by its name, and a duration with days."""

import re
from pathlib import Path

from crds.notation.units import seconds
from replay.traces.read import read
from replay.traces.samples import SAMPLES, sample
from replay.traces.trace import Trace

SAMPLE = "sample:"
DAY_SECONDS = 86_400.0


def named(name: str) -> tuple[Trace, float, float | None]:
    """The trace of a file or of sample:NAME, where to start in it, and for how long (None: to its end); both in seconds.

    Raises ValueError for an unknown sample, and TraceError for a file that cannot be read as a trace.
    """
    if name in SAMPLES and not Path(name).exists():
        raise ValueError(f"no such file: {name}; for the shipped sample, write {SAMPLE}{name}")
    if not name.startswith(SAMPLE):
        return read(Path(name)), 0.0, None
    wanted = name.removeprefix(SAMPLE)
    if wanted not in SAMPLES:
        raise ValueError(f"no sample {wanted!r}; available: {', '.join(SAMPLES)}")
    shipped = sample(wanted)
    return shipped.trace, shipped.start_seconds, shipped.duration_seconds


def why(error: Exception) -> str:
    """The text of an error; of an OSError the file and the reason, without the number that Python puts before."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


def span_seconds(option: str, text: str | None) -> float | None:
    """Kubernetes' notation of a duration, and days before it. Raises ValueError that names the option."""
    if text is None:
        return None
    match = re.fullmatch(r"(?:([0-9]{1,5})d)?(.*)", text, re.ASCII)
    days, rest = (match[1], match[2]) if match else (None, text)
    try:
        return int(days or 0) * DAY_SECONDS + (seconds(rest) if rest or not days else 0.0)
    except ValueError:
        raise ValueError(f"{option} {text!r} is not a duration like 90s, 45m or 1d2h") from None
