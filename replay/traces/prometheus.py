"""Traffic from Prometheus range exports: the JSON that `/api/v1/query_range` answers, or the list that promtool prints.

Requests are counted when they finish, so a saturated fleet's export shows what it served, not what was asked of it.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.series import FINISHED, identity
from replay.traces.counters import COUNTERS, Recorded, binned
from replay.traces.recorded import BinTrace
from replay.traces.tables import shown
from replay.traces.trace import MOST_SUMMED, TraceError

MOST_POINTS = 5_000_000  # of an answer: 150 pods for 11,000 steps; some 100 MB of JSON
MOST_SERIES = 100_000
MOST_BYTES = 128 << 20


def selector(pods: str = 'namespace="NAMESPACE",pod=~"TARGET-.*"') -> str:
    """The PromQL to export: the three counters as they are. `pods` are labels."""
    names = "|".join(counter.removeprefix("vllm:").removesuffix("_total") for counter in COUNTERS)
    return f'{{__name__=~"vllm:({names})_total",{pods}}}'


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: the series with a known point, what Prometheus warned of, and where its pods are."""

    series: tuple[Recorded, ...]
    warnings: tuple[str, ...]
    namespaces: frozenset[str]
    named: frozenset[bool]  # whether a series has the label `pod`


def joined(source: Path, name: str, pages: Sequence[Page]) -> BinTrace:
    """The traffic of all pages together. Raises TraceError, which names `source`."""
    series = [each for page in pages for each in page.series]
    if not series:
        raise TraceError(source, "holds no series; check the namespace, the pods and the times of the query")
    missing = [counter for counter in COUNTERS if all(counter != each.identity.family for each in series)]
    if missing:
        raise TraceError(source, f"holds no values of {', '.join(missing)}")
    pods = {counter: {each.identity.pod for each in series if each.identity.family == counter} for counter in COUNTERS}
    for counter in COUNTERS[1:]:
        if lacking := sorted(pods[FINISHED] - pods[counter]):
            raise TraceError(source, f"holds {FINISHED} of {lacking[0]}, but no {counter}; export both of every pod")
    namespaces = sorted(frozenset[str]().union(*(page.namespaces for page in pages)))
    if len(namespaces) > 1:
        raise TraceError(source, f"holds pods of several namespaces, {', '.join(namespaces[:3])}; export one of them")
    if len(frozenset[bool]().union(*(page.named for page in pages))) > 1:
        raise TraceError(source, f"has series with and without a pod, which may be the same; export {selector()}")
    try:
        return binned(name, series, tuple(dict.fromkeys(text for page in pages for text in page.warnings)))
    except ValueError as error:
        raise TraceError(source, str(error), column="values") from None


def read_page(source: Path, data: bytes) -> Page:
    """One answer. Raises TraceError, which names `source`."""
    result, warnings = _matrix(source, data)
    series, namespaces, named = list[Recorded](), set[str](), set[bool]()
    for row, entry in enumerate(result, 1):
        labels = entry.get("metric") if isinstance(entry, dict) else None
        if not isinstance(labels, dict):
            raise TraceError(source, "is not a series with its labels", row=row, column="metric")
        labels = {label: str(value) for label, value in labels.items()}
        found = identity(labels)
        counter = labels.get("__name__")
        if counter not in COUNTERS:
            what = "is missing; it should be" if counter is None else f"{shown(counter)} is not"
            why = f"{what} one of {', '.join(COUNTERS)}; export the counters themselves: {selector()}"
            raise TraceError(source, why, row=row, column="metric.__name__")
        if "value" in entry:
            raise TraceError(source, "is of an instant query; export query_range", row=row, column="value")
        points = entry.get("values", np.empty((0, 2)))
        if not isinstance(points, np.ndarray):
            raise TraceError(source, "is not a list of [time, value] pairs", row=row, column="values")
        if found is None:
            why = f"is missing; a sum over pods jumps when one starts or ends: export {selector()}"
            raise TraceError(source, why, row=row, column="metric.pod")
        namespaces |= {labels["namespace"]} if "namespace" in labels else set()
        named.add("pod" in labels)
        points = points[np.isfinite(points[:, 1])]
        if len(points):
            points = points[np.argsort(points[:, 0], kind="stable")]
            points = points[np.append(np.diff(points[:, 0]) > 0, True)]  # the last of those at one time
            series.append(Recorded(found, points[:, 0], points[:, 1]))
    return Page(tuple(series), warnings, frozenset(namespaces), frozenset(named))


