"""What KEDA relies on, checked from outside: the activity stream, slow readers, and leaving."""

import asyncio
import time
import tracemalloc

import grpc
import pytest

from autoscaler.scaler.externalscaler_pb2 import IsActiveResponse, ScaledObjectRef
from autoscaler.scaler.server import ScalerServer
from tests.autoscaler.scaler.subject import KEY, LocalServer, Subject, refused, until

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
Stream = grpc.aio.UnaryStreamCall[ScaledObjectRef, IsActiveResponse]


async def received(stream: Stream, within_seconds: float = 1.0) -> bool:
    """The next message."""
    async with asyncio.timeout(within_seconds):
        message = await stream.read()
    assert isinstance(message, IsActiveResponse), await stream.code()
    return message.result


async def rest(stream: Stream, within_seconds: float = 5.0) -> list[bool]:
    """What else arrived until the server ended the stream, which it must do with OK."""
    messages = []
    async with asyncio.timeout(within_seconds):
        while isinstance(message := await stream.read(), IsActiveResponse):
            messages.append(message.result)
    assert await stream.code() is grpc.StatusCode.OK
    return messages


async def test_current_state_at_once(subject: Subject) -> None:
    active = await subject.active()
    stream = subject.stub.StreamIsActive(subject.ref())
    assert await received(stream) is active
    stream.cancel()


async def test_zero_is_sent_once_and_then_every_start(subject: Subject, local: LocalServer) -> None:
    local.decide(0)
    stream = subject.stub.StreamIsActive(subject.ref())
    assert await received(stream) is False
    for desired in (0, 2, 3):
        local.decide(desired)
    assert await received(stream) is True
    await until(lambda: local.clock.sleeping == 1)  # it waits to repeat
    local.decide(0)
    await until(lambda: local.clock.sleeping == 0)  # nothing to repeat, and no `false` was sent
    local.decide(1)
    assert await received(stream) is True
    await local.server.stop()
    assert await rest(stream) == []


async def test_true_repeats_once_a_minute_while_decisions_are_fresh(subject: Subject, local: LocalServer) -> None:
    stream = subject.stub.StreamIsActive(subject.ref())
    assert await received(stream) is True
    for _ in range(2):
        await until(lambda: local.clock.sleeping == 1)
        for _ in range(4):
            await local.clock.advance(14.9)
            local.decide(3)
        await local.clock.advance(0.5)
        assert await received(stream) is True
    await until(lambda: local.clock.sleeping == 1)
    await local.clock.advance(600.0)  # stale: nothing is known, so nothing is sent
    local.decide(3)
    assert await received(stream) is True
    await local.server.stop()
    assert await rest(stream) == []


async def test_silent_and_open_until_the_first_decision(subject: Subject, local: LocalServer) -> None:
    local.board.know([])
    stream = subject.stub.StreamIsActive(subject.ref())
    await until(lambda: local.board.subscribers == 1)
    local.board.know([KEY])
    await local.clock.advance(300.0)
    local.board.publish(KEY, 2, local.clock.now())
    assert await received(stream) is True
    await local.server.stop()
    assert await rest(stream) == []


async def test_a_decision_before_its_policy_is_sent_when_the_policy_comes(subject: Subject, local: LocalServer) -> None:
    stream = subject.stub.StreamIsActive(subject.ref(policy="new"))
    await until(lambda: local.board.subscribers == 1)
    local.board.publish("chat/new", 2, local.clock.now())
    local.board.know(["chat/new"])
    assert await received(stream) is True
    stream.cancel()


async def test_cancel_frees_the_stream(subject: Subject, local: LocalServer) -> None:
    tasks = len(asyncio.all_tasks())
    streams = [subject.stub.StreamIsActive(subject.ref()) for _ in range(20)]
    assert await asyncio.gather(*map(received, streams)) == [True] * 20
    assert local.board.subscribers == 20
    for stream in streams:
        stream.cancel()
    await until(lambda: local.board.subscribers == 0)
    await until(lambda: local.clock.sleeping == 0)
    await until(lambda: len(asyncio.all_tasks()) <= tasks)


