"""Instant queries, against a real HTTP server that answers as Prometheus does, and as it should not."""

import math
from collections.abc import AsyncIterator

import aiohttp
import pytest
import structlog

from autoscaler.sources.errors import SourceErrorKind
from autoscaler.sources.families import STARTED, SUMMED
from autoscaler.sources.prometheus import Prometheus, instant_query
from autoscaler.telemetry.metrics import REGISTRY
from policies.model import PodSample
from tests.support import http_faults as faults
from tests.support.fake_clock import FakeClock
from tests.support.fake_prometheus import FakePrometheus, fake_prometheus
from tests.support.http_faults import Handler, answers

RUNNING, WAITING = "vllm:num_requests_running", "vllm:num_requests_waiting"


@pytest.fixture
async def server() -> AsyncIterator[FakePrometheus]:
    async with fake_prometheus() as fake:
        yield fake


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def clock(server: FakePrometheus) -> FakeClock:
    return FakeClock(server.now_seconds)


@pytest.fixture
def prometheus(server: FakePrometheus, session: aiohttp.ClientSession, clock: FakeClock) -> Prometheus:
    return Prometheus(server.url, session, clock)


async def test_a_whole_pod(server: FakePrometheus, prometheus: Prometheus) -> None:
    for family in SUMMED.values():
        server.add("a", family, "3", engine="0", instance="i")
        server.add("a", family, "4", engine="1", instance="i")
    server.add("a", "vllm:engine_sleep_state", "0", engine="0", instance="i", sleep_state="awake")
    server.add("a", "vllm:engine_sleep_state", "1", engine="0", instance="i", sleep_state="weights_offloaded")
    server.add("a", "vllm:engine_sleep_state", "0", engine="1", instance="i", sleep_state="awake")
    server.add("a", STARTED, "1.6e9", instance="i")
    assert await prometheus.samples("ns", ["a"]) == {
        "a": PodSample(
            "a", server.now_seconds, started_seconds=1.6e9, engines=2.0, asleep=True, **dict.fromkeys(SUMMED, 7.0)
        )
    }


async def test_what_a_scrape_adds_makes_no_other_series(server: FakePrometheus, prometheus: Prometheus) -> None:
    """Two jobs, a highly available pair, and a label that has just changed."""
    scrapes: list[dict[str, str]] = [
        {"job": "vllm", "instance": "10.0.0.1:8000"},
        {"job": "podmonitor/llm/vllm", "instance": "10.0.0.1:8000", "container": "vllm"},
        {"job": "vllm", "instance": "10.0.0.1:8000", "version": "2", "prometheus_replica": "b"},
    ]
    for scrape in scrapes:
        for family in SUMMED.values():
            for engine in ("0", "1"):
                server.add("a", family, "3", engine=engine, model_name="m", **scrape)
    assert await prometheus.samples("ns", ["a"]) == {
        "a": PodSample("a", server.now_seconds, None, engines=2.0, asleep=False, **dict.fromkeys(SUMMED, 6.0))
    }


async def test_only_the_pods_that_it_knows(server: FakePrometheus, prometheus: Prometheus) -> None:
    server.add("a", RUNNING, "1", engine="0")
    server.add("c", RUNNING, "1", engine="0")
    server.add("axb", RUNNING, "1", engine="0")
    assert set(await prometheus.samples("ns", ["a", "b", "a.b"])) == {"a"}
    assert set(await prometheus.samples("ns", ["c"])) == {"c"}
    assert await prometheus.samples("other", ["a"]) == {}
    assert await prometheus.samples("ns", []) == {}


async def test_a_pod_without_vllm_families_has_no_sample(server: FakePrometheus, prometheus: Prometheus) -> None:
    server.add("a", STARTED, "1.6e9", instance="i")
    assert await prometheus.samples("ns", ["a"]) == {}


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1"])
async def test_what_is_no_count_is_unknown(server: FakePrometheus, prometheus: Prometheus, value: str) -> None:
    server.add("a", RUNNING, "2", engine="0")
    server.add("a", RUNNING, value, engine="1")
    server.add("a", WAITING, "5", engine="0")
    server.add("a", WAITING, "5", engine="1")
    sample = (await prometheus.samples("ns", ["a"]))["a"]
    assert (sample.running, sample.waiting) == (None, 10)


