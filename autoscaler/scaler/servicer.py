"""KEDA's four questions, answered from the board.

No unary handler waits for anything, so none needs a deadline of its own; a stream waits for changes and for its reader.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from autoscaler.clock import Clock
from autoscaler.scaler import binding
from autoscaler.scaler.board import FRESH_SECONDS, Board, Entry, Subscription
from autoscaler.scaler.externalscaler_pb2 import (
    GetMetricSpecResponse,
    GetMetricsRequest,
    GetMetricsResponse,
    IsActiveResponse,
    MetricSpec,
    MetricValue,
    ScaledObjectRef,
)
from autoscaler.scaler.externalscaler_pb2_grpc import ExternalScalerServicer
from autoscaler.scaler.landing import landing_value
from autoscaler.telemetry.metrics import SCALER_REQUESTS

METRIC = "desired-replicas"  # lower case: the external metrics API lowers what it is asked for
SPEC = MetricSpec(metricName=METRIC, targetSize=1, targetSizeFloat=1.0)
REPEAT_SECONDS = 60.0  # KEDA may drop a `true`, and writes the ScaledObject's status for each that it takes

NAMES = {code.value[0]: code.name for code in grpc.StatusCode}

Context = grpc.aio.ServicerContext[Any, Any]


class Servicer(ExternalScalerServicer):
    """`externalscaler.ExternalScaler` over a board."""

    def __init__(self, board: Board, clock: Clock) -> None:
        self._board = board
        self._clock = clock
        self._streams: set[Subscription] = set()
        self._draining = False
        self._drained = asyncio.Event()

    async def GetMetricSpec(self, request: ScaledObjectRef, context: Context) -> GetMetricSpecResponse:  # noqa: N802
        """One metric with target 1. Depends on no decision, so that the HPA can be made before the first."""
        _count("GetMetricSpec", context)
        await self._key(request, context)
        return GetMetricSpecResponse(metricSpecs=[SPEC])

    async def GetMetrics(self, request: GetMetricsRequest, context: Context) -> GetMetricsResponse:  # noqa: N802
        """The desired replicas, in both fields: KEDA falls back to the integer where the float is zero.

        Where the trigger names the tolerance of an HPA that has no zero one, the value is shaped to land (`landing`).
        """
        _count("GetMetrics", context)
        key = await self._key(request.scaledObjectRef, context)
        if request.metricName != METRIC:
            wrong = f"no metric {request.metricName[: binding.SHOWN]!r}: ask for {METRIC!r}, as GetMetricSpec says"
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, wrong)
        entry = await self._entry(key, context)
        try:
            tolerance = binding.tolerance(request.scaledObjectRef)
        except binding.BindingError as error:
            return await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        wanted = landing_value(entry.desired_replicas, entry.current_replicas, entry.max_replicas, tolerance)
        value = MetricValue(metricName=METRIC, metricValue=math.ceil(wanted), metricValueFloat=wanted)
        return GetMetricsResponse(metricValues=[value])

    async def IsActive(self, request: ScaledObjectRef, context: Context) -> IsActiveResponse:  # noqa: N802
        """Whether more than zero replicas are desired."""
        _count("IsActive", context)
        entry = await self._entry(await self._key(request, context), context)
        return IsActiveResponse(result=entry.active)

    async def StreamIsActive(self, request: ScaledObjectRef, context: Context) -> AsyncIterator[IsActiveResponse]:  # noqa: N802
        """The state once it is known, `true` when it leaves zero, and `true` again once a minute while above zero.

        Silent while nothing is known: an error would cost KEDA a back-off that it keeps. Ends with OK when drained.
        """
        _count("StreamIsActive", context)
        if self._draining:
            return
        key = await self._key(request, context)
        with self._board.subscribe(key) as changes, self._open(changes):
            told: bool | None = None
            again_seconds = 0.0
            while not self._draining:
                entry = self._board.get(key)
                if entry and (told != entry.active or (told and self._clock.now() >= again_seconds)):
                    if entry.active or told is None:  # KEDA ignores `false`; the first tells a client that we are there
                        yield IsActiveResponse(result=entry.active)
                    told, again_seconds = entry.active, self._clock.now() + REPEAT_SECONDS
                await changes.wait(again_seconds - self._clock.now() if entry and told else None)

    async def drain(self) -> None:
        """From now on refuse unary calls; end the streams with OK and wait until the last has ended."""
        self._draining = True
        for stream in self._streams:
            stream.wake()
        if self._streams:
            await self._drained.wait()

    @contextmanager
    def _open(self, stream: Subscription) -> Iterator[None]:
        self._streams.add(stream)
        try:
            yield
        finally:
            self._streams.remove(stream)
            if self._draining and not self._streams:
                self._drained.set()

    async def _key(self, ref: ScaledObjectRef, context: Context) -> str:
        if self._draining:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Outrider is shutting down: call again soon")
        try:
            return binding.key(ref)
        except binding.BindingError as error:
            return await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))

    async def _entry(self, key: str, context: Context) -> Entry:
        entry = self._board.get(key)
        if entry is not None:
            return entry
        code = grpc.StatusCode.UNAVAILABLE
        age_seconds = self._board.age_seconds(key)
        if key not in self._board.known:
            code = grpc.StatusCode.NOT_FOUND
            why = f"there is none: create it, or name another in the trigger's metadata as {binding.POLICY!r}"
        elif age_seconds is None:
            why = "nothing is decided; its status says why (just started, a refused spec, or mode Shadow)"
        else:
            why = f"its last decision is {age_seconds:.0f} s old, {FRESH_SECONDS:.0f} s are allowed; see Outrider's log"
        return await context.abort(code, f"ScalingPolicy {key}: {why}")


def _count(method: str, context: Context) -> None:
    """Count the call when it ends, by its status; a client that hung up leaves none."""

    def ended(done: Context) -> None:
        code = done.code()
        name = code.name if isinstance(code, grpc.StatusCode) else NAMES.get(code, "OK")
        SCALER_REQUESTS.labels(method=method, code=name).inc()

    context.add_done_callback(ended)  # type: ignore[arg-type]  # the stubs know no callback that gets the context
