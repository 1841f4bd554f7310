"""The supported subset of PromQL: a selector, a function of its range around it, and `sum` and `max` around that."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass


class QueryError(Exception):
    """A query is not supported; the message says why."""


@dataclass(frozen=True)
class Matcher:
    """One label matcher. An absent label counts as the empty string."""

    label: str
    operator: str
    value: str

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether a series with these labels matches. Regular expressions match the whole value."""
        held = labels.get(self.label, "")
        same = re.fullmatch(self.value, held) is not None if "~" in self.operator else held == self.value
        return same == (self.operator in {"=", "=~"})


@dataclass(frozen=True)
class Aggregation:
    """`sum(...)` or `max by (labels) (...)`."""

    operator: str
    by: tuple[str, ...]


@dataclass(frozen=True)
class Query:
    """A parsed query."""

    matchers: tuple[Matcher, ...]
    function: str | None  # rate or count_over_time, of the samples in ...
    window_seconds: float  # ... this window; 0 without a function
    aggregations: tuple[Aggregation, ...]  # from the inside out


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_STRING = r'"(?:\\.|[^"\\])*"'
_MATCHER = re.compile(rf"\s*(?P<label>[a-zA-Z_]\w*)\s*(?P<operator>=~|!~|!=|=)\s*(?P<value>{_STRING})\s*(?:,|$)")
_AGGREGATION = r"(?:sum|max)\s*(?:by\s*\([\w\s,]*\)\s*)?\("
_AROUND = re.compile(r"(?P<operator>sum|max)\s*(?:by\s*\((?P<by>[\w\s,]*)\)\s*)?\(")
_SHAPE = re.compile(
    rf"\s*(?P<aggregations>(?:{_AGGREGATION}\s*)*)(?:(?P<function>rate|count_over_time)\s*\(\s*)?"
    r"(?P<name>[a-zA-Z_:][\w:]*)?\s*"
    rf"(?:\{{(?P<matchers>(?:{_STRING}|[^\"{{}}])*)\}})?\s*"
    r"(?:\[(?P<window>\d+)(?P<unit>[smhd])\])?\s*(?P<closing>[)\s]*)"
)


def duration(text: str) -> float | None:
    """Seconds of `90`, `0.5`, `90s`, `5m`; None if it is not a duration."""
    found = re.fullmatch(r"(\d+(?:\.\d*)?)(ms|[smhd])?", text)
    if found is None:
        return None
    return float(found[1]) * (0.001 if found[2] == "ms" else _UNITS[found[2] or "s"])


def parse(text: str) -> Query:
    """Parse a query; raises QueryError if it is not supported."""
    found = _SHAPE.fullmatch(text)
    around = [] if found is None else list(_AROUND.finditer(found["aggregations"]))
    if (
        found is None
        or found["closing"].count(")") != len(around) + bool(found["function"])
        or bool(found["function"]) != bool(found["window"])
    ):
        raise QueryError(f'parse error: the simulated Prometheus does not support this query: "{text}"')
    matchers = [] if found["name"] is None else [Matcher("__name__", "=", found["name"])]
    matchers += _matchers(found["matchers"] or "")
    if not matchers or all(matcher.matches({}) for matcher in matchers):
        raise QueryError("parse error: vector selector must contain at least one non-empty matcher")
    window = float(found["window"]) * _UNITS[found["unit"]] if found["window"] else 0.0
    aggregations = (
        Aggregation(each["operator"], tuple((each["by"] or "").replace(",", " ").split())) for each in around
    )
    return Query(tuple(matchers), found["function"], window, tuple(aggregations)[::-1])


def _matchers(text: str) -> list[Matcher]:
    read, at = [], 0
    while text[at:].strip():
        found = _MATCHER.match(text, at)
        if found is None:
            raise QueryError(f'parse error: unexpected "{text[at:]}" in label matching')
        try:
            value = json.loads(found["value"])  # Go and JSON have the same escapes as far as they occur here
            re.compile(value if "~" in found["operator"] else "")
        except (ValueError, re.error) as error:
            raise QueryError(f"parse error: {found['value']}: {error}") from error
        read.append(Matcher(found["label"], found["operator"], value))
        at = found.end()
    return read
