"""Prometheus beside scraping: asked for what is missing, tried once where nothing is, and reported where it never answers."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from autoscaler.kube.client import Kube
from autoscaler.sources.prometheus import Prometheus
from tests.autoscaler.control.controller import Controller, a_controller, spec
from tests.support.fake_api import FakeApi
from tests.support.fake_clock import FakeClock
from tests.support.fake_prometheus import FakePrometheus, fake_prometheus
from tests.support.http_faults import error_500


@pytest.fixture
async def server() -> AsyncIterator[FakePrometheus]:
    async with fake_prometheus() as fake:
        yield fake


@pytest.fixture
async def prometheus(server: FakePrometheus) -> AsyncIterator[Prometheus]:
    async with aiohttp.ClientSession() as session:
        yield Prometheus(server.url, session, FakeClock(server.now_seconds), 5.0)


async def start(controller: Controller, **metrics: object) -> None:
    await controller.target("a", 1)
    await controller.policy("a", spec("a", metrics=metrics))
    await controller.decided("a")


def condition(controller: Controller) -> str:
    found = [each for each in controller.status("a").get("conditions", ()) if each["type"] == "MetricsRead"]
    return next((each["message"] for each in found), "")


async def test_one_that_never_answered_is_reported_though_all_pods_are_scraped(
    api: FakeApi, kube: Kube, server: FakePrometheus, prometheus: Prometheus
) -> None:
    server.fault = error_500
    async with a_controller(api, kube, prometheus=prometheus) as controller:
        await start(controller)
        began = controller.clock.now()

        def reported(text: str) -> bool:
            controller.sample("a-0", running=1.0)
            return text in condition(controller)

        await controller.until(lambda: reported("Prometheus has not answered since the start: "))
        assert controller.clock.now() - began < 120.0
        assert "answered with 500 Internal Server Error" in condition(controller)
        server.fault = None
        await controller.until(lambda: reported("The metrics of the ready pod are read."))
        asked = len(server.asked)
        later = controller.clock.now() + 60.0
        await controller.until(lambda: reported("") and controller.clock.now() > later)
        assert len(server.asked) == asked  # no pod is missing, and it is known to work


async def test_two_ports_that_look_like_one_fill_no_gap(
    api: FakeApi, kube: Kube, server: FakePrometheus, prometheus: Prometheus
) -> None:
    for family in ("vllm:num_requests_running", "vllm:num_requests_waiting"):
        server.add("a-0", family, "3", engine="0", instance="127.0.0.1:8000")
        server.add("a-0", family, "3", engine="0", instance="127.0.0.1:8001")
    async with a_controller(api, kube, prometheus=prometheus) as controller:
        await start(controller, ports=[8000, 8001])
        await controller.until(lambda: prometheus.has_answered)
        await controller.clock.advance(30.0)
        assert not controller.runtime("a").filled
        for family in ("vllm:num_requests_running", "vllm:num_requests_waiting"):
            server.add("a-0", family, "4", engine="1", instance="127.0.0.1:8001")
        await controller.until(lambda: controller.runtime("a").filled)
        assert controller.runtime("a").filled["a-0"].running == 7
