"""What the conformance suite talks to: our server on a fake clock, or any address.

    OUTRIDER_CONFORMANCE_ADDRESS=host:6000 OUTRIDER_CONFORMANCE_POLICY=namespace/name python -m pytest tests/autoscaler/scaler

The policy must exist there and be decided. Checks that need to write decisions or to stop the server skip then.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
import pytest

from autoscaler.scaler.externalscaler_pb2 import GetMetricsRequest, MetricValue, ScaledObjectRef
from autoscaler.scaler.externalscaler_pb2_grpc import ExternalScalerStub
from autoscaler.scaler.server import ScalerServer
from tests.support.counting_board import CountingBoard
from tests.support.fake_clock import FakeClock

NAMESPACE, POLICY = "chat", "llama-8b"
KEY = f"{NAMESPACE}/{POLICY}"
METRIC = "desired-replicas"


@dataclass(frozen=True)
class LocalServer:
    """A server in this process, with its board and its clock."""

    board: CountingBoard
    clock: FakeClock
    server: ScalerServer

    def decide(self, desired: int, key: str = KEY) -> None:
        self.board.know(self.board.known | {key})
        self.board.publish(key, desired, self.clock.now())


@dataclass(frozen=True)
class Subject:
    address: str
    namespace: str
    policy: str
    stub: ExternalScalerStub
    channel: grpc.aio.Channel

    def ref(self, *, namespace: str = "", **metadata: str) -> ScaledObjectRef:
        """What KEDA sends: the whole metadata of the trigger, the keys that are its own included."""
        metadata = {"policy": self.policy, "scalerAddress": self.address, "enableTLS": "false"} | metadata
        return ScaledObjectRef(name="so", namespace=namespace or self.namespace, scalerMetadata=metadata)

    async def value(self, ref: ScaledObjectRef | None = None, metric: str = METRIC) -> MetricValue:
        """The one value of GetMetrics."""
        request = GetMetricsRequest(scaledObjectRef=ref or self.ref(), metricName=metric)
        response = await self.stub.GetMetrics(request, timeout=5)
        assert len(response.metricValues) == 1
        return response.metricValues[0]

    async def active(self, ref: ScaledObjectRef | None = None) -> bool:
        return (await self.stub.IsActive(ref or self.ref(), timeout=5)).result


@asynccontextmanager
async def refused(*codes: grpc.StatusCode) -> AsyncIterator[pytest.ExceptionInfo[grpc.aio.AioRpcError]]:
    """The block must fail with one of these codes and a text that says something."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        yield caught
    assert caught.value.code() in codes, caught.value
    assert caught.value.details()


async def until(true: Callable[[], bool]) -> None:
    """Let sockets move until something is true; fails after five seconds."""
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110  # what moves are sockets, which set no event
            await asyncio.sleep(0.001)
