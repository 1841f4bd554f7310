"""History read back at start, by the library, from a real HTTP server."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from autoscaler.sources import history
from autoscaler.sources.errors import SourceErrorKind
from crds.workload import Target
from policies.backfill import Past
from tests.support import http_faults as faults
from tests.support.fake_prometheus import FakePrometheus, fake_prometheus
from tests.support.http_faults import Handler, answers

NOW = 1_700_000_012.5  # the last whole minute is 12.5 s + 20 s before
END = 1_699_999_980.0
DAY = 86_400
LLAMA = Target("apps/v1", "Deployment", "llama")
PODS = '{namespace="ns",pod=~"llama-[bcdfghjklmnpqrstvwxz2456789]{5,10}-[bcdfghjklmnpqrstvwxz2456789]{5}"}'


@pytest.fixture
async def server() -> AsyncIterator[FakePrometheus]:
    async with fake_prometheus() as fake:
        fake.past = {
            "vllm:num_requests_running": lambda at: "4",
            "vllm:num_requests_waiting": lambda at: str((at / 60) % 7),
            "vllm:request_success_total": lambda at: "0.5",
            "vllm:prompt_tokens_total": lambda at: "1.5e3",
            "vllm:generation_tokens_total": lambda at: "300",
        }
        yield fake


async def test_seven_days_without_seams(server: FakePrometheus) -> None:
    read = await history.read(server.url, "ns", LLAMA, NOW)
    assert read.problem is None
    assert len(read.points) == 7 * 1440
    assert read.points[-1] == Past(END, 4, (END / 60) % 7, 0.5, 1500, 300)
    assert {b.at_seconds - a.at_seconds for a, b in pairwise(read.points)} == {60}
    assert len(server.asked) == 7 * 6
    assert [asked["query"] for asked in server.asked[:4]] == [
        f"max(count_over_time(vllm:request_success_total{PODS}[600s]))",
        f"sum(max by (pod, engine, model_name) (vllm:num_requests_running{PODS}))",
        f"sum(max by (pod, engine, model_name) (vllm:num_requests_waiting{PODS}))",
        f"sum(max by (pod, engine, model_name, finished_reason) (rate(vllm:request_success_total{PODS}[60s])))",
    ]


@pytest.mark.parametrize(
    ("scrape_seconds", "window_seconds"), [(1, 60), (15, 60), (24, 60), (30, 63), (60, 126), (120, 252), (300, 630)]
)
async def test_a_rate_covers_two_scrapes(server: FakePrometheus, scrape_seconds: float, window_seconds: int) -> None:
    """Prometheus' default interval is a minute, in which a rate over a minute is always empty."""
    server.scrape_seconds = scrape_seconds
    read = await history.read(server.url, "ns", LLAMA, NOW, days=1)
    assert f"[{window_seconds}s]" in server.asked[3]["query"]
    assert read.points[-1] == Past(END, 4, (END / 60) % 7, 0.5, 1500, 300)


@pytest.mark.parametrize(
    ("counts", "window_seconds"),
    [
        ([], 60),
        ([40.0] * 144, 60),
        ([1.0, 3.0, 6.0] + [10.0] * 140, 126),  # pods were new
        ([40.0] * 72 + [10.0] * 72, 126),  # the interval was changed
        ([1.0] * 144, 1260),
    ],
)
def test_the_interval_is_that_of_most_of_the_day(counts: list[float], window_seconds: float) -> None:
    assert history.window_seconds(dict(enumerate(counts))) == window_seconds


async def test_what_is_not_known_is_none(server: FakePrometheus) -> None:
    server.past = {
        "vllm:num_requests_running": lambda at: None if END - 600 < at <= END - 300 else "2",
        "vllm:num_requests_waiting": lambda at: {END: "NaN", END - 60: "+Inf", END - 120: "-1"}.get(at, "3"),
    }
    points = {point.at_seconds: point for point in (await history.read(server.url, "ns", LLAMA, NOW, days=1)).points}
    assert points[END] == Past(END, 2, None, None, None, None)
    assert points[END - 60].waiting is points[END - 120].waiting is None
    assert points[END - 300] == Past(END - 300, None, 3, None, None, None)


