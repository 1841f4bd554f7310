"""Reads the body of a vLLM server's `/metrics`, in Prometheus' text format or as OpenMetrics.

One compiled pattern finds the 20 lines that are needed among the 600 of a 50 kB body; the rest is not parsed. What a body
may contain is bounded, so that no pod keeps the event loop for longer than 5 ms: a body beyond it is refused, never read in part.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache

from autoscaler.sources.errors import SourceError, SourceErrorKind
from autoscaler.sources.families import FAMILIES, QUEUE_TIME_BUCKET, QUEUE_TIME_COUNT, MetricSeries, assemble
from policies.model import PodSample
from policies.series import SLEEP_STATE

MAX_LINES = 60_000  # 600 lines an engine
MAX_SERIES = 2_000  # 20 of the needed lines an engine
MAX_LINE_BYTES = 4_096


def _any_of(names: Iterable[str]) -> str:
    """A pattern of these names that tries what several begin with once: twice as fast as one after the other."""
    rest: dict[str, list[str]] = {}
    for name in names:
        rest.setdefault(name[:1], []).append(name[1:])
    tried = "|".join(re.escape(first) + _any_of(ends) if first else "" for first, ends in rest.items())
    return tried if len(rest) == 1 else f"(?:{tried})"


@cache
def _lines(late_after_seconds: float | None) -> re.Pattern[bytes]:
    """A pattern of the lines that are needed, the buckets of the queue times that end at this bound among them.

    The leading newline is a literal that the regex engine can search for: 5 times as fast as `^` with re.MULTILINE. Labels,
    a value and perhaps a time, in a line that is not too long; any other line has no value here. An exemplar has braces and a
    value of its own.
    """
    names, bucket = FAMILIES, ""
    if late_after_seconds is not None:
        names = (*FAMILIES, QUEUE_TIME_COUNT, QUEUE_TIME_BUCKET)
        bound = re.escape(f"{late_after_seconds:g}") + (r"(?:\.0)?" if late_after_seconds.is_integer() else "")
        bucket = rf'(?:(?<!_bucket)|(?=\{{[^\n]{{0,{MAX_LINE_BYTES}}}[{{,][ \t]*+le[ \t]*+=[ \t]*+"{bound}"))'
    return re.compile(
        rb"\n(%b)(?=[{ \t])%b(?:(?=[^\n]{0,%d}+(?:\n|\Z))[ \t]*+"
        % (_any_of(names).encode(), bucket.encode(), MAX_LINE_BYTES)
        + rb'(\{(?:engine="([^"\\\n]*+)")?+(?:[^"}\n]++|"(?:[^"\\\n]++|\\.)*+")*+\})?+[ \t]*+'
        + rb"([^ \t#\n]++)(?:[ \t]++[^ \t#\n]++)?+[ \t\r]*+(?=[#\n]|\Z))?+[^\n]*+"
    )


_ENGINE = re.compile(rb'[{,][ \t]*engine[ \t]*=[ \t]*"([^"]*)"')
_AWAKE = re.compile(rb'[{,][ \t]*sleep_state[ \t]*=[ \t]*"awake"')
_NAMES = {family.encode(): family for family in (*FAMILIES, QUEUE_TIME_COUNT, QUEUE_TIME_BUCKET)}
_END = b"# EOF"  # the last line of OpenMetrics; a newline may follow


def parse(body: str | bytes, pod: str, at_seconds: float, late_after_seconds: float | None = None) -> PodSample:
    """Read one `/metrics` body of `pod`, answered at `at_seconds`, summed over its engines.

    A request is late that waited for longer than `late_after_seconds`, a bound of vLLM's queue times; None: they are not read.

    A family that is absent or not a count is None. Raises `SourceError` for a body that is truncated or too large, has a
    line that cannot be parsed, or contains no vLLM metrics.
    """
    text = b"\n" + (body.encode() if isinstance(body, str) else body)
    # A body has fewer lines than bytes, and to count them takes as long as half the reading.
    if len(text) > MAX_LINES and (lines := text.count(b"\n")) > MAX_LINES:
        raise SourceError(
            SourceErrorKind.BODY, f"pod {pod}: /metrics has {lines} lines, more than the {MAX_LINES} that are read"
        )
    series = list(_series(text, pod, _lines(late_after_seconds)))
    if not any(each.family.startswith("vllm:") for each in series):
        raise SourceError(
            SourceErrorKind.BODY,
            f"pod {pod}: {_description(text)}; check spec.metrics, or exclude a pod that runs no engine (a router, a worker)"
            " with spec.metrics.podSelector",
        )
    if not text.endswith((b"\n", b"\n" + _END)):
        raise SourceError(
            SourceErrorKind.BODY, f"pod {pod}: /metrics is truncated in line {_line_number(text, len(text))}"
        )
    return assemble(pod, at_seconds, series)


def _series(text: bytes, pod: str, lines: re.Pattern[bytes]) -> Iterator[MetricSeries]:
    for count, match in enumerate(lines.finditer(text)):
        if count == MAX_SERIES:
            raise SourceError(
                SourceErrorKind.BODY,
                f"pod {pod}: /metrics has more than {MAX_SERIES} series of the needed families; "
                "check for a label with too many values",
            )
        start, end = match.span()
        name, labels, engine, value = match.groups()
        if end - start > MAX_LINE_BYTES:
            where = f"pod {pod}: /metrics line {_line_number(text, start + 1)}"
            raise SourceError(SourceErrorKind.BODY, f"{where} is longer than {MAX_LINE_BYTES} bytes")
        try:
            if value is None:
                raise ValueError("not a sample")
            number = float(value)
        except ValueError:
            where = f"pod {pod}: /metrics line {_line_number(text, start + 1)}"
            line = text[start + 1 : end][:120].decode(errors="replace")
            raise SourceError(SourceErrorKind.BODY, f"{where} is not a sample: {line!r}") from None
        family = _NAMES[name]
        if labels is None:
            labels = b""
        elif engine is None and (found := _ENGINE.search(labels)):  # not the first of the labels
            engine = found[1]
        if family == SLEEP_STATE and not _AWAKE.search(labels):
            continue
        yield MetricSeries(family, None if engine is None else engine.decode(errors="replace"), labels, number)


def _line_number(text: bytes, position: int) -> int:
    return text.count(b"\n", 0, position)  # `parse` added the first newline


def _description(text: bytes) -> str:
    start = text[:400].lstrip()
    if not start:
        return "/metrics is empty"
    if start.startswith(b"<"):
        return "/metrics is an HTML page"
    return f"/metrics of {len(text) - 1} bytes contains no vLLM metrics"
