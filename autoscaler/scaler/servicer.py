"""KEDA's four calls, answered from the board.

No unary handler waits, so none needs a deadline; a stream waits for changes and for its reader.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
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
from autoscaler.scaler.streams import Streams, TooManyStreamsError
from autoscaler.telemetry.metrics import SCALER_REQUESTS

METRIC = "desired-replicas"  # lower case, as the external metrics API converts names to it
SPEC = MetricSpec(metricName=METRIC, targetSize=1, targetSizeFloat=1.0)
REPEAT_SECONDS = 60.0  # KEDA may drop a `true`, and writes the ScaledObject's status for each one that it takes

NAMES = {code.value[0]: code.name for code in grpc.StatusCode}

Context = grpc.aio.ServicerContext[Any, Any]


class Servicer(ExternalScalerServicer):
    """`externalscaler.ExternalScaler` over a board."""

    def __init__(self, board: Board, clock: Clock) -> None:
        self._board = board
        self._clock = clock
        self._streams: set[Subscription] = set()
        self._limits = Streams(lambda: board.known_if_read)
        self._draining = False
        self._drained = asyncio.Event()

    async def GetMetricSpec(self, request: ScaledObjectRef, context: Context) -> GetMetricSpecResponse:  # noqa: N802
        """One metric with target 1. It needs no decision, so that the HPA can be made before the first one."""
        _count("GetMetricSpec", context)
        await self._key(request, context)
        return GetMetricSpecResponse(metricSpecs=[SPEC])

    async def GetMetrics(self, request: GetMetricsRequest, context: Context) -> GetMetricsResponse:  # noqa: N802
        """The desired replicas, in both fields, since KEDA reads the integer where the float is zero.

        Where the trigger gives the tolerance of the cluster's HPA, the value is adjusted for it (`landing`).
        """
        _count("GetMetrics", context)
        key = await self._key(request.scaledObjectRef, context)
        if request.metricName != METRIC:
            problem = f"unknown metric {request.metricName[: binding.EXCERPT_CHARS]!r}: GetMetricSpec names {METRIC!r}"
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, problem)
        entry = await self._entry(key, context)
        try:
            tolerance = binding.tolerance(request.scaledObjectRef)
        except binding.BindingError as error:
            return await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        number = landing_value(entry.desired_replicas, entry.current_replicas, entry.max_replicas, tolerance)
        value = MetricValue(metricName=METRIC, metricValue=math.ceil(number), metricValueFloat=number)
        return GetMetricsResponse(metricValues=[value])

    async def IsActive(self, request: ScaledObjectRef, context: Context) -> IsActiveResponse:  # noqa: N802
        """Whether more than zero replicas are desired."""
        _count("IsActive", context)
        entry = await self._entry(await self._key(request, context), context)
        return IsActiveResponse(result=entry.active)

    async def StreamIsActive(self, request: ScaledObjectRef, context: Context) -> AsyncIterator[IsActiveResponse]:  # noqa: N802
        """The state once it is known, `true` when it leaves zero, and `true` once a minute while above zero.

        Sends nothing while the state is unknown, since KEDA would keep the back-off that an error causes. Ends with
        OK when the server drains.
        """
        _count("StreamIsActive", context)
        if self._draining:
            return
        key = await self._key(request, context)
        with ExitStack() as stack:
            try:
                stack.enter_context(self._limits.open(context.peer().rpartition(":")[0], key))
            except TooManyStreamsError as error:
                await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
            changes = stack.enter_context(self._board.subscribe(key))
            stack.enter_context(self._open(changes))
            sent: bool | None = None
            due_seconds = 0.0
            while not self._draining:
                entry = self._board.get(key)
                if entry and (sent != entry.active or (sent and self._clock.now() >= due_seconds)):
                    if entry.active or sent is None:  # KEDA ignores `false`; the first one shows that the stream works
                        yield IsActiveResponse(result=entry.active)
                    sent, due_seconds = entry.active, self._clock.now() + REPEAT_SECONDS
                await changes.wait(due_seconds - self._clock.now() if entry and sent else None)

    async def drain(self) -> None:
        """Refuse unary calls from now on, end all streams with OK, and wait for the last to end."""
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
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Outrider is shutting down: try again soon")
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
            why = (
                "it does not exist, is refused, or has not been read yet: see its status, or name another policy in the "
                "trigger's metadata"
            )
        elif age_seconds is None:
            why = (
                "no decision to follow: the controller has just started, the target has not been read, or the policy is in "
                "mode Shadow; see its status"
            )
        else:
            why = f"its last decision is {age_seconds:.0f} s old, more than {FRESH_SECONDS:.0f} s: see Outrider's log"
        return await context.abort(code, f"ScalingPolicy {key}: {why}")


def _count(method: str, context: Context) -> None:
    """Count the call by its status when it ends. OK where there is none, since the client hung up."""

    def ended(done: Context) -> None:
        code = done.code()
        name = code.name if isinstance(code, grpc.StatusCode) else NAMES.get(code, "OK")
        SCALER_REQUESTS.labels(method=method, code=name).inc()

    context.add_done_callback(ended)  # type: ignore[arg-type]  # the stubs lack the callback that takes the context
