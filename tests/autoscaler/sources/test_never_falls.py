"""A source that fails never lowers the replica count: bad servers, the real readers, and the real core.

Two of them take a second and a half: the deadline of a read is wall time, 20 ms at each of 60 ticks.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace

import aiohttp
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from autoscaler.kube.objects import Key
from autoscaler.sources.errors import SourceError
from autoscaler.sources.prometheus import Prometheus
from autoscaler.sources.scrape import Scraper
from autoscaler.sources.vllm import parse
from forecasting.forecaster import Forecaster
from policies.decider import Decider
from policies.model import Inputs, PodSample
from tests.autoscaler.sources.scraping import running, until
from tests.support import http_faults as faults
from tests.support.fake_clock import FakeClock
from tests.support.fake_prometheus import FakePrometheus, fake_prometheus
from tests.support.fake_vllm import body, fake_vllm
from tests.support.http_faults import Handler, answers
from tests.support.worlds import COLD_START, START, TICK, a_policy, a_supply

BUSY_TICKS = 8
BAD_TICKS = 60  # 15 min: four times the hold


def busy(tick: int) -> bytes:
    """A replica that finishes a request a second while 60 wait."""
    return body(running=30, waiting=60, done=1000 + TICK * tick)


def damaged(page: bytes, damage: str, cut: float = 0.0) -> bytes:
    """A page as an engine shows it that cannot be relied on. `cut`: the share that comes through."""
    match damage:
        case "nan":
            return page.replace(b"} 30.0", b"} NaN").replace(b"} 60.0", b"} NaN")
        case "absent":
            return b"".join(line for line in page.splitlines(keepends=True) if b"num_requests" not in line)
        case "asleep":
            return page.replace(b'"awake"} 1.0', b'"awake"} 0.0')
        case "cut":
            return page[: int(cut * len(page))]
    return page


BUSY = busy(BUSY_TICKS)
IDLE = body(done=1000 + TICK * BUSY_TICKS + 90)
FAULTS: dict[str, Handler] = {
    "hang": faults.hang,
    "drip": faults.drip,
    "reset": faults.reset,
    "error": faults.error_500,
    "html": faults.html,
    "nothing": faults.nothing,
    "cut": faults.cut,
}
BODIES = {
    "nan": damaged(BUSY, "nan"),
    "absent": damaged(IDLE, "absent"),
    "asleep": damaged(IDLE, "asleep"),
    "truncated": IDLE[:-200],
}


class Workload:
    """One replica, so its pod's metrics are all that is known of the workload."""

    def __init__(self) -> None:
        self.decider = Decider(a_policy(), Forecaster())
        self.desired: list[int] = []

    def decide(self, now_seconds: float, sample: PodSample | None) -> None:
        samples = () if sample is None else (replace(sample, pod="qwen-0"),)
        inputs = Inputs(
            now_seconds=now_seconds, on_grid=True, samples=samples, supply=a_supply(1), cold_start=COLD_START
        )
        decision = self.decider.decide(inputs)
        assert decision is not None
        plan = decision[1].plan
        assert plan
        self.desired.append(plan.desired_replicas)


def test_what_is_known_to_be_idle_falls_in_that_time() -> None:
    workload = Workload()
    for tick in range(BUSY_TICKS + BAD_TICKS):
        now = START + tick * TICK
        workload.decide(now, parse(busy(tick) if tick < BUSY_TICKS else IDLE, "qwen-0", now))
    assert workload.desired[-1] < workload.desired[BUSY_TICKS - 1]


DAMAGES = st.sampled_from(["none", "none", "silent", "nan", "absent", "asleep", "cut"])


@given(st.lists(st.tuples(DAMAGES, st.floats(0, 1, exclude_max=True)), max_size=BAD_TICKS))
def test_in_any_order_of_good_and_bad_readings_nothing_falls_on_a_bad_one(readings: list[tuple[str, float]]) -> None:
    """Nor, as the load stays the same, below what good readings alone would lead to."""
    workload, sample, least = Workload(), None, 3
    for tick, (damage, cut) in enumerate([("none", 0.0)] * BUSY_TICKS + readings):
        now = START + tick * TICK
        if damage != "silent":
            with contextlib.suppress(SourceError):
                sample = parse(damaged(busy(tick), damage, cut), "qwen-0", now)
        workload.decide(now, sample)
        assert workload.desired[-1] >= (least if damage == "none" else max([least, *workload.desired[-2:-1]]))


