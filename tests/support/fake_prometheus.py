"""The two query endpoints of Prometheus, on a real HTTP server, for the PromQL that is sent and no other.

It reads queries as the simulated cluster does, and test_fake_prometheus.py holds its answers to that one's. Values are text
here, so that a test can give NaN and what is no number. What it does not do:
- compute rates, sums or maxima: a test gives the sum of a family at a time; it has no rate in a window with fewer than two
  scrapes, which are `scrape_seconds` apart;
- scrape, look back, mark series stale or keep a retention;
- take users and passwords.
"""

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from replay.simcluster.promql import Query, QueryError, parse
from tests.support.http_faults import Handler


@dataclass
class FakePrometheus:
    """`series` are (labels, value) for instant queries; `past` maps a family to its sum (or rate) at a time."""

    url: str = ""
    now_seconds: float = 1_700_000_000.0
    series: list[tuple[dict[str, str], str]] = field(default_factory=list)
    past: dict[str, Callable[[float], str | None]] = field(default_factory=dict)
    scrape_seconds: float = 15.0
    warnings: list[str] = field(default_factory=list)
    fault: Handler | None = None
    fault_after: int = 0  # requests that are answered well before
    asked: list[dict[str, str]] = field(default_factory=list)
    bearer: str = ""  # without it, a request is refused
    headers: Mapping[str, str] = field(default_factory=dict)  # of the last request

    def add(self, pod: str, family: str, value: str, **labels: str) -> None:
        self.series.append(({"__name__": family, "namespace": "ns", "pod": pod, **labels}, value))

    async def query(self, request: web.Request) -> web.StreamResponse:
        if self._is_bad(request):
            assert self.fault
            return await self.fault(request)
        asked = _parse(request)
        if asked is None or asked.aggregations or asked.function:
            return _refuse()
        found = [
            {"metric": labels, "value": [self.now_seconds, value]}
            for labels, value in self.series
            if all(matcher.matches(labels) for matcher in asked.matchers)
        ]
        return self._succeed("vector", found)

    async def query_range(self, request: web.Request) -> web.StreamResponse:
        if self._is_bad(request):
            assert self.fault
            return await self.fault(request)
        asked = _parse(request)
        if asked is None or not asked.aggregations or asked.aggregations[-1].by:
            return _refuse()
        start, end, step = (float(request.query[name]) for name in ("start", "end", "step"))
        total = self.past.get(next(matcher.value for matcher in asked.matchers if matcher.label == "__name__"))
        times = [start + i * step for i in range(int((end - start) / step) + 1)]
        if asked.function and asked.window_seconds <= self.scrape_seconds:
            total = None
        elif total and asked.function == "count_over_time":
            known, scrapes = total, f"{asked.window_seconds / self.scrape_seconds:.0f}"
            total = lambda at: None if known(at) is None else scrapes  # noqa: E731
        values = [[at, value] for at in times if total and (value := total(at)) is not None]
        return self._succeed("matrix", [{"metric": {}, "values": values}] if values else [])

    def _is_bad(self, request: web.Request) -> bool:
        self.asked.append(dict(request.query))
        self.headers = request.headers
        if self.bearer and request.headers.get("Authorization") != f"Bearer {self.bearer}":
            raise web.HTTPUnauthorized(text="no token, no series")
        return self.fault is not None and len(self.asked) > self.fault_after

    def _succeed(self, kind: str, result: list[Any]) -> web.Response:
        answer = {"status": "success", "data": {"resultType": kind, "result": result}}
        return web.json_response(answer | ({"warnings": self.warnings} if self.warnings else {}))


def _parse(request: web.Request) -> Query | None:
    try:
        return parse(request.query["query"])
    except QueryError:
        return None


def _refuse() -> web.Response:
    return web.json_response({"status": "error", "errorType": "bad_data", "error": "parse error"}, status=400)


@asynccontextmanager
async def fake_prometheus(tls: ssl.SSLContext | None = None) -> AsyncIterator[FakePrometheus]:
    application = web.Application()
    server = TestServer(application, scheme="http" if tls is None else "https")
    fake = FakePrometheus()
    application.router.add_get("/api/v1/query", fake.query)
    application.router.add_get("/api/v1/query_range", fake.query_range)
    await server.start_server(shutdown_timeout=0.01, ssl=tls)
    fake.url = str(server.make_url("")).rstrip("/")
    try:
        yield fake
    finally:
        await server.close()
