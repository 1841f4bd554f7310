"""Prometheus over HTTP, asked by the live sources and by hand."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import numpy as np
import pytest

from autoscaler.sources import history
from autoscaler.sources.prometheus import Prometheus as Source
from crds.workload import Target
from policies.model import PodSample
from replay.scenario.scenario import L4_8B
from replay.simcluster import past, prometheus
from replay.simcluster.server import Server
from replay.traces.trace import Totals
from tests.replay.simcluster.fake_world import START, FakeWorld
from tests.support.fake_clock import FakeClock

DAY = 86_400
LABELS = {"namespace": "serving", "pod": "llm-5d4f8b7c6-x2lqz"}
LLM = Target("apps/v1", "Deployment", "llm")


@dataclass
class Running:
    url: str
    http: aiohttp.ClientSession
    store: prometheus.Prometheus
    clock: FakeClock
    world: FakeWorld = field(default_factory=FakeWorld)

    async def ask(self, what: str, code: int = 200, **parameters: str) -> Any:
        async with self.http.get(f"{self.url}/api/v1/{what}", params=parameters) as response:
            assert response.status == code
            return await response.json()

    async def scrape(self, seconds: float = 15.0) -> dict[str, PodSample]:
        """One scrape, `seconds` after the last."""
        await self.clock.advance(seconds)
        self.world.advance(self.clock.now())
        samples = {sample.pod: sample for sample in self.world.samples()}
        self.store.scrape(self.clock.now(), samples, dict.fromkeys(samples, "127.77.0.2:8000"))
        return samples


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    bins = 7 * DAY // 60
    before = Totals(START - 7 * DAY, 60.0, np.full(bins, 120.0), np.full(bins, 120_000.0), np.full(bins, 24_000.0))
    store = prometheus.Prometheus(past.series(before, L4_8B, START, LABELS), "serving", "llm")
    clock = FakeClock(START)
    server = Server(prometheus.application(store, clock.now, lambda: None), 0)
    async with aiohttp.ClientSession() as http:
        yield Running(await server.start(), http, store, clock)
    await server.stop()


async def test_the_live_source_reads_the_last_scrape(running: Running) -> None:
    scraped = await running.scrape()
    await running.clock.advance(10.0)
    source = Source(running.url, running.http, running.clock)
    read = await source.samples("serving", ["llm-0", "llm-absent"])
    assert read.keys() == {"llm-0"}
    assert (read["llm-0"].running, read["llm-0"].waiting) == (2.0, 0.0)
    assert read["llm-0"].prompt_tokens_total == scraped["llm-0"].prompt_tokens_total
    assert read["llm-0"].started_seconds == START


async def test_a_pod_that_has_gone_is_stale_at_once(running: Running) -> None:
    await running.scrape()
    running.world.views.clear()
    await running.scrape()
    answer = await running.ask("query", query='vllm:num_requests_running{pod="llm-0"}')
    assert answer == {"status": "success", "data": {"resultType": "vector", "result": []}}


async def test_the_live_history_reads_seven_days(running: Running) -> None:
    read = await history.read(running.url, "serving", LLM, START, days=7)
    assert read.problem is None
    assert len(read.points) > 7 * 1440 - 10
    middle = read.points[len(read.points) // 2]
    assert middle.requests_per_second == pytest.approx(2.0)
    assert middle.prompt_tokens_per_second == pytest.approx(2000.0)
    assert middle.generation_tokens_per_second == pytest.approx(400.0)
    assert middle.waiting == 0.0
    # Little: 2 requests/s, each 1000 / 2500 s of prefill and 200 steps of 0.035 + 16 * 0.0014 s.
    assert middle.running == pytest.approx(2.0 * (0.4 + 200 * 0.0574), rel=1e-3)


async def test_a_pod_that_two_jobs_scrape_counts_once(running: Running) -> None:
    query = "sum(max by (pod, engine, model_name) (vllm:num_requests_running))"
    once = await running.ask("query", query=query, time=str(START - 60))
    for series in list(running.store._series):
        running.store._series.append(replace(series, labels={**series.labels, "job": "another"}))
    assert await running.ask("query", query=query, time=str(START - 60)) == once
    read = await history.read(running.url, "serving", LLM, START, days=1)
    assert read.points[700].requests_per_second == pytest.approx(2.0)


async def test_a_range_goes_on_from_the_past_into_the_scrapes(running: Running) -> None:
    for _ in range(40):
        await running.scrape()
    query = 'sum(rate(vllm:prompt_tokens_total{namespace="serving",pod=~"llm-.+"}[5m]))'
    answer = await running.ask("query_range", query=query, start=str(START - 600), end=str(START + 600), step="60")
    [series] = answer["data"]["result"]
    values = {at: float(text) for at, text in series["values"]}
    assert series["metric"] == {}
    assert values[START - 300] == pytest.approx(2000.0)
    assert values[START + 600] == pytest.approx(100.0)


async def test_a_post_is_answered_too(running: Running) -> None:
    await running.scrape()
    form = {"query": "sum(vllm:num_requests_running)", "time": str(START + 20)}
    async with running.http.post(f"{running.url}/api/v1/query", data=form) as response:
        assert (await response.json())["data"]["result"] == [{"metric": {}, "value": [START + 20, "2"]}]


@pytest.mark.parametrize(
    ("what", "parameters", "why"),
    [
        ("query", {"query": "histogram_quantile(0.9, x)"}, "parse error"),
        ("query", {}, "parse error"),
        ("query", {"query": "up", "time": "noon"}, '"time"'),
        ("query_range", {"query": "up", "start": "1", "end": "0", "step": "1"}, "must not be before start"),
        ("query_range", {"query": "up", "start": "0", "end": "1", "step": "0"}, "zero or negative"),
        ("query_range", {"query": "up", "start": "0", "end": "11001", "step": "1"}, "11,000 points"),
        ("query_range", {"query": "up", "start": "0", "end": "1"}, '"step"'),
    ],
)
async def test_bad_data(running: Running, what: str, parameters: dict[str, str], why: str) -> None:
    answer = await running.ask(what, code=400, **parameters)
    assert (answer["status"], answer["errorType"]) == ("error", "bad_data")
    assert why in answer["error"]


async def test_times_may_be_written_out(running: Running) -> None:
    answer = await running.ask("query", query="sum(vllm:num_requests_running)", time="2023-11-14T22:00:00Z")
    assert answer["data"]["result"][0]["value"][0] == 1_699_999_200.0


def test_numbers_are_written_without_exponent() -> None:
    assert [prometheus.number(v) for v in (4.0, 0.5, 1e-7, 1.5e16, 1795252651.77)] == [
        "4",
        "0.5",
        "0.0000001",
        "15000000000000000",
        "1795252651.77",
    ]
