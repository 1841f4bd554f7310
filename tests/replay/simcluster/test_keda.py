"""The KEDA and HPA client against a scripted scaler: what it calls, when, and what it makes of the answers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest

from autoscaler.scaler import externalscaler_pb2 as messages
from autoscaler.scaler.externalscaler_pb2_grpc import ExternalScalerServicer, add_ExternalScalerServicer_to_server
from crds.keda import Wiring, manifests
from replay.simcluster.keda import Keda
from replay.simcluster.scaledobject import read
from tests.replay.simcluster.fake_world import START
from tests.support.fake_clock import FakeClock, settle


class FakeScaler(ExternalScalerServicer):
    """A scaler that answers what the test sets.

    What it does not do: check what it is asked, distinguish ScaledObjects, serve TLS, health or reflection.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.refs: list[messages.ScaledObjectRef] = []
        self.value = messages.MetricValue(metricValue=1, metricValueFloat=1.0)
        self.spec = messages.MetricSpec(metricName="desired-replicas", targetSize=1, targetSizeFloat=1.0)
        self.active = True
        self.failing: set[str] = set()
        self.pushes: asyncio.Queue[bool | None] = asyncio.Queue()
        self.streams = 0

    async def _called(self, name: str, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        self.calls.append(name)
        if name in self.failing:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "no decision yet")

    async def GetMetricSpec(self, request, context):  # type: ignore[no-untyped-def]  # noqa: N802
        self.refs.append(request)
        await self._called("GetMetricSpec", context)
        return messages.GetMetricSpecResponse(metricSpecs=[self.spec])

    async def GetMetrics(self, request, context):  # type: ignore[no-untyped-def]  # noqa: N802
        assert request.metricName == "desired-replicas"
        await self._called("GetMetrics", context)
        return messages.GetMetricsResponse(metricValues=[self.value])

    async def IsActive(self, request, context):  # type: ignore[no-untyped-def]  # noqa: N802
        await self._called("IsActive", context)
        return messages.IsActiveResponse(result=self.active)

    async def StreamIsActive(self, request, context):  # type: ignore[no-untyped-def]  # noqa: N802
        self.streams += 1
        if "StreamIsActive" in self.failing:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "no stream")
        while (pushed := await self.pushes.get()) is not None:
            yield messages.IsActiveResponse(result=pushed)

    def set_answer(self, replicas: int) -> None:
        self.value = messages.MetricValue(metricValue=replicas, metricValueFloat=float(replicas))


@dataclass
class FakeTarget:
    """A scale target whose status follows its spec at once."""

    spec: int = 3
    written: list[int] = field(default_factory=list)

    def replicas(self) -> tuple[int, int]:
        return self.spec, self.spec

    def scale_to(self, replicas: int) -> None:
        self.written.append(replicas)
        self.spec = replicas


@dataclass
class Running:
    scaler: FakeScaler
    target: FakeTarget
    clock: FakeClock
    keda: Keda

    async def until(self, holds: Callable[[], bool]) -> None:
        """Let the sockets work until something holds."""
        async with asyncio.timeout(5):
            while not holds():  # noqa: ASYNC110  # it hangs on sockets, which set no event
                await asyncio.sleep(0.001)
        await settle()

    async def rest(self, sleeping: int) -> None:
        """Until so many of the client's loops sleep: poll and sync, and the stream's where it waits to be opened."""
        await self.until(lambda: self.clock.sleeping == sleeping)

    async def opened(self) -> int:
        """How many streams there were, once the last has failed."""
        await self.rest(3)
        return self.scaler.streams

    async def calls_in(self, seconds: float) -> int:
        """How many unary calls come while scenario time passes."""
        before = len(self.scaler.calls)
        await self.clock.advance(seconds)
        await self.rest(2)
        return len(self.scaler.calls) - before

    async def lands_on(self, replicas: int) -> None:
        """One sync later the target has so many replicas."""
        await self.clock.advance(15.0)
        await self.until(lambda: self.target.spec == replicas)
        await self.rest(2)