async def test_500_streams_on_one_connection_all_start(subject: Subject, local: LocalServer) -> None:
    """0.4 s: fewer streams than gRPC's own limit of 100 would show nothing."""
    policies = [f"p{i}" for i in range(500)]
    local.board.know(f"chat/{policy}" for policy in policies)
    streams = [subject.stub.StreamIsActive(subject.ref(policy=policy)) for policy in policies]
    await until(lambda: local.board.subscribers == 500)
    for policy in policies:
        local.board.publish(f"chat/{policy}", 1, local.clock.now())
    assert await asyncio.gather(*(received(stream, within_seconds=5.0) for stream in streams)) == [True] * 500
    await local.server.stop()
    assert await asyncio.gather(*map(rest, streams)) == [[]] * 500


async def flip(subject: Subject, local: LocalServer, seconds: float, pause_seconds: float) -> None:
    """The state flips while one client reads and another does not. The reader must have most, both the newest."""
    reader, sleeper = subject.stub.StreamIsActive(subject.ref()), subject.stub.StreamIsActive(subject.ref())
    await until(lambda: local.board.subscribers == 2)
    reading = asyncio.create_task(rest(reader, within_seconds=seconds + 10))
    end, starts = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        local.decide(0)
        assert not await subject.active()
        local.decide(5)
        assert await subject.active()
        starts += 1
        await asyncio.sleep(pause_seconds)
    await local.server.stop()
    read, missed = await reading, await rest(sleeper)
    assert starts > 4 * seconds
    assert starts / 2 < len(read) <= starts + 1
    assert 1 <= len(missed) <= starts + 1
    assert read[-1] is missed[-1] is True


async def test_a_client_that_does_not_read_blocks_no_other(subject: Subject, local: LocalServer) -> None:
    """Half a second of real gRPC, whose buffers must have the time to fill."""
    await flip(subject, local, seconds=0.5, pause_seconds=0.0)


@pytest.mark.slow
async def test_a_client_that_does_not_read_for_a_minute_costs_no_memory(subject: Subject, local: LocalServer) -> None:
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    await flip(subject, local, seconds=60.0, pause_seconds=0.005)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 2_000_000


@pytest.mark.slow
async def test_a_stream_stays_open_for_three_minutes(subject: Subject) -> None:
    """Six pings of the server's: a peer that takes them for too many hangs up at the third."""
    stream = subject.stub.StreamIsActive(subject.ref())
    await received(stream)
    await asyncio.sleep(185)
    assert not stream.done()
    stream.cancel()


async def test_stopping_ends_streams_with_ok_and_refuses_calls(subject: Subject, local: LocalServer) -> None:
    streams = [subject.stub.StreamIsActive(subject.ref()) for _ in range(50)]
    await asyncio.gather(*map(received, streams))
    started = time.monotonic()
    leaving = asyncio.create_task(local.server.stop(5.0))
    answers: list[grpc.StatusCode] = []
    while not leaving.done():
        answers.append(await subject.stub.IsActive(subject.ref()).code())
    refusals = answers[answers.count(grpc.StatusCode.OK) :]  # once refused, always refused
    assert set(refusals) <= {UNAVAILABLE, grpc.StatusCode.CANCELLED}  # the latter by gRPC, while the port closes
    assert time.monotonic() - started < 1.0  # idle streams do not use up the grace
    assert await asyncio.gather(*map(rest, streams)) == [[]] * 50
    async with refused(UNAVAILABLE):
        await subject.active()


async def test_a_restart_is_found_again_within_ten_seconds(subject: Subject, local: LocalServer) -> None:
    """It takes a second: gRPC's own pause before it connects again."""
    await subject.active()
    await local.server.stop()
    async with refused(UNAVAILABLE):
        await subject.active()
    again = ScalerServer(local.board, local.clock, bind=subject.address)
    await again.start()
    assert (await subject.stub.IsActive(subject.ref(), wait_for_ready=True, timeout=10)).result
    await again.stop()
