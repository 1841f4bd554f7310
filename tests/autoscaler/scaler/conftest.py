import os
from collections.abc import AsyncIterator

import grpc
import pytest

from autoscaler.scaler.externalscaler_pb2_grpc import ExternalScalerStub
from autoscaler.scaler.server import ScalerServer
from tests.autoscaler.scaler.subject import NAMESPACE, POLICY, LocalServer, Subject
from tests.support.counting_board import CountingBoard
from tests.support.fake_clock import FakeClock

ELSEWHERE = os.environ.get("OUTRIDER_CONFORMANCE_ADDRESS")


@pytest.fixture
async def started() -> AsyncIterator[tuple[LocalServer, int]]:
    """Our server on a free port. Nothing is known and nothing decided."""
    clock = FakeClock()
    board = CountingBoard(clock)
    server = ScalerServer(board, clock, bind="127.0.0.1:0", reflection=True)
    port = await server.start()
    yield LocalServer(board, clock, server), port
    await server.stop(0.0)


@pytest.fixture
async def local(started: tuple[LocalServer, int]) -> LocalServer:
    if ELSEWHERE:
        pytest.skip("needs the server in this process")
    return started[0]


@pytest.fixture
async def subject(started: tuple[LocalServer, int]) -> AsyncIterator[Subject]:
    """The server that is tested, ready: ours has decided on 3 replicas."""
    started[0].decide(3)
    address = ELSEWHERE or f"127.0.0.1:{started[1]}"
    namespace, _, policy = os.environ.get("OUTRIDER_CONFORMANCE_POLICY", f"{NAMESPACE}/{POLICY}").partition("/")
    async with grpc.aio.insecure_channel(address) as channel:
        yield Subject(address, namespace, policy, ExternalScalerStub(channel), channel)