@pytest.fixture
async def ready(policy) -> AsyncIterator[Running]:  # type: ignore[no-untyped-def]
    """A client that has not started, and a scaler that listens."""
    scaler, target, clock = FakeScaler(), FakeTarget(), FakeClock(START)
    scaler.set_answer(3)
    server = grpc.aio.server()
    add_ExternalScalerServicer_to_server(scaler, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    workload = policy.workload
    scaled_object = read(manifests(workload, Wiring(f"127.0.0.1:{port}"))[-1])
    yield Running(scaler, target, clock, Keda(scaled_object, target, clock, rate=30.0))
    await server.stop(0)


@pytest.fixture
async def running(ready: Running) -> AsyncIterator[Running]:
    """A client past reconcile (1 call) and its first poll (3); the first sync comes 15 s later."""
    task = asyncio.create_task(ready.keda.run())
    await ready.until(lambda: len(ready.scaler.calls) == 4 and ready.scaler.streams == 1)
    await ready.rest(2)
    yield ready
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_every_sync_and_every_poll_makes_three_calls(running: Running) -> None:
    assert sorted(running.scaler.calls) == ["GetMetricSpec"] * 2 + ["GetMetrics", "IsActive"]
    assert dict(running.scaler.refs[0].scalerMetadata)["policy"] == "llm"
    assert (running.scaler.refs[0].namespace, running.scaler.refs[0].name) == ("serving", "llm")
    # Polls at 10, 20 and 30 s, syncs at 15 and 30 s.
    assert [await running.calls_in(seconds) for seconds in (9.9, 0.1, 5.0, 5.0, 10.0)] == [0, 3, 3, 3, 6]


async def test_the_fleet_lands_on_the_value(running: Running) -> None:
    running.scaler.set_answer(8)
    await running.lands_on(8)
    running.scaler.set_answer(7)
    await running.lands_on(7)
    running.scaler.set_answer(99)  # beyond the maximum
    await running.lands_on(8)
    running.scaler.set_answer(0)
    await running.lands_on(1)


async def test_a_step_within_the_usual_tolerance_is_followed(running: Running) -> None:
    running.target.spec = 7
    running.scaler.set_answer(8)
    await running.lands_on(8)
    running.scaler.set_answer(7)
    await running.lands_on(7)


@pytest.mark.parametrize("failing", ["GetMetricSpec", "GetMetrics", "IsActive"])
async def test_an_error_freezes_and_is_tried_twice(running: Running, failing: str) -> None:
    running.scaler.set_answer(8)
    running.scaler.failing = {failing}
    calls = {"GetMetricSpec": 1, "GetMetrics": 2, "IsActive": 3}[failing]
    assert [await running.calls_in(seconds) for seconds in (10.0, 5.0)] == [2 * calls, 2 * calls]
    assert running.target.written == []
    assert running.keda.problem == "UNAVAILABLE: no decision yet"
    running.scaler.failing = set()
    await running.lands_on(8)
    assert running.keda.problem is None


async def test_nothing_runs_before_the_scaler_has_given_its_metric(ready: Running) -> None:
    ready.scaler.failing = {"GetMetricSpec"}
    task = asyncio.create_task(ready.keda.run())
    for pause_seconds in (0.005, 0.01, 0.02, 0.04):
        await ready.rest(1)
        await ready.clock.advance(pause_seconds)
    await ready.rest(1)
    assert ready.scaler.calls == ["GetMetricSpec"] * 10
    ready.scaler.failing = set()
    await ready.clock.advance(0.08)
    await ready.rest(2)
    assert len(ready.scaler.calls) == 10 + 4
    task.cancel()


async def test_the_float_counts_where_it_is_positive(running: Running) -> None:
    running.scaler.value = messages.MetricValue(metricValue=5, metricValueFloat=4.0004)
    await running.lands_on(4)
    running.scaler.value = messages.MetricValue(metricValue=5, metricValueFloat=0.0)
    await running.lands_on(5)
    running.scaler.value = messages.MetricValue(metricValue=-4, metricValueFloat=float("nan"))
    await running.lands_on(1)


async def test_a_push_wakes_a_target_at_zero(running: Running) -> None:
    running.target.spec = 0
    await running.scaler.pushes.put(False)
    await running.scaler.pushes.put(True)
    await running.until(lambda: running.target.written == [1])


async def test_a_stream_that_ends_is_opened_again_after_two_seconds(running: Running) -> None:
    await running.scaler.pushes.put(None)
    await running.rest(3)
    await running.clock.advance(1.9)
    assert running.scaler.streams == 1
    await running.clock.advance(0.1)
    await running.until(lambda: running.scaler.streams == 2)


async def test_a_stream_that_fails_is_opened_ever_later(running: Running) -> None:
    running.scaler.failing = {"StreamIsActive"}
    await running.scaler.pushes.put(None)
    await running.rest(3)
    for opened, pause_seconds in ((2, 2.0), (3, 2.0), (4, 4.0)):  # after the clean end, then after errors
        await running.clock.advance(pause_seconds)
        assert await running.opened() == opened
    await running.clock.advance(1.5)
    assert running.scaler.streams == 4
