"""Histories are read one after the other, and taken while decisions are made."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import pytest

from autoscaler.kube.client import Kube
from autoscaler.records.store import Loaded
from autoscaler.sources.past import Question
from autoscaler.telemetry.metrics import REGISTRY
from policies.model import Decided, Filters, State
from tests.autoscaler.control.controller import Controller, a_controller, spec
from tests.autoscaler.control.in_thread import InThread
from tests.support.fake_api import FakeApi
from tests.support.fake_prometheus import FakePrometheus, fake_prometheus

T = TypeVar("T")
BUSY = {
    "vllm:num_requests_waiting": "0",
    "vllm:request_success_total": "40",
    "vllm:prompt_tokens_total": "40000",
    "vllm:generation_tokens_total": "8000",
}


class Gate(InThread):
    """Opens when a test says so; then it reads, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.opened = asyncio.Event()
        self.asked: list[str] = []
        self._error = error

    async def run(self, timeout_seconds: float, function: Callable[..., T], *arguments: object) -> T:
        (question,) = arguments
        assert isinstance(question, Question)
        self.asked.append(question.target.name)
        await self.opened.wait()
        if self._error:
            raise self._error
        return await super().run(timeout_seconds, function, *arguments)


def busy(server: FakePrometheus, now_seconds: float) -> None:
    """A week of the same demand, up to now."""
    server.past |= {family: partial(_always, value) for family, value in BUSY.items()}
    server.now_seconds = now_seconds


def _always(value: str, _at: float) -> str:
    return value


def level(controller: Controller, name: str) -> float | None:
    return controller.runtime(name).state.filters.level


async def test_decisions_begin_with_what_runs_and_the_level_comes_with_the_history(api: FakeApi, kube: Kube) -> None:
    async with fake_prometheus() as server:
        gate = Gate()
        async with a_controller(api, kube, history_url=server.url, processes=[gate]) as controller:
            busy(server, controller.clock.now())
            await controller.target("a", 3)
            await controller.policy("a", spec("a"))
            await controller.decided("a")
            assert (controller.desired("a"), level(controller, "a")) == (3, None)
            gate.opened.set()
            await controller.until(lambda: level(controller, "a"))
            await controller.decided("a")
            assert (controller.desired("a") or 0) > 3
    assert gate.closed


async def test_a_saved_level_is_raised_by_a_late_history_and_never_lowered(api: FakeApi, kube: Kube) -> None:
    async with fake_prometheus() as server:
        gate = Gate()
        saved = {
            f"ns/{name}": State(Filters(level=each), decided=Decided(replicas=3))
            for name, each in (("a", 0.5), ("b", 90.0))
        }
        async with a_controller(
            api, kube, loaded=Loaded(saved), history_url=server.url, processes=[gate]
        ) as controller:
            busy(server, controller.clock.now())
            for name in ("a", "b"):
                await controller.target(name, 3)
                await controller.policy(name, spec(name))
            await controller.decided("b")
            before = {name: level(controller, name) for name in ("a", "b")}
            assert before == {"a": 0.5, "b": 90.0}
            gate.opened.set()
            await controller.until(lambda: gate.closed)
            assert (level(controller, "a") or 0.0) > 1.0
            assert level(controller, "b") == 90.0


async def test_policies_of_which_nothing_was_saved_come_first(api: FakeApi, kube: Kube) -> None:
    async with fake_prometheus() as server:
        gate = Gate()
        saved = {f"ns/{name}": State(Filters(level=1.0)) for name in ("a", "b")}
        async with a_controller(
            api, kube, loaded=Loaded(saved), history_url=server.url, processes=[gate]
        ) as controller:
            for name in ("a", "b", "c", "d"):
                await controller.target(name, 1)
                await controller.policy(name, spec(name))
            for name in ("a", "b", "c", "d"):
                await controller.decided(name)
            gate.opened.set()
            await controller.until(lambda: gate.closed)
    assert len(gate.asked) == 4
    # The first found nobody waiting, whichever it was.
    assert [f"ns/{name}" in saved for name in gate.asked[1:]] in ([False, False, True], [False, True, True])


@pytest.mark.parametrize(
    ("error", "why"),
    [(TimeoutError(), "no answer within 60 s"), (RuntimeError("a fault of ours"), "a fault of ours")],
    ids=["hangs", "dies"],
)
async def test_a_process_that_fails_costs_only_the_history_and_the_status_says_so(
    api: FakeApi, kube: Kube, error: Exception, why: str
) -> None:
    failures = {"source": "history", "kind": "process"}
    before = REGISTRY.get_sample_value("outrider_source_errors_total", failures) or 0.0
    gate = Gate(error)
    gate.opened.set()
    async with a_controller(api, kube, history_url="http://127.0.0.1:9", processes=[gate]) as controller:
        await controller.target("a", 3)
        await controller.policy("a", spec("a"))
        await controller.until(lambda: "History" in controller.status("a").get("message", ""))
        assert (
            "History before the start is incomplete: the process that reads it failed "
            f"({why})" in controller.status("a")["message"]
        )
        await controller.decided("a")
        assert controller.desired("a") == 3
    assert REGISTRY.get_sample_value("outrider_source_errors_total", failures) == before + 1