async def test_pods_that_cannot_be_read() -> None:
    clock = FakeClock(START)
    names = [*FAULTS, *BODIES]
    workloads = {name: Workload() for name in names}
    latest: dict[Key, PodSample] = {}

    async def run(ticks: int, timeout_seconds: float, bodies: Callable[[str, int], bytes]) -> None:
        scraper = Scraper(clock, interval_seconds=TICK, timeout_seconds=timeout_seconds)
        scraper.targets(vllm.addresses(*names))
        scraper.latest.update(latest)
        async with running(scraper):
            await clock.advance(0)
            for tick in range(ticks):
                vllm.bodies = {name: bodies(name, tick) for name in names}
                await clock.advance(TICK)
                await until(lambda: not scraper._reading)
                for name, workload in workloads.items():
                    workload.decide(clock.now(), scraper.latest.get(Key("ns", name)))
        latest.update(scraper.latest)

    async with fake_vllm() as vllm:
        await run(BUSY_TICKS, 5.0, lambda _name, tick: busy(tick))
        assert all(workload.desired[-1] > 1 for workload in workloads.values())
        vllm.faults.update(FAULTS)
        await run(BAD_TICKS, 0.02, lambda name, _tick: BODIES.get(name, IDLE))

    assert {
        name: workload.desired for name, workload in workloads.items() if workload.desired != sorted(workload.desired)
    } == {}


def scraped(text: bytes) -> list[tuple[dict[str, str], str]]:
    """A body's series as Prometheus has them."""
    target = {"namespace": "ns", "pod": "qwen-0", "instance": "10.0.0.1:8000"}
    return [
        ({"__name__": series.name, **series.labels, **target}, str(series.value))
        for family in text_string_to_metric_families(text.decode())
        for series in family.samples
    ]


def refuse(server: FakePrometheus) -> None:
    server.fault = answers({"status": "error", "error": "query timed out"})


def send_nan(server: FakePrometheus) -> None:
    server.series = [(labels, "NaN") for labels, _ in scraped(IDLE)]


def know_nothing(server: FakePrometheus) -> None:
    server.series = []


def lack_families(server: FakePrometheus) -> None:
    server.series = scraped(IDLE)[:2]


def warn(server: FakePrometheus) -> None:
    server.series, server.warnings = scraped(IDLE), ["a store is not available"]


def stand_still(server: FakePrometheus) -> None:
    server.now_seconds = START + TICK * BUSY_TICKS


class Moment:
    """A clock on which nothing may sleep."""

    at_seconds = START

    def now(self) -> float:
        return self.at_seconds

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("something sleeps")


WAYS: tuple[Callable[..., object], ...] = (
    refuse,
    send_nan,
    know_nothing,
    lack_families,
    warn,
    stand_still,
    *FAULTS.values(),
)


async def test_a_prometheus_that_cannot_be_read() -> None:
    async def live(session: aiohttp.ClientSession, way: Callable[..., object]) -> list[int]:
        workload, clock, sample = Workload(), Moment(), None
        async with fake_prometheus() as server:
            patient = Prometheus(server.url, session, clock)
            hasty = Prometheus(server.url, session, clock, timeout_seconds=0.02)
            for tick in range(BUSY_TICKS + BAD_TICKS):
                clock.at_seconds += TICK
                if tick < BUSY_TICKS:
                    server.now_seconds, server.series = clock.now(), scraped(busy(tick))
                elif way in FAULTS.values():
                    server.fault = way  # type: ignore[assignment]
                else:
                    way(server)
                prometheus = patient if tick < BUSY_TICKS else hasty
                sample = (await prometheus.samples("ns", ["qwen-0"])).get("qwen-0", sample)
                workload.decide(clock.now(), sample)
        assert workload.desired[BUSY_TICKS - 1] > 1
        return workload.desired

    async with aiohttp.ClientSession() as session:
        lives = await asyncio.gather(*(live(session, way) for way in WAYS))
    assert [way.__name__ for way, desired in zip(WAYS, lives, strict=True) if desired != sorted(desired)] == []