async def test_a_pod_that_is_scraped_by_two_jobs_counts_once(server: FakePrometheus, prometheus: Prometheus) -> None:
    for job, waiting in (("vllm", "40"), ("podmonitor", "42")):
        server.add("a", WAITING, waiting, engine="0", job=job, instance=f"{job}:8000")
        server.add("a", "vllm:request_success_total", "5", engine="0", job=job, finished_reason="stop")
        server.add("a", "vllm:request_success_total", "2", engine="0", job=job, finished_reason="length")
    sample = (await prometheus.samples("ns", ["a"]))["a"]
    assert (sample.waiting, sample.finished_total) == (42, 7)


async def test_a_sidecar_does_not_say_when_vllm_started(server: FakePrometheus, prometheus: Prometheus) -> None:
    server.add("a", RUNNING, "1", engine="0", instance="10.0.0.1:8000")
    server.add("a", STARTED, "5", instance="10.0.0.1:8000")
    server.add("a", STARTED, "9", instance="10.0.0.1:15090")
    assert (await prometheus.samples("ns", ["a"]))["a"].started_seconds == 5


async def test_a_stale_value_keeps_its_age_and_the_future_is_now(
    server: FakePrometheus, prometheus: Prometheus, clock: FakeClock
) -> None:
    server.add("a", RUNNING, "0", engine="0")
    server.now_seconds -= 200
    assert (await prometheus.samples("ns", ["a"]))["a"].at_seconds == clock.now() - 200
    server.now_seconds += 500
    assert (await prometheus.samples("ns", ["a"]))["a"].at_seconds == clock.now()
    assert server.asked[0]["lookback_delta"] == "120s"


async def test_numbers_that_stand_still_at_work_are_not_new(
    server: FakePrometheus, prometheus: Prometheus, clock: FakeClock
) -> None:
    async def read_later() -> PodSample:
        await clock.advance(15)
        server.now_seconds += 15
        return (await prometheus.samples("ns", ["a"]))["a"]

    server.add("a", RUNNING, "1", engine="0")
    server.add("a", "vllm:generation_tokens_total", "9", engine="0")
    first = await read_later()
    assert await read_later() == first
    assert (await prometheus.samples("other", ["a"])) == {}
    server.series[1] = (server.series[1][0], "12")
    moved = await read_later()
    assert (moved.at_seconds, moved.generation_tokens_total) == (first.at_seconds + 30, 12)

    server.series[0] = (server.series[0][0], "0")  # an idle pod's numbers stand still by right
    await read_later()
    assert (await read_later()).at_seconds == clock.now()


async def test_a_warning_leaves_the_gauges_only(server: FakePrometheus, prometheus: Prometheus) -> None:
    server.add("a", RUNNING, "1", engine="0", instance="i")
    server.add("a", "vllm:generation_tokens_total", "9", engine="0", instance="i")
    server.add("a", STARTED, "1.6e9", instance="i")
    server.warnings = ["store 10.0.0.7 is not available"]
    answer = await prometheus.read("ns", ["a"])
    assert answer.samples == {"a": PodSample("a", server.now_seconds, started_seconds=None, running=1)}
    assert answer.warnings == ("store 10.0.0.7 is not available",)
    assert answer.problem is None
    assert await prometheus.samples("ns", ["a"]) == answer.samples


async def test_warnings_are_bounded(server: FakePrometheus, prometheus: Prometheus) -> None:
    server.warnings = [f"{number} {'x' * 5_000}" for number in range(100)]
    assert [len(warning) for warning in (await prometheus.read("ns", ["a"])).warnings] == [400] * 10


async def test_many_pods_take_several_queries(server: FakePrometheus, prometheus: Prometheus) -> None:
    pods = [f"a-rather-long-deployment-name-7c9f8d6b5-{i:05}" for i in range(200)]
    for pod in pods:
        server.add(pod, RUNNING, "1", engine="0")
    assert set(await prometheus.samples("ns", pods)) == set(pods)
    assert len(server.asked) == 10
    server.asked.clear()
    server.fault, server.fault_after = faults.error_500, 1
    answer = await prometheus.read("ns", pods)
    assert 0 < len(answer.samples) < 200
    assert answer.problem


def _vector(*elements: object) -> Handler:
    return answers({"status": "success", "data": {"resultType": "vector", "result": list(elements)}})


