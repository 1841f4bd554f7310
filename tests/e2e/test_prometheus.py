"""Outrider's two Prometheus sources on a real Prometheus, which scrapes the engines' pods on the cluster."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

import aiohttp
import pytest
import requests

from autoscaler.clock import WallClock
from autoscaler.sources import history
from autoscaler.sources.errors import SourceErrorKind
from autoscaler.sources.prometheus import Answer, Prometheus
from autoscaler.sources.vllm import parse
from crds.workload import Target
from policies.model import PodSample
from replay.commands import prometheus as replayed
from replay.traces.trace import Trace, TraceError
from tests.e2e.harness import Cluster, until
from tests.e2e.harness.api import Json
from tests.e2e.harness.workload import PORT, Stages, Workload

LLM = Target("apps/v1", "Deployment", "llm")
STEADY = {"requests_per_second": 2.0, "prompt_tokens": 400, "output_tokens": 60}
Got = TypeVar("Got")


def _run(work: Coroutine[Any, Any, Got]) -> Got:
    return asyncio.run(work)


async def _read(url: str, namespace: str, pods: list[str]) -> Answer:
    async with aiohttp.ClientSession() as session:
        return await Prometheus(url, session, WallClock()).read(namespace, pods)


@pytest.fixture
def pods(cluster: Cluster, namespace: str) -> Iterator[list[Json]]:
    """Two engines at work, at the normal clock rate."""
    workload = Workload(cluster, namespace, stages=Stages(0.5, 0.2, 0.2))
    try:
        workload.deploy(2)
        workload.traffic({"rate": 1, "steady": STEADY, "duration_seconds": 600})
        yield workload.pods()
    finally:
        workload.delete()


def _page(pod: Json) -> PodSample:
    text = requests.get(f"http://{pod['status']['podIP']}:{PORT}/metrics", timeout=5).text
    return parse(text, pod["metadata"]["name"], 0.0)


def _counters(sample: PodSample) -> dict[str, float]:
    names = ("finished_total", "prompt_tokens_total", "generation_tokens_total", "request_prompt_tokens_count")
    return {name: getattr(sample, name) for name in names}


def test_instant_queries_give_what_the_pods_show(cluster: Cluster, namespace: str, pods: list[Json]) -> None:
    names = [pod["metadata"]["name"] for pod in pods]
    before = {name: _page(pod) for name, pod in zip(names, pods, strict=True)}

    def caught_up() -> Answer | None:
        answer = _run(_read(cluster.prometheus_url, namespace, [*names, "absent-pod"]))
        found = answer.samples
        newer = set(found) == set(names) and all(
            _counters(found[name])["finished_total"] >= _counters(before[name])["finished_total"] + 1 for name in names
        )
        return answer if newer else None

    answer = until(caught_up, 60, "Prometheus to know both pods")
    after = {name: _page(pod) for name, pod in zip(names, pods, strict=True)}
    assert answer.problem is None
    assert answer.warnings == ()
    for name in names:
        sample = answer.samples[name]
        assert sample.started_seconds == before[name].started_seconds
        assert None not in (sample.running, sample.waiting)
        for counter, value in _counters(sample).items():
            assert _counters(before[name])[counter] <= value <= _counters(after[name])[counter], counter
    print(f"two pods read: {[_counters(answer.samples[name]) for name in names]}")


def test_history_is_read_back(cluster: Cluster, namespace: str, pods: list[Json]) -> None:
    def points() -> history.ReadBack | None:
        now = WallClock().now()
        read = _run(history.read(cluster.prometheus_url, namespace, LLM, now, days=1, step_seconds=10))
        assert read.problem is None
        rate = (read.points[-1].requests_per_second or 0.0) if read.points else 0.0
        return read if rate > 0.5 * STEADY["requests_per_second"] else None  # a window of a minute fills slowly

    read = until(points, 90, "history with the whole rate")
    last = read.points[-1]
    print(f"{len(read.points)} points, the last: {last}")
    assert last.requests_per_second == pytest.approx(STEADY["requests_per_second"], rel=0.5)
    assert last.prompt_tokens_per_second == pytest.approx(
        STEADY["requests_per_second"] * STEADY["prompt_tokens"], rel=0.5
    )
    other = _run(history.read(cluster.prometheus_url, namespace, replace(LLM, name="ll"), WallClock().now(), days=1))
    assert other.points == ()  # another target's name is not a prefix of this one's pods
    address = f"prometheus://{cluster.prometheus_url.removeprefix('http://')}/{namespace}/llm"

    def replayable() -> Trace | None:
        with suppress(TraceError):  # too few points yet
            return replayed.read(address, replayed.Access(days=0.1))
        return None

    trace = until(replayable, 60, "enough points to replay")
    requests_ = trace.count(0.0, trace.duration_seconds)
    print(f"{requests_:.0f} requests in {trace.duration_seconds:.0f} s to replay")
    assert 0 < requests_ <= sum(_counters(_page(pod))["finished_total"] for pod in pods)


def test_a_prometheus_that_is_away_is_a_problem_and_no_value(cluster: Cluster, namespace: str) -> None:
    url = "http://127.0.0.1:9"  # the discard port, on which nothing listens
    answer = _run(_read(url, namespace, ["llm-0"]))
    assert (answer.samples, answer.problem and answer.problem.kind) == ({}, SourceErrorKind.CONNECTION)
