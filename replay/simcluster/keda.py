"""KEDA and its HPA for one ScaledObject of type external-push, which call the scaler as the real ones do.

All periods are scenario time; the API server's request timeout is wall time, like all I/O timeouts. After an error the
replicas stay as they are.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import grpc

from autoscaler.scaler import externalscaler_pb2 as messages
from autoscaler.scaler.externalscaler_pb2_grpc import ExternalScalerStub
from replay.sim.agenda import aligned
from replay.sim.hpa import SYNC_PHASE_SECONDS, SYNC_SECONDS, Hpa
from replay.simcluster.clock import Clock
from replay.simcluster.scaledobject import ScaledObject

REQUEST_TIMEOUT_SECONDS = 60.0  # kube-apiserver's; applies only to calls for the HPA
RECONCILE_FIRST_SECONDS, RECONCILE_LAST_SECONDS = 0.005, 1000.0  # controller-runtime's requeue back-off
STREAM_FIRST_SECONDS, STREAM_LAST_SECONDS = 2.0, 60.0
CHANNEL_BACKOFF_MS = 1000  # gRPC's first pause between two attempts to connect

Answer = TypeVar("Answer")


class Target(Protocol):
    """The scale target."""

    def replicas(self) -> tuple[int, int]:
        """`spec.replicas` and `status.replicas` now."""

    def scale_to(self, replicas: int) -> None:
        """Write `spec.replicas`."""


@dataclass(frozen=True)
class Metric:
    """The result of one round of calls."""

    usage: float
    target: float
    active: bool


class ScalerError(Exception):
    """The scaler's answer is not usable."""