def _matrix(path: Path, data: bytes) -> tuple[list[Any], tuple[str, ...]]:
    """The series of an answer of query_range, their values as arrays, and its warnings; or of the bare list that promtool prints."""
    if data.count(b",") > 2 * MOST_POINTS:
        raise TraceError(path, f"holds more than {MOST_POINTS:,} points; export a shorter range or a longer step")
    if data.count(b"{") > 2 * MOST_SERIES:
        raise TraceError(path, f"holds more than {MOST_SERIES:,} series; export a shorter range, or fewer pods")
    rows = 0

    def compact(found: dict[str, Any]) -> dict[str, Any]:
        nonlocal rows
        if isinstance(values := found.get("values"), list):
            rows += 1
            found["values"] = _points(path, values, rows)
        return found

    try:
        body = json.loads(data, object_hook=compact)
    except RecursionError as error:
        raise TraceError(path, "is nested too deeply for an export") from error
    except ValueError as error:
        lines = str(error).startswith("Extra data: line 2 ")
        why = "holds JSON lines; its name must end in .jsonl" if lines else f"cannot be read: {error}"
        raise TraceError(path, why) from error
    if isinstance(body, list):
        if body and not (isinstance(body[0], dict) and "metric" in body[0]):
            raise TraceError(
                path, "is a JSON array of rows; write one object per line to a .jsonl file, as `jq -c '.[]'` does"
            )
        return body, ()
    if not isinstance(body, dict) or "status" not in body:
        why = "is not an answer of query_range; write requests, one JSON object per line, to a .jsonl file"
        raise TraceError(path, why)
    if body["status"] != "success":
        error_text = body.get("error")
        why = f"is not a successful answer of query_range{f', but an error: {error_text}'[:200] if error_text else ''}"
        raise TraceError(path, why, column="status")
    matrix = body.get("data")
    if (
        not isinstance(matrix, dict)
        or matrix.get("resultType") != "matrix"
        or not isinstance(matrix.get("result"), list)
    ):
        raise TraceError(path, "is not a matrix; export query_range, not an instant query", column="data.resultType")
    warnings = body.get("warnings")
    return matrix["result"], tuple(str(text) for text in warnings) if isinstance(warnings, list) else ()


def _points(path: Path, values: list[Any], row: int) -> NDArray[np.float64]:
    """Times and values of a series, a row for each point; NaN where a value is unknown."""
    try:
        points = np.array(values if values else np.empty((0, 2)), np.float64)
    except (TypeError, ValueError, OverflowError):
        points = np.empty(0)
    if points.shape != (len(values), 2):
        points = np.full((1, 2), np.nan)
    value = points[:, 1]
    if np.isfinite(points).all() and not (value < 0).any() and not (value > MOST_SUMMED).any():
        return points
    return np.array([_point(path, point, row) for point in values], np.float64).reshape(-1, 2)


def _point(path: Path, point: object, row: int) -> tuple[float, float]:
    if isinstance(point, list) and len(point) == 2:
        try:
            at_seconds, value = float(point[0]), float(point[1])
        except (TypeError, ValueError, OverflowError):
            pass
        else:
            if math.isfinite(at_seconds) and not (value < 0 or MOST_SUMMED < value < math.inf):
                return at_seconds, value
    raise TraceError(path, f"{shown(point)} is not a [time, value] pair of a counter", row=row, column="values")