BAD = {
    "hang": (faults.hang, SourceErrorKind.TIMEOUT, "did not answer in full within 0.1 s"),
    "drip": (faults.drip, SourceErrorKind.TIMEOUT, "did not answer in full within 0.1 s"),
    "reset": (faults.reset, SourceErrorKind.CONNECTION, "Server disconnected"),
    "500": (faults.error_500, SourceErrorKind.STATUS, "answered with 500 Internal Server Error: 'out of memory'"),
    "redirect": (faults.redirect, SourceErrorKind.STATUS, "answered with 302 Found"),
    "html": (faults.html, SourceErrorKind.BODY, "is not Prometheus: it answered with '<!DOCTYPE html>"),
    "nothing": (faults.nothing, SourceErrorKind.BODY, "is not Prometheus: it answered with (no body)"),
    "huge": (faults.huge, SourceErrorKind.BODY, "answered with more than 4194304 bytes"),
    "bomb": (faults.bomb, SourceErrorKind.BODY, "answered with more than 4194304 bytes"),
    "cut": (faults.cut, SourceErrorKind.CONNECTION, "payload is not completed"),
    "null": (answers(None), SourceErrorKind.BODY, "is not Prometheus: it answered with 'null'"),
    "list": (answers([1]), SourceErrorKind.BODY, "is not Prometheus"),
    "no data": (answers({"status": "success"}), SourceErrorKind.BODY, "is not Prometheus"),
    "error": (answers({"status": "error", "error": "too many samples"}), SourceErrorKind.QUERY, "too many samples"),
    "scalar": (
        answers({"status": "success", "data": {"resultType": "scalar", "result": [1, "2"]}}),
        SourceErrorKind.BODY,
        "answered with a scalar instead of a vector",
    ),
    "no value": (
        _vector({"metric": {"__name__": RUNNING, "pod": "a"}}),
        SourceErrorKind.BODY,
        "an element that is not a sample",
    ),
    "no time": (
        _vector({"metric": {"__name__": RUNNING, "pod": "a"}, "value": [-math.inf, "1"]}),
        SourceErrorKind.BODY,
        "an element that is not a sample",
    ),
    "text": (
        _vector({"metric": {"__name__": RUNNING, "pod": "a"}, "value": [1, "many"]}),
        SourceErrorKind.BODY,
        "an element that is not a sample: {'metric'",
    ),
}


@pytest.mark.parametrize(("fault", "kind", "message"), BAD.values(), ids=BAD)
async def test_a_bad_prometheus_leaves_everything_unknown(
    server: FakePrometheus,
    session: aiohttp.ClientSession,
    clock: FakeClock,
    fault: Handler,
    kind: SourceErrorKind,
    message: str,
) -> None:
    server.fault = fault
    errors = {"source": "prometheus", "kind": kind}
    before = REGISTRY.get_sample_value("outrider_source_errors_total", errors) or 0
    prometheus = Prometheus(server.url, session, clock, timeout_seconds=0.1 if kind is SourceErrorKind.TIMEOUT else 5.0)
    assert await prometheus.samples("ns", ["a"]) == {}
    assert REGISTRY.get_sample_value("outrider_source_errors_total", errors) == before + 1
    problem = (await prometheus.read("ns", ["a"])).problem
    assert problem
    assert problem.kind is kind
    assert message in str(problem)


async def test_a_problem_is_logged_when_it_changes(server: FakePrometheus, prometheus: Prometheus) -> None:
    with structlog.testing.capture_logs() as logs:
        for fault in (None, faults.error_500, faults.error_500, faults.html, None, None):
            server.fault = fault
            await prometheus.samples("ns", ["a"])
    assert [(log["event"], log.get("kind")) for log in logs] == [
        ("prometheus.failed", "status"),
        ("prometheus.failed", "body"),
        ("prometheus.recovered", None),
    ]


async def test_secrets_in_the_url_are_masked(
    server: FakePrometheus, session: aiohttp.ClientSession, clock: FakeClock, unused_tcp_port: int
) -> None:
    server.fault = faults.html
    problem = (await Prometheus(server.url.replace("//", "//me:s3cret@"), session, clock).read("ns", ["a"])).problem
    assert problem
    assert problem.kind is SourceErrorKind.BODY
    assert "s3cret" not in str(problem)
    prometheus = Prometheus(f"http://me:s3cret@127.0.0.1:{unused_tcp_port}/prom/", session, clock)
    problem = (await prometheus.read("ns", ["a"])).problem
    assert problem
    assert problem.kind is SourceErrorKind.CONNECTION
    assert "s3cret" not in str(problem)
    assert f"127.0.0.1:{unused_tcp_port}/prom/api/v1/query" in str(problem)


def test_the_query_is_the_one_that_is_documented() -> None:
    query = instant_query("ns", ["a-1", "b.2"])
    assert query.startswith('{__name__=~"vllm:num_requests_running|vllm:num_requests_waiting|')
    assert query.endswith(r'|process_start_time_seconds",namespace="ns",pod=~"a-1|b\\.2"}')
