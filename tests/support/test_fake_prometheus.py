"""The fake Prometheus answers what the simulated cluster's Prometheus answers to the queries that are sent."""

from typing import Any

import aiohttp
import pytest

from autoscaler.sources.prometheus import instant_query
from replay.simcluster import prometheus
from replay.simcluster.server import Server
from tests.replay.simcluster.fake_world import START, FakeWorld
from tests.support.fake_prometheus import fake_prometheus

INSTANCE = "127.77.0.2:8000"
PODS = '{namespace="ns",pod=~"llm-([a-z0-9]{6,10}-)?[a-z0-9]+"}'
RANGE = {"start": str(START), "end": str(START + 60), "step": "15"}


@pytest.mark.parametrize(
    ("endpoint", "query", "more"),
    [
        ("query", instant_query("ns", ["llm-0", "llm-absent"]), {}),
        ("query", instant_query("other", ["llm-0"]), {}),
        ("query", "histogram_quantile(0.9, x)", {}),
        ("query_range", f"sum(vllm:num_requests_running{PODS})", RANGE),
        ("query_range", f"sum(rate(vllm:prompt_tokens_total{PODS}[1m]))", RANGE),
        ("query_range", f"sum(max by (pod, engine) (vllm:num_requests_running{PODS}))", RANGE),
        ("query_range", f"sum(rate(vllm:prompt_tokens_total{PODS}[15s]))", RANGE),
        ("query_range", f"max(count_over_time(vllm:prompt_tokens_total{PODS}[45s]))", RANGE),
        ("query_range", f"sum(vllm:absent{PODS})", RANGE),
    ],
)
async def test_both_answer_the_same(endpoint: str, query: str, more: dict[str, str]) -> None:
    world = FakeWorld()
    simulated = prometheus.Prometheus([], "ns", "llm")
    for second in range(-75, 75, 15):
        simulated.scrape(START + second, {sample.pod: sample for sample in world.samples()}, {"llm-0": INSTANCE})
    server = Server(prometheus.application(simulated, lambda: START, lambda: None), 0)
    async with fake_prometheus() as fake, aiohttp.ClientSession() as http:
        url = await server.start()

        async def ask(base: str) -> tuple[int, Any]:
            async with http.get(f"{base}/api/v1/{endpoint}", params={"query": query, **more}) as response:
                body = await response.json()
                return response.status, body | ({"error": ""} if "error" in body else {})

        fake.now_seconds = START
        for series in simulated._series:
            fake.series.append((dict(series.labels), prometheus.number(series.values[-1])))
        fake.past = {"vllm:num_requests_running": lambda _at: "2", "vllm:prompt_tokens_total": lambda _at: "0"}
        assert await ask(fake.url) == await ask(url)
        await server.stop()
