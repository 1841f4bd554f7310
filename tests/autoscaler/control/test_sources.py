"""Whether the sources beside scraping have ever answered is in the metrics: an answer, none yet, or not asked."""

from collections.abc import AsyncIterator
from typing import cast

import aiohttp
import pytest

from autoscaler.control.backfill import Backfill
from autoscaler.control.gaps import GapFiller
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.kube.objects import Key
from autoscaler.sources import history
from autoscaler.sources.errors import SourceError, SourceErrorKind
from autoscaler.sources.history import ReadBack
from autoscaler.sources.prometheus import Prometheus
from autoscaler.sources.scrape import Scraper
from autoscaler.sources.transport import FileTransport
from autoscaler.telemetry import metrics
from policies.backfill import Past
from policies.model import State
from tests.autoscaler.control.in_thread import InThread
from tests.autoscaler.kube.workloads import WORKLOAD
from tests.support import http_faults as faults
from tests.support.fake_clock import FakeClock
from tests.support.fake_prometheus import FakePrometheus, fake_prometheus

KEY = WORKLOAD.policy.name
PAST = Past(0.0, 1.0, 0.0, 1.0, 1000.0, 100.0)


class OnePod:
    """As much of a runtime as these parts ask for."""

    key, workload, state = KEY, WORKLOAD, State()

    def endpoints(self) -> dict[Key, str]:
        return {Key(WORKLOAD.namespace, "a"): "http://127.0.0.1:9"}

    def offer_filled(self, samples: object) -> None:
        pass

    def catch_up(self, *_: object) -> None:
        pass

    def offer_history_problem(self, problem: str) -> None:
        pass


RUNTIME = cast(PolicyRuntime, OnePod())


def answers(source: str) -> float | None:
    return metrics.REGISTRY.get_sample_value("outrider_source_answers_total", {"policy": KEY, "source": source})


def failures(labels: dict[str, str]) -> float:
    return metrics.REGISTRY.get_sample_value("outrider_source_errors_total", labels) or 0.0


@pytest.fixture
async def server() -> AsyncIterator[FakePrometheus]:
    metrics.forget(KEY)
    async with fake_prometheus() as fake:
        yield fake
    metrics.forget(KEY)


async def test_a_prometheus_that_never_answered_shows_until_it_does(server: FakePrometheus) -> None:
    clock = FakeClock(server.now_seconds)
    async with aiohttp.ClientSession() as session:
        part = GapFiller(Scraper(clock), Prometheus(server.url, session, clock), clock)
        for fault, expected in ((faults.error_500, 0), (faults.html, 0), (None, 1), (faults.error_500, 1)):
            server.fault = fault
            await part.run(RUNTIME)
            assert answers("prometheus") == expected


@pytest.mark.parametrize(
    ("past", "expected"),
    [
        (ReadBack(()), 1),  # it answered that there is nothing
        (ReadBack((), problem=SourceError(SourceErrorKind.STATUS, "503")), 0),
        (ReadBack((PAST,), problem=SourceError(SourceErrorKind.TIMEOUT, "too slow")), 1),
    ],
)
async def test_a_history_that_was_never_read_shows(
    server: FakePrometheus, monkeypatch: pytest.MonkeyPatch, past: ReadBack, expected: int
) -> None:
    async def read(*_: object, **__: object) -> ReadBack:
        return past

    monkeypatch.setattr(history, "read", read)
    failed = {"source": "history", "kind": past.problem.kind} if past.problem else {}
    before = failures(failed)
    for url in (server.url, None):
        await Backfill(url, FakeClock(), FileTransport(), [InThread()]).run(RUNTIME)
        assert answers("history") == expected
    assert failures(failed) == before + bool(past.problem)
