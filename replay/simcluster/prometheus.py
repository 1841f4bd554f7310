"""Prometheus: scrapes the pods every 15 scenario seconds, stores the samples, and answers `query` and `query_range`."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import numpy as np
from aiohttp import web

from policies.model import PodSample
from replay.simcluster import promql, vllm
from replay.simcluster.resources import Json
from replay.simcluster.series import LOOKBACK_SECONDS, Floats, Series, highest, total

SCRAPE_SECONDS = 15.0
MAX_POINTS = 11_000


class Prometheus:
    """The series of one workload, from the past and from scrapes. Times are scenario Unix seconds.

    With `beside` the series of that one are found here as well, and these there.
    """

    def __init__(self, past: Iterable[Series], namespace: str, model: str, beside: "Prometheus | None" = None) -> None:
        self._series: list[Series] = [] if beside is None else beside._series
        self._series += past
        self._namespace = namespace
        self._model = model
        self._live: dict[str, dict[tuple[str, vllm.Labels], Series]] = {}  # by pod

    def scrape(self, at_seconds: float, samples: Mapping[str, PodSample], instances: Mapping[str, str]) -> None:
        """Store a sample of every pod; series of pods that are gone become stale. `instances`: pod -> host:port."""
        for pod in self._live.keys() - samples.keys():
            for series in self._live.pop(pod).values():
                series.stale_seconds = at_seconds
        for pod, sample in samples.items():
            held = self._live.setdefault(pod, {})
            for family in vllm.families(sample, self._model):
                for name, labels, value in family.series:
                    if (name, labels) not in held:
                        held[name, labels] = Series(self._labels(name, labels, pod, instances[pod]))
                        self._series.append(held[name, labels])
                    series = held[name, labels]
                    series.times.append(at_seconds)
                    series.values.append(value)

    def _labels(self, name: str, labels: vllm.Labels, pod: str, instance: str) -> dict[str, str]:
        target = {"namespace": self._namespace, "pod": pod, "container": "vllm", "instance": instance}
        return {"__name__": name, **target, "job": f"{self._namespace}/{self._model}", **dict(labels)}

    def evaluate(
        self, query: promql.Query, moments: Floats, lookback_seconds: float = LOOKBACK_SECONDS
    ) -> list[tuple[dict[str, str], Floats]]:
        """Each resulting series with its value at each moment; NaN where it has none."""
        found = [series for series in self._series if all(matcher.matches(series.labels) for matcher in query.matchers)]
        columns: list[tuple[dict[str, str], Floats]]
        if query.function is None:
            columns = [(dict(series.labels), series.at(moments, lookback_seconds)) for series in found]
        else:
            of = Series.rate if query.function == "rate" else Series.count
            columns = [(_nameless(series.labels), of(series, moments, query.window_seconds)) for series in found]
        for aggregation in query.aggregations:
            columns = _aggregated(aggregation, columns, moments)
        return [(labels, column) for labels, column in columns if not np.isnan(column).all()]


def _aggregated(
    aggregation: promql.Aggregation, columns: list[tuple[dict[str, str], Floats]], moments: Floats
) -> list[tuple[dict[str, str], Floats]]:
    groups: dict[tuple[tuple[str, str], ...], list[Floats]] = {}
    for labels, column in columns:
        key = tuple((name, labels[name]) for name in aggregation.by if labels.get(name))
        groups.setdefault(key, []).append(column)
    combine = total if aggregation.operator == "sum" else highest
    return [(dict(key), combine(group, moments)) for key, group in groups.items()]


def _nameless(labels: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if name != "__name__"}


class BadDataError(Exception):
    """A parameter is invalid."""


def application(prometheus: Prometheus, now: Callable[[], float], sync: Callable[[], None]) -> web.Application:
    """The HTTP API. `now` is the default time of a query."""

    async def instant(parameters: Mapping[str, str]) -> Json:
        at = _time(parameters, "time", now())
        if parameters.get("query") == "time()":
            return {"resultType": "scalar", "result": [at, number(at)]}
        lookback = _step(parameters, "lookback_delta", LOOKBACK_SECONDS)
        found = prometheus.evaluate(_query(parameters), np.array([at]), lookback)
        vector = [{"metric": labels, "value": [at, number(column[0])]} for labels, column in found]
        return {"resultType": "vector", "result": vector}

    async def ranged(parameters: Mapping[str, str]) -> Json:
        start, end = _time(parameters, "start", None), _time(parameters, "end", None)
        if end < start:
            raise BadDataError('invalid parameter "end": end timestamp must not be before start time')
        step = _step(parameters, "step", None)
        if (end - start) / step > MAX_POINTS:
            raise BadDataError(
                "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution"
            )
        query = _query(parameters)
        lookback = _step(parameters, "lookback_delta", LOOKBACK_SECONDS)
        moments = start + step * np.arange(int((end - start) / step + 1e-9) + 1, dtype=np.float64)
        matrix = []
        for labels, column in prometheus.evaluate(query, moments, lookback):
            known = np.flatnonzero(~np.isnan(column))
            matrix.append({"metric": labels, "values": [[float(moments[i]), number(column[i])] for i in known]})
        return {"resultType": "matrix", "result": matrix}

    def handler(answer: Callable[[Mapping[str, str]], Any]) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.Response:
            sync()
            form = await request.post() if request.method == "POST" else {}
            given = {**request.query, **{name: str(value) for name, value in form.items()}}
            try:
                return web.json_response({"status": "success", "data": await answer(given)})
            except (BadDataError, promql.QueryError) as error:
                text = f'invalid parameter "query": {error}' if isinstance(error, promql.QueryError) else str(error)
                return web.json_response({"status": "error", "errorType": "bad_data", "error": text}, status=400)

        return handle

    served = web.Application()
    for path, answer in (("/api/v1/query", instant), ("/api/v1/query_range", ranged)):
        served.router.add_route("GET", path, handler(answer))
        served.router.add_route("POST", path, handler(answer))
    return served


def _query(parameters: Mapping[str, str]) -> promql.Query:
    return promql.parse(parameters.get("query", ""))


def _time(parameters: Mapping[str, str], name: str, default: float | None) -> float:
    text = parameters.get(name)
    if text is None and default is not None:
        return default
    try:
        return float(text or "")
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text or "").timestamp()
    except ValueError:
        raise BadDataError(f'invalid parameter "{name}": cannot parse "{text or ""}" to a valid timestamp') from None


def _step(parameters: Mapping[str, str], name: str, default: float | None) -> float:
    text = parameters.get(name)
    if text is None and default is not None:
        return default
    seconds = promql.duration(text or "")
    if seconds is None:
        raise BadDataError(f'invalid parameter "{name}": cannot parse "{text or ""}" to a valid duration')
    if seconds <= 0:
        raise BadDataError(
            f'invalid parameter "{name}": zero or negative query resolution step widths are not accepted'
        )
    return seconds


def number(value: float) -> str:
    """A sample's value as Prometheus writes it: no exponent, no trailing zeros."""
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    text = repr(float(value))
    return text if "e" not in text else np.format_float_positional(value, trim="-")
