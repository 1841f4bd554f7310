"""Traffic from a Prometheus range export: the JSON that `/api/v1/query_range` answers.

The query to export holds the three counters, unrated, as vLLM names them:

    {__name__=~"vllm:(request_success|prompt_tokens|generation_tokens)_total", namespace="...", pod=~"..."}

Requests are counted when they finish, so a saturated fleet's export shows what it served, not what was asked of it.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from replay.traces.files import check_size, opened
from replay.traces.recorded import BinTrace
from replay.traces.tables import shown
from replay.traces.trace import MOST_SUMMED, TraceError

REQUESTS, PROMPT, OUTPUT = "vllm:request_success_total", "vllm:prompt_tokens_total", "vllm:generation_tokens_total"
COUNTERS = (REQUESTS, PROMPT, OUTPUT)
MOST_STEPS = 1_000_000  # 173 days at 15 s
MOST_POINTS = 5_000_000  # 150 pods for 11,000 steps; some 100 MB of JSON
MOST_BYTES = 128 << 20


def read_range(path: Path, name: str) -> BinTrace:
    """The increase of the counters per step, summed over all series. Raises TraceError; a row is a series."""
    series = _series(path)
    stamps = np.unique(np.concatenate([at for _, at, _ in series]))
    if len(stamps) < 2:
        raise TraceError(path, "has fewer than two points in time; export a longer range")
    step_seconds = float(np.median(np.diff(stamps)))
    counts = round(float(stamps[-1] - stamps[0]) / step_seconds)
    if counts > MOST_STEPS:
        why = f"spans too many steps of {step_seconds:g} s; export at most {MOST_STEPS:,}"
        raise TraceError(path, why, column="values")
    sums = {counter: np.zeros(counts) for counter in COUNTERS}
    seen = np.zeros(counts, np.bool_)
    for counter, at, value in series:
        step = np.rint((at - stamps[0]) / step_seconds).astype(np.int64)
        _add_increase(sums[counter], step, value)
        seen[step[step > 0] - 1] = True
    rows = np.flatnonzero(seen)
    return BinTrace(
        name,
        start_s=rows * np.float64(step_seconds),
        width_s=np.full(len(rows), step_seconds),
        requests=sums[REQUESTS][rows],
        prompt_tokens=sums[PROMPT][rows],
        output_tokens=sums[OUTPUT][rows],
        epoch_seconds=float(stamps[0]),
    )


def _add_increase(sums: NDArray[np.float64], step: NDArray[np.int64], value: NDArray[np.float64]) -> None:
    """Add a counter's growth to the steps that end at each point; a fall is a restart from zero.

    A series that begins after the export does is a new pod's, whose counter was zero before.
    """
    if step[0] > 0:
        sums[step[0] - 1] += value[0]
    growth = np.diff(value)
    np.add.at(sums, step[1:] - 1, np.where(growth < 0, value[1:], growth))


def _series(path: Path) -> list[tuple[str, NDArray[np.float64], NDArray[np.float64]]]:
    """Counter, times and values of each series that has a known point."""
    found: list[tuple[str, NDArray[np.float64], NDArray[np.float64]]] = []
    for row, entry in enumerate(_matrix(path), 1):
        labels = entry.get("metric") if isinstance(entry, dict) else None
        if not isinstance(labels, dict):
            raise TraceError(path, "is not a series with its labels", row=row, column="metric")
        counter = labels.get("__name__")
        if counter not in COUNTERS:
            what = "is missing; it should be" if counter is None else f"{shown(counter)} is not"
            why = f"{what} one of {', '.join(COUNTERS)}; export the counters themselves, not their sum or rate"
            raise TraceError(path, why, row=row, column="metric.__name__")
        points = entry.get("values", np.empty((0, 2)))
        if not isinstance(points, np.ndarray):
            raise TraceError(path, "is not a list of [time, value] pairs", row=row, column="values")
        known = points[np.isfinite(points[:, 1])]
        known = known[np.argsort(known[:, 0], kind="stable")]
        if len(known):
            found.append((counter, known[:, 0], known[:, 1]))
    if not found:
        raise TraceError(path, "holds no series; check the namespace, the pods and the times of the query")
    missing = [counter for counter in COUNTERS if all(counter != name for name, _, _ in found)]
    if missing:
        raise TraceError(path, f"holds no values of {', '.join(missing)}")
    return found


def _matrix(path: Path) -> list[Any]:
    """The series of an answer of query_range, or of the bare list that promtool prints; their values as arrays."""
    check_size(path, MOST_BYTES)
    with opened(path) as file:
        data = file.read()
    if data.count(b",") > 2 * MOST_POINTS or data.count(b"{") > MOST_POINTS // 10:
        raise TraceError(path, f"holds more than {MOST_POINTS:,} points; export a shorter range or a longer step")
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
        return body
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
    result: list[Any] = matrix["result"]
    return result


def _points(path: Path, values: list[Any], row: int) -> NDArray[np.float64]:
    """Times and values of a series, a row for each point; NaN where a value is unknown."""
    try:
        points = np.array(values, np.float64).reshape(-1, 2)
    except (TypeError, ValueError, OverflowError):
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