class Keda:
    """`run` until cancelled. `problem` is the failure of the last call, None if it succeeded."""

    def __init__(self, scaled_object: ScaledObject, target: Target, clock: Clock, rate: float) -> None:
        self._object = scaled_object
        self._address = scaled_object.metadata["scalerAddress"]
        self._target = target
        self._clock = clock
        # The channel pauses in wall time; at a rate of 30 the pauses must not last 30 times as long in scenario time.
        self._backoff_ms = max(10, round(CHANNEL_BACKOFF_MS / rate))
        self._ref = messages.ScaledObjectRef(
            name=scaled_object.name, namespace=scaled_object.namespace, scalerMetadata=scaled_object.metadata
        )
        self._hpa = Hpa(scaled_object.min_replicas, scaled_object.max_replicas, scaled_object.behavior)
        self.problem: str | None = None

    async def run(self) -> None:
        """Reconcile the ScaledObject, then poll, sync the HPA and listen for pushes."""
        options = [
            ("grpc.initial_reconnect_backoff_ms", self._backoff_ms),
            ("grpc.min_reconnect_backoff_ms", self._backoff_ms),
            ("grpc.max_reconnect_backoff_ms", 120 * self._backoff_ms),
        ]
        async with grpc.aio.insecure_channel(self._address, options=options) as channel:
            stub = ExternalScalerStub(channel)
            await self._reconcile(stub)
            async with asyncio.TaskGroup() as tasks:
                now = self._clock.now()
                tasks.create_task(self._every(self._object.polling_seconds, now, lambda: self._poll(stub)))
                first_sync = aligned(now, SYNC_SECONDS, SYNC_PHASE_SECONDS)
                tasks.create_task(self._every(SYNC_SECONDS, first_sync, lambda: self._sync(stub)))
                tasks.create_task(self._listen(stub))

    async def _reconcile(self, stub: ExternalScalerStub) -> None:
        """Wait until the scaler has returned its metric once: before that there is no HPA and no loop."""
        pause_seconds = RECONCILE_FIRST_SECONDS
        while await self._tried(lambda: self._spec(stub, None)) is None:
            await self._clock.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, RECONCILE_LAST_SECONDS)

    async def _every(self, period_seconds: float, first_seconds: float, act: Callable[[], Awaitable[None]]) -> None:
        """Run `act` once each period from `first_seconds` on; a round that takes longer than a period delays the next."""
        due = first_seconds
        while True:
            await self._clock.sleep(due - self._clock.now())
            await act()
            due = max(due + period_seconds, self._clock.now())

    async def _sync(self, stub: ExternalScalerStub) -> None:
        metric = await self._tried(lambda: self._metric(stub, REQUEST_TIMEOUT_SECONDS))
        spec, status = self._target.replicas()
        usage, target = (None, 1.0) if metric is None else (metric.usage, metric.target)
        desired = self._hpa.sync(self._clock.now(), spec, status, usage, target)
        if desired != spec:
            self._target.scale_to(desired)

    async def _poll(self, stub: ExternalScalerStub) -> None:
        metric = await self._tried(lambda: self._metric(stub, None))
        if metric is not None:
            self._activate(active=metric.active)

    def _activate(self, *, active: bool) -> None:
        """What KEDA itself decides: to scale up from zero, and up to the minimum."""
        spec, _ = self._target.replicas()
        if (active and spec == 0) or (not active and spec < self._object.min_replicas):
            self._target.scale_to(max(1, self._object.min_replicas))

    async def _listen(self, stub: ExternalScalerStub) -> None:
        """The push stream: reopened 2 s after a clean end; after errors, with a back-off that only a clean end resets."""
        pause_seconds = STREAM_FIRST_SECONDS
        while True:
            try:
                async for pushed in stub.StreamIsActive(self._ref):
                    if pushed.result:
                        self._activate(active=True)
            except grpc.aio.AioRpcError:
                await self._clock.sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, STREAM_LAST_SECONDS)
            else:
                pause_seconds = STREAM_FIRST_SECONDS
                await self._clock.sleep(STREAM_FIRST_SECONDS)

    async def _tried(self, call: Callable[[], Awaitable[Answer]]) -> Answer | None:
        """The answer, or None after a failed call and one immediate retry."""
        for _ in range(2):
            try:
                answer = await call()
            except grpc.aio.AioRpcError as error:
                self.problem = f"{error.code().name}: {error.details()}"
            except ScalerError as error:
                self.problem = str(error)
            else:
                self.problem = None
                return answer
        return None

    async def _spec(self, stub: ExternalScalerStub, timeout_seconds: float | None) -> messages.MetricSpec:
        answer = await stub.GetMetricSpec(self._ref, timeout=timeout_seconds)
        if len(answer.metricSpecs) != 1:
            raise ScalerError(f"GetMetricSpec: got {len(answer.metricSpecs)} metrics; this client supports exactly one")
        return answer.metricSpecs[0]

    async def _metric(self, stub: ExternalScalerStub, timeout_seconds: float | None) -> Metric:
        spec = await self._spec(stub, timeout_seconds)
        target = _milli(spec.targetSizeFloat) if spec.targetSizeFloat > 0 else float(spec.targetSize)
        if target <= 0:
            raise ScalerError(f"GetMetricSpec: the target {target} is not positive, so no HPA can be created")
        request = messages.GetMetricsRequest(scaledObjectRef=self._ref, metricName=spec.metricName)
        found = await stub.GetMetrics(request, timeout=timeout_seconds)
        active = await stub.IsActive(self._ref, timeout=timeout_seconds)
        if not found.metricValues:
            raise ScalerError(f"no matching metrics found for {spec.metricName}")
        return Metric(sum(_value(value) for value in found.metricValues), target, active.result)


def _value(metric: messages.MetricValue) -> float:
    """The float if it is positive, else the integer, never below zero."""
    return _milli(metric.metricValueFloat) if metric.metricValueFloat > 0 else max(0.0, float(metric.metricValue))


def _milli(value: float) -> float:
    """Rounded to three decimals as KEDA does; NaN and infinities become 0."""
    return round(value, 3) if math.isfinite(value) else 0.0
