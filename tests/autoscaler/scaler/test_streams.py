"""How many streams may be open, and which of them."""

from contextlib import ExitStack

import grpc
import pytest

from autoscaler.scaler import streams
from autoscaler.scaler.externalscaler_pb2 import IsActiveResponse
from autoscaler.scaler.streams import Streams, TooManyStreamsError
from tests.autoscaler.scaler.subject import KEY, LocalServer, Subject, refused, until


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, limit in (("MOST", 8), ("MOST_OF_PEER", 6), ("MOST_WAITING", 4), ("MOST_WAITING_OF_PEER", 3)):
        monkeypatch.setattr(streams, name, limit)


def test_the_limits_of_a_peer_and_of_all() -> None:
    counted = Streams(lambda: {"ns/a"})
    with ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(counted.open("one", "ns/a"))
        with pytest.raises(TooManyStreamsError, match="6 streams are open from your address and 6 in all"):
            stack.enter_context(counted.open("one", "ns/a"))
        for _ in range(2):
            stack.enter_context(counted.open("two", "ns/a"))
        with pytest.raises(TooManyStreamsError, match="0 streams are open from your address and 8 in all"):
            stack.enter_context(counted.open("three", "ns/a"))
    assert len(counted) == 0
    assert not counted._of_peer
    with counted.open("three", "ns/a"):
        assert len(counted) == 1


def test_few_may_wait_for_policies_that_do_not_exist_and_none_counts_once_it_does() -> None:
    known = {"ns/a"}
    counted = Streams(lambda: known)
    with ExitStack() as stack:
        for i in range(3):
            stack.enter_context(counted.open("one", f"ns/x{i}"))
        with pytest.raises(TooManyStreamsError, match="ScalingPolicy ns/x3 does not exist"):
            stack.enter_context(counted.open("one", "ns/x3"))
        stack.enter_context(counted.open("one", "ns/a"))
        stack.enter_context(counted.open("two", "ns/x3"))
        with pytest.raises(TooManyStreamsError):
            stack.enter_context(counted.open("two", "ns/x4"))
        known.add("ns/x0")
        stack.enter_context(counted.open("two", "ns/x4"))
    assert not counted._waiting


def test_before_the_policies_are_read_every_one_may_exist() -> None:
    """After a restart KEDA opens all of its streams within seconds."""
    counted = Streams(lambda: None)
    with ExitStack() as stack:
        for i in range(6):
            stack.enter_context(counted.open("keda", f"ns/x{i}"))


async def test_a_refused_stream_ends_with_a_sentence_and_the_others_stay(subject: Subject, local: LocalServer) -> None:
    waiting = [subject.stub.StreamIsActive(subject.ref(policy=f"nothing-{i}")) for i in range(3)]
    await until(lambda: local.board.subscribers == 3)
    async with refused(grpc.StatusCode.RESOURCE_EXHAUSTED) as caught:
        await subject.stub.StreamIsActive(subject.ref(policy="nothing-3")).read()
    assert "ScalingPolicy chat/nothing-3 does not exist" in (caught.value.details() or "")
    good = subject.stub.StreamIsActive(subject.ref())
    assert isinstance(await good.read(), IsActiveResponse)
    assert KEY in local.board.known
    for stream in (*waiting, good):
        stream.cancel()
    await until(lambda: local.board.subscribers == 0)