async def test_a_workload_without_a_past(server: FakePrometheus) -> None:
    server.past = {}
    read = await history.read(server.url, "ns", LLAMA, NOW)
    assert (read.points, read.problem) == ((), None)


async def test_warnings_are_kept(server: FakePrometheus) -> None:
    server.warnings = ["store 10.0.0.7 is not available"]
    read = await history.read(server.url, "ns", LLAMA, NOW, days=2)
    assert read.warnings == ("store 10.0.0.7 is not available",)
    assert len(read.points) == 2 * 1440


async def test_days_before_a_failure_are_kept(server: FakePrometheus) -> None:
    server.fault, server.fault_after = faults.error_500, 14
    read = await history.read(server.url, "ns", LLAMA, NOW)
    assert len(read.points) == 2 * 1440
    assert read.points[-1].at_seconds == END
    assert read.problem


def _matrix(*series: object) -> Handler:
    return answers({"status": "success", "data": {"resultType": "matrix", "result": list(series)}})


BAD = {
    "hang": (faults.hang, SourceErrorKind.TIMEOUT, "within 0.1 s"),
    "drip": (faults.drip, SourceErrorKind.TIMEOUT, "did not return 7 days of history within 0.1 s"),
    "reset": (faults.reset, SourceErrorKind.CONNECTION, "Remote end closed"),
    "500": (faults.error_500, SourceErrorKind.STATUS, "out of memory"),
    "redirect": (faults.redirect, SourceErrorKind.CONNECTION, "Exceeded 0 redirects"),
    "html": (faults.html, SourceErrorKind.BODY, "is not Prometheus: it answered with '<!DOCTYPE html>"),
    "nothing": (faults.nothing, SourceErrorKind.BODY, "is not Prometheus: it answered with (no body)"),
    "cut": (faults.cut, SourceErrorKind.CONNECTION, ""),
    "null": (answers(None), SourceErrorKind.BODY, "its answer to query_range cannot be parsed: TypeError"),
    "list": (answers([1]), SourceErrorKind.BODY, "its answer to query_range cannot be parsed: TypeError"),
    "no data": (answers({"status": "success"}), SourceErrorKind.BODY, "cannot be parsed: KeyError('data')"),
    "two series": (_matrix({"values": []}, {"values": []}), SourceErrorKind.BODY, "2 series instead of one"),
    "text": (_matrix({"values": [[1, "many"]]}), SourceErrorKind.BODY, "could not convert"),
}


@pytest.mark.parametrize(("fault", "kind", "message"), BAD.values(), ids=BAD)
async def test_a_bad_prometheus_gives_no_history_and_says_why(
    server: FakePrometheus, fault: Handler, kind: SourceErrorKind, message: str
) -> None:
    server.fault = fault
    timeout_seconds = 0.1 if kind is SourceErrorKind.TIMEOUT else 10.0
    async with asyncio.timeout(5):  # the deadline holds, and nothing is tried again
        read = await history.read(server.url, "ns", LLAMA, NOW, timeout_seconds=timeout_seconds)
    assert read.points == ()
    assert read.problem
    assert read.problem.kind is kind
    assert message in str(read.problem)
    assert len(server.asked) == 1


async def test_no_server_there(unused_tcp_port: int) -> None:
    url = f"http://me:s3cret@127.0.0.1:{unused_tcp_port}"
    read = await history.read(url, "ns", LLAMA, NOW)
    assert read.problem
    assert read.problem.kind is SourceErrorKind.CONNECTION
    assert "s3cret" not in str(read.problem)


async def test_the_loop_turns_while_history_is_read(server: FakePrometheus) -> None:
    """0.3 s: seven days of history take that."""
    reading = asyncio.create_task(history.read(server.url, "ns", LLAMA, NOW))
    turns = 0
    while not reading.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert turns > 20
