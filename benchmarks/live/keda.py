"""KEDA and the HPA at their real pace: for each ScaledObject a poll every 30 s, a sync of the HPA every 15 s, and one stream.

Poll and sync each make three calls, one after the other: GetMetricSpec, GetMetrics, IsActive. The objects' turns are spread
evenly, and a turn comes when it is due, whether or not the one before has been answered.
"""

import asyncio
import sys
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import grpc

from autoscaler.scaler.externalscaler_pb2 import GetMetricsRequest, ScaledObjectRef
from autoscaler.scaler.externalscaler_pb2_grpc import ExternalScalerStub
from benchmarks.live import child, fleet

POLL_SECONDS, SYNC_SECONDS = 30.0, 15.0
METRIC = "desired-replicas"
LATE_SECONDS = 1.0  # an answer that has not come by then counts as a wait of so far
REPEAT_SECONDS = 2.0  # before a stream that ended is opened again


@dataclass
class Keda:
    """Calls until it is stopped."""

    address: str
    known: fleet.Fleet
    calls: list[tuple[float, float, str]] = field(default_factory=list)  # GetMetrics: asked at, milliseconds, status
    open: dict[int, float] = field(default_factory=dict)  # turns that have not come to an end, and since when
    numbers: Iterator[int] = field(default_factory=count)
    specified_seconds: float | None = None  # when the first GetMetricSpec was answered
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> dict[str, Any]:
        """Begin to call."""
        options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500)]
        self._channel = grpc.aio.insecure_channel(self.address, options=options)
        self._stub = ExternalScalerStub(self._channel)
        refs = [
            ScaledObjectRef(name=name, namespace=namespace, scalerMetadata={"policy": name})
            for namespace, name in self.known.names
        ]
        self._spawn(self._turns(refs, POLL_SECONDS))
        self._spawn(self._turns(refs, SYNC_SECONDS))
        for ref in refs:
            self._spawn(self._listen(ref))
        return {}

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _turns(self, refs: list[ScaledObjectRef], period_seconds: float) -> None:
        began, turn = time.monotonic(), 0
        while True:
            await asyncio.sleep(began + turn * period_seconds / len(refs) - time.monotonic())
            self._spawn(self._chain(refs[turn % len(refs)], next(self.numbers)))
            turn += 1

    async def _chain(self, ref: ScaledObjectRef, number: int) -> None:
        self.open[number] = time.time()
        try:
            await self._stub.GetMetricSpec(ref)
            self.specified_seconds = self.specified_seconds or time.time()
            asked, status = time.time(), "OK"
            try:
                await self._stub.GetMetrics(GetMetricsRequest(scaledObjectRef=ref, metricName=METRIC))
            except grpc.aio.AioRpcError as error:
                status = error.code().name
            self.calls.append((asked, (time.time() - asked) * 1000.0, status))
            await self._stub.IsActive(ref)
        except grpc.aio.AioRpcError:
            pass
        finally:
            del self.open[number]

    async def _listen(self, ref: ScaledObjectRef) -> None:
        while True:
            try:
                async for _ in self._stub.StreamIsActive(ref, wait_for_ready=True):
                    pass
            except grpc.aio.AioRpcError:
                pass
            await asyncio.sleep(REPEAT_SECONDS)

    def figures(self) -> dict[str, Any]:
        """Every GetMetrics so far, and when the scaler answered for the first time."""
        now = time.time()
        late = [asked for asked in self.open.values() if now - asked > LATE_SECONDS]
        waiting = [(asked, (now - asked) * 1000.0, "UNANSWERED") for asked in late]
        return {"calls": self.calls + waiting, "specified_seconds": self.specified_seconds}


async def main() -> None:
    keda = Keda(sys.argv[1], fleet.Fleet(int(sys.argv[2]), int(sys.argv[3])))
    await child.serve(keda.start, keda.figures)


if __name__ == "__main__":
    asyncio.run(main())
