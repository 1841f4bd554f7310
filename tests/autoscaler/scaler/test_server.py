import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from autoscaler.scaler import server as scaler_server
from autoscaler.scaler.externalscaler_pb2 import DESCRIPTOR
from autoscaler.scaler.server import ScalerServer
from autoscaler.telemetry.metrics import REGISTRY
from tests.autoscaler.scaler.subject import KEY, LocalServer, Subject, refused, until

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


async def test_health_of_the_server_and_of_the_service(subject: Subject, local: LocalServer) -> None:
    """It takes the half second of grace that it asks for."""
    health: Any = health_pb2_grpc.HealthStub(subject.channel)
    for service in ("", "externalscaler.ExternalScaler"):
        assert (await health.Check(health_pb2.HealthCheckRequest(service=service))).status == SERVING
    with pytest.raises(grpc.aio.AioRpcError):
        await health.Check(health_pb2.HealthCheckRequest(service="other"))
    watch = health.Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == SERVING
    started = time.monotonic()
    leaving = asyncio.create_task(local.server.stop(0.5))
    assert (await watch.read()).status == NOT_SERVING
    await leaving
    assert time.monotonic() - started < 2.0  # a watcher that stays is cut off after the grace


async def test_watchers_of_health_are_limited(
    subject: Subject, monkeypatch: pytest.MonkeyPatch, local: LocalServer
) -> None:
    monkeypatch.setattr(scaler_server, "MOST_WATCHES", 2)
    health: Any = health_pb2_grpc.HealthStub(subject.channel)
    watches = [health.Watch(health_pb2.HealthCheckRequest()) for _ in range(2)]
    assert [(await watch.read()).status for watch in watches] == [SERVING] * 2
    async with refused(grpc.StatusCode.RESOURCE_EXHAUSTED) as caught:
        await health.Watch(health_pb2.HealthCheckRequest()).read()
    assert "2 calls of Watch are open" in (caught.value.details() or "")
    watches[0].cancel()
    await until(lambda: local.server._health._watchers == 1)
    assert (await health.Watch(health_pb2.HealthCheckRequest()).read()).status == SERVING


async def test_calls_whose_message_never_comes_are_limited(local: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    monkeypatch.setattr(scaler_server, "MOST_CALLS", 3)
    server = ScalerServer(local.board, local.clock, bind="127.0.0.1:0")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{await server.start()}") as channel:
        method: Any = channel.stream_unary("/externalscaler.ExternalScaler/GetMetrics")
        calls = [method(never()) for _ in range(8)]
        await until(lambda: sum(call.done() for call in calls) == 5)
        codes = {await call.code() for call in calls if call.done()}
        assert codes == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        for call in calls:
            call.cancel()
    await server.stop(0.0)


async def test_reflection_shows_the_contract(subject: Subject) -> None:
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(subject.channel)  # type: ignore[arg-type]  # typed as not aio

    async def ask(request: reflection_pb2.ServerReflectionRequest) -> Any:
        return await stub.ServerReflectionInfo(iter([request])).read()

    listed = await ask(reflection_pb2.ServerReflectionRequest(list_services=""))
    assert {service.name for service in listed.list_services_response.service} == {
        "externalscaler.ExternalScaler",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    symbol = reflection_pb2.ServerReflectionRequest(file_containing_symbol="externalscaler.ExternalScaler")
    (file,) = (await ask(symbol)).file_descriptor_response.file_descriptor_proto
    assert file == DESCRIPTOR.serialized_pb


async def test_reflection_is_off_unless_it_is_asked_for(local: LocalServer) -> None:
    server = ScalerServer(local.board, local.clock, bind="127.0.0.1:0")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{await server.start()}") as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]  # typed as not aio
        asked = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        assert await asked.code() is grpc.StatusCode.UNIMPLEMENTED
    await server.stop()


async def test_a_taken_port_is_an_error(subject: Subject, local: LocalServer) -> None:
    with pytest.raises(OSError, match="free HOST:PORT"):
        await ScalerServer(local.board, local.clock, bind=subject.address).start()


async def test_stop_is_harmless_before_start_and_twice(local: LocalServer) -> None:
    await ScalerServer(local.board, local.clock, bind="127.0.0.1:0").stop()
    await local.server.stop()
    await local.server.stop()


async def test_drained_streams_end_at_once_and_calls_are_refused(subject: Subject, local: LocalServer) -> None:
    """The moment between the drain and the closing of the connections."""
    await local.server.drain()
    stream = subject.stub.StreamIsActive(subject.ref())
    assert await stream.read() is grpc.aio.EOF
    assert await stream.code() is grpc.StatusCode.OK
    for call in (subject.value, subject.active):
        async with refused(grpc.StatusCode.UNAVAILABLE) as caught:
            await call()
        assert "shutting down" in (caught.value.details() or "")


async def test_calls_are_counted_by_method_and_status(local: LocalServer, subject: Subject) -> None:
    def counted(method: str, code: str) -> float:
        return REGISTRY.get_sample_value("outrider_scaler_requests_total", {"method": method, "code": code}) or 0.0

    fine, cold = counted("GetMetrics", "OK"), counted("IsActive", "UNAVAILABLE")
    local.decide(3)
    await subject.value()
    local.board.withdraw(KEY)
    with pytest.raises(grpc.aio.AioRpcError):
        await subject.active()
    # A call is counted as it ends, which may be after its caller has the answer.
    await until(lambda: (counted("GetMetrics", "OK"), counted("IsActive", "UNAVAILABLE")) == (fine + 1, cold + 1))
