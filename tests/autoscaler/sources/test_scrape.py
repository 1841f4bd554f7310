"""The scraper, against real HTTP servers that behave and that do not."""

import asyncio
import gc
import itertools
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from autoscaler.kube.objects import Key
from autoscaler.sources import vllm as vllm_pages
from autoscaler.sources.errors import SourceError, SourceErrorKind
from autoscaler.sources.scrape import TOGETHER_PODS, TURNS, Address, Scraper, turn
from autoscaler.telemetry.metrics import REGISTRY
from policies.model import PodSample
from tests.autoscaler.sources.scraping import running, until
from tests.support import http_faults as faults
from tests.support.fake_clock import FakeClock, settle
from tests.support.fake_vllm import FakeVllm, body, fake_vllm
from tests.support.http_faults import Handler

A = Key("ns", "a")
START = 1_700_000_001.0  # between two multiples of 2 s


@pytest.fixture
async def vllm() -> AsyncIterator[FakeVllm]:
    async with fake_vllm() as fake:
        yield fake


async def test_takes_a_sample_at_each_multiple_of_the_interval(vllm: FakeVllm) -> None:
    clock = FakeClock(START)
    scraper = Scraper(clock)
    reported: list[tuple[Key, float]] = []
    scraper.subscribe(lambda pod: reported.append((pod, clock.now())))
    scraper.targets(vllm.addresses("a"))
    async with running(scraper):
        await clock.advance(0.5)
        assert not vllm.asked
        for round_ in range(1, 4):
            await clock.advance(0.5 if round_ == 1 else 2.0)
            await until(lambda n=round_: len(reported) == n)  # type: ignore[misc]
    assert reported == [(A, START + 1), (A, START + 3), (A, START + 5)]
    assert scraper.latest[A].at_seconds == START + 5
    assert (scraper.latest[A].pod, scraper.latest[A].finished_total) == ("a", 10)


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    [
        (faults.hang, SourceErrorKind.TIMEOUT, "did not answer in full within 0.1 s"),
        (faults.drip, SourceErrorKind.TIMEOUT, "did not answer in full within 0.1 s"),
        (faults.reset, SourceErrorKind.CONNECTION, "Server disconnected"),
        (faults.error_500, SourceErrorKind.STATUS, "answered with 500 Internal Server Error: 'out of memory'"),
        (faults.no_text, SourceErrorKind.STATUS, "answered with 500 \ufffd[31mRed\ufffd: (no body)"),
        (faults.no_http, SourceErrorKind.CONNECTION, "/metrics: the answer is not valid HTTP (Bad status line:"),
        (faults.redirect, SourceErrorKind.STATUS, "answered with 302 Found: (no body)"),
        (faults.html, SourceErrorKind.BODY, "/metrics is an HTML page"),
        (faults.nothing, SourceErrorKind.BODY, "/metrics is empty"),
        (faults.cut, SourceErrorKind.CONNECTION, "payload is not completed"),
        (faults.huge, SourceErrorKind.BODY, "answered with more than 1048576 bytes"),
        (faults.bomb, SourceErrorKind.BODY, "answered with more than 1048576 bytes"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_a_pod_that_fails_keeps_its_last_sample(
    vllm: FakeVllm, fault: Handler, kind: SourceErrorKind, message: str
) -> None:
    clock = FakeClock(START)
    patient = fault not in {faults.hang, faults.drip}
    scraper = Scraper(clock, timeout_seconds=5.0 if patient else 0.1)
    vllm.bodies["a"] = body(running=4, waiting=9)
    scraper.targets(vllm.addresses("a"))
    errors = {"source": "vllm", "kind": kind}
    before = REGISTRY.get_sample_value("outrider_source_errors_total", errors) or 0
    async with running(scraper):
        await clock.advance(2)
        await until(lambda: A in scraper.latest)
        first = scraper.latest[A]
        vllm.faults["a"] = fault
        await clock.advance(2)
        await until(lambda: A in scraper.problems)
        assert scraper.latest == {A: first}
        assert scraper.problems[A].kind is kind
        assert message in str(scraper.problems[A])
        assert REGISTRY.get_sample_value("outrider_source_errors_total", errors) == before + 1

        del vllm.faults["a"]
        await clock.advance(2)
        await until(lambda: not scraper.problems)
        assert scraper.latest[A].at_seconds > first.at_seconds


async def test_a_fault_of_ours_costs_one_pod_a_reading_and_ends_nothing(
    vllm: FakeVllm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(text: bytes, pod: str, at_seconds: float, late_after_seconds: float | None) -> PodSample:
        if pod == "a":
            raise TypeError("not foreseen")
        return parse(text, pod, at_seconds, late_after_seconds)

    clock, parse = FakeClock(START), vllm_pages.parse
    scraper = Scraper(clock)
    scraper.targets(vllm.addresses("a", "b"))
    monkeypatch.setattr(vllm_pages, "parse", fail)
    async with running(scraper):
        await clock.advance(2)
        await until(lambda: bool(scraper.problems and scraper.latest))
        assert (list(scraper.problems), list(scraper.latest)) == ([A], [Key("ns", "b")])
        assert str(scraper.problems[A]) == "pod ns/a: its metrics could not be read (TypeError): see Outrider's log"
        monkeypatch.undo()
        await clock.advance(2)
        await until(lambda: A in scraper.latest)


async def test_refused_connections_are_reported(unused_tcp_port: int) -> None:
    clock = FakeClock(START)
    scraper = Scraper(clock)
    refusing, wrong = f"http://127.0.0.1:{unused_tcp_port}/metrics", "http://"
    scraper.targets({A: Address((refusing,)), Key("ns", "b"): Address((wrong,))})
    async with running(scraper):
        await clock.advance(2)
        await until(lambda: len(scraper.problems) == 2)
    assert {problem.kind for problem in scraper.problems.values()} == {SourceErrorKind.CONNECTION}
    assert (
        str(scraper.problems[A])
        == f"{refusing}: no connection (Connection refused); check scheme, port, path and podSelector in spec.metrics"
    )
    assert not scraper.latest


async def test_a_pod_of_two_ports_is_their_sum_or_unknown(vllm: FakeVllm) -> None:
    clock = FakeClock(START)
    scraper = Scraper(clock)
    vllm.bodies = {"rank-0": body(running=3, waiting=1), "rank-1": body(running=4, engines=2)}
    scraper.targets({A: Address((vllm.url("rank-0"), vllm.url("rank-1")))})
    async with running(scraper):
        await clock.advance(2)
        await until(lambda: A in scraper.latest)
        whole = scraper.latest[A]
        assert (whole.pod, whole.running, whole.waiting, whole.finished_total, whole.engines) == ("a", 11, 1, 30, 3)
        vllm.faults["rank-1"] = faults.error_500
        await clock.advance(2)
        await until(lambda: A in scraper.problems)
    assert scraper.latest == {A: whole}
    assert vllm.headers["Accept"].startswith("text/plain")


async def test_a_pod_that_cannot_be_reached_is_a_problem_and_not_asked(vllm: FakeVllm) -> None:
    clock = FakeClock(START)
    scraper = Scraper(clock)
    why = SourceError(SourceErrorKind.TRANSPORT, "Secret token has no key token")
    scraper.targets({A: Address((vllm.url("a"),), why)})
    async with running(scraper):
        await clock.advance(2)
        await until(lambda: A in scraper.problems)
    assert scraper.problems == {A: why}
    assert not vllm.asked


async def test_a_pod_that_hangs_delays_no_other_and_is_asked_once(vllm: FakeVllm) -> None:
    clock = FakeClock(START)
    scraper = Scraper(clock, timeout_seconds=30.0)
    vllm.faults["stuck"] = faults.hang
    scraper.targets(vllm.addresses("stuck", "a"))
    async with running(scraper):
        for at in (START + 1, START + 3, START + 5):
            await clock.advance(at - clock.now())
            await until(lambda at=at: A in scraper.latest and scraper.latest[A].at_seconds == at)  # type: ignore[misc]
    assert vllm.asked == {"stuck": 1, "a": 3}


@pytest.mark.parametrize(
    ("waiting", "fault", "pause_seconds"),
    [(3, faults.nothing, 4.0), (0, faults.nothing, 16.0), (0, faults.error_500, 4.0)],
    ids=["with load", "idle", "refused"],
)
async def test_a_pod_that_keeps_failing_is_asked_less_often_but_soon_where_it_had_load(
    vllm: FakeVllm, waiting: int, fault: Handler, pause_seconds: float
) -> None:
    clock = FakeClock(START - 1)
    scraper = Scraper(clock)
    vllm.bodies["a"] = body(running=0, waiting=waiting)
    scraper.targets(vllm.addresses("a"))
    asked: list[float] = []
    async with running(scraper):
        for turn in range(40):
            before = vllm.asked["a"]
            await clock.advance(2)
            await settle()
            await until(lambda: not scraper._reading)
            vllm.faults["a"] = fault
            asked += [clock.now()] * (vllm.asked["a"] - before)
            assert turn > 1 or len(asked) == turn + 1
    pauses = [after - before for before, after in itertools.pairwise(asked)]
    assert max(pauses) == pauses[-1] == pause_seconds


async def test_pods_that_hang_delay_no_other_of_their_namespace(vllm: FakeVllm) -> None:
    clock = FakeClock(START)
    scraper = Scraper(clock, timeout_seconds=30.0, concurrency=6)
    hanging = [f"hangs-{i}" for i in range(20)]
    vllm.faults |= dict.fromkeys(hanging, faults.error_500)
    scraper.targets(vllm.addresses(*hanging, "a"))
    async with running(scraper):
        await clock.advance(1)
        await until(lambda: len(scraper.problems) == 20 and A in scraper.latest)
        vllm.faults |= dict.fromkeys(hanging, faults.hang)
        for at in (START + 3, START + 5, START + 7):
            await clock.advance(at - clock.now())
            await until(lambda at=at: scraper.latest[A].at_seconds == at)  # type: ignore[misc]


async def test_not_more_at_once_than_the_limit(vllm: FakeVllm) -> None:
    clock = FakeClock(START)
    scraper = Scraper(clock, concurrency=3)
    pods = [f"pod-{i}" for i in range(40)]
    scraper.targets(vllm.addresses(*pods))
    async with running(scraper):
        await clock.advance(2)
        await until(lambda: len(scraper.latest) == 40)
    assert vllm.most_at_once <= 3


async def test_a_pod_that_is_gone_is_forgotten_even_while_it_is_read(vllm: FakeVllm) -> None:
    clock = FakeClock(START)
    scraper = Scraper(clock)
    release = asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        await release.wait()
        return web.Response(body=body())

    vllm.faults["b"] = slow
    scraper.targets(vllm.addresses("a", "b"))
    async with running(scraper):
        await clock.advance(2)
        await until(lambda: A in scraper.latest and vllm.asked["b"] == 1)
        scraper.targets({})
        assert not scraper.latest
        release.set()
        await until(lambda: not scraper._reading)
        assert not scraper.latest
        assert not scraper.problems


async def test_rounds_that_were_missed_are_not_made_up_for(vllm: FakeVllm) -> None:
    class Jumpy(FakeClock):
        """Oversleeps by 7 s the first time."""

        late = 7.0

        async def sleep(self, seconds: float) -> None:
            late, self.late = self.late, 0.0
            await super().sleep(seconds + late)

    clock = Jumpy(START)
    scraper = Scraper(clock)
    times: list[float] = []
    scraper.subscribe(lambda pod: times.append(clock.now()))
    scraper.targets(vllm.addresses("a"))
    async with running(scraper):
        await clock.advance(8)
        await until(lambda: len(times) == 1)
        await clock.advance(1)
        await until(lambda: len(times) == 2)
    assert times == [START + 8, START + 9]


async def test_leaves_no_connection_behind(vllm: FakeVllm, recwarn: pytest.WarningsRecorder) -> None:
    clock = FakeClock(START)
    scraper = Scraper(clock)
    scraper.targets(vllm.addresses("a", "b"))
    async with running(scraper):
        await clock.advance(2)
        await until(lambda: len(scraper.latest) == 2)
    gc.collect()
    assert not [warning for warning in recwarn if issubclass(warning.category, ResourceWarning)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("chat-7d9f8b6c5d-x2x4k", "chat-5c4d9b7f6-9zzzz"),
        ("chat-x2x4k", "chat-9zzzz"),
        ("chat-b-0", "chat-b-12345"),
        ("chat-b-0-1", "chat-b-3"),
    ],
    ids=["Deployment", "ReplicaSet", "StatefulSet", "LeaderWorkerSet"],
)
def test_the_pods_of_a_workload_have_the_same_turn(one: str, other: str) -> None:
    assert turn(Key("ns", one)) == turn(Key("ns", other))


def test_workloads_are_spread_evenly_over_the_turns() -> None:
    pods = Counter(turn(Key("ns", f"model-{i}-7d9f8b6c5d-x2x4k")) for i in range(6_400))
    assert len(pods) == TURNS
    assert max(pods.values()) < 150


async def test_many_pods_are_spread_over_the_interval_and_read_once_in_each(vllm: FakeVllm) -> None:
    clock = FakeClock(START - 1)
    scraper = Scraper(clock)
    pods = [f"m{i}-x2x4k" for i in range(TOGETHER_PODS + 1)]
    scraper.targets(vllm.addresses(*pods))
    read: dict[Key, list[float]] = {}
    scraper.subscribe(lambda pod: read.setdefault(pod, []).append(scraper.latest[pod].at_seconds))
    async with running(scraper):
        for _ in range(2 * TURNS):
            await clock.advance(2 / TURNS)
            await settle()
            await until(lambda: not scraper._reading)
        spread = Counter(at for times in read.values() for at in times[:1])
        assert len(spread) > TURNS / 2
        assert {len(times) for times in read.values()} == {2}
        assert all(times == [times[0], times[0] + 2] for times in read.values())
        await clock.advance(7.0)  # late by three intervals
        await until(lambda: len(scraper.latest) == len(pods) and not scraper._reading)
        scraper.targets(vllm.addresses(*pods[:2]))
        await clock.advance(2.0)
        await until(lambda: not scraper._reading)
    assert all(scraper.latest[pod].at_seconds % 2 == 0 for pod in scraper.latest)
