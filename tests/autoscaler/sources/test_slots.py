"""Slots are shared evenly, and a pod that keeps failing is asked less often, but not for long."""

import asyncio
import itertools
from collections import Counter

import pytest

from autoscaler.kube.objects import Key
from autoscaler.sources import slots
from autoscaler.sources.slots import Pauses, Slots
from tests.support.fake_clock import settle

POD = Key("ns", "a")


class Readers:
    """Tasks that hold a slot until they are released."""

    def __init__(self, limit: int) -> None:
        self.slots = Slots(limit)
        self.held: Counter[str] = Counter()
        self.tasks: list[tuple[str, asyncio.Task[None], asyncio.Event]] = []

    def start(self, namespace: str, count: int = 1) -> None:
        for _ in range(count):
            done = asyncio.Event()
            self.tasks.append((namespace, asyncio.create_task(self._read(namespace, done)), done))

    async def _read(self, namespace: str, done: asyncio.Event) -> None:
        async with self.slots.one(namespace):
            self.held[namespace] += 1
            try:
                await done.wait()
            finally:
                self.held[namespace] -= 1

    async def end(self) -> None:
        for _, task, _ in self.tasks:
            task.cancel()
        await asyncio.gather(*(task for _, task, _ in self.tasks), return_exceptions=True)


async def test_a_namespace_whose_pods_hang_leaves_slots_for_others() -> None:
    readers = Readers(64)
    readers.start("hangs", 2_000)
    await settle()
    assert readers.held["hangs"] == 32
    readers.start("fine", 20)
    await settle()
    assert readers.held["fine"] == 20
    readers.start("small", 1)
    await settle()
    assert readers.held["small"] == 1, "with two others, there is still a share for a third"
    await readers.end()


@pytest.mark.parametrize("namespaces", [1, 2, 7, 200])
async def test_no_more_than_the_limit_everyone_has_a_turn_and_nothing_is_kept(namespaces: int) -> None:
    readers = Readers(8)
    for i in range(namespaces):
        readers.start(f"n{i}", 1 + 40 // namespaces)
    for turn in itertools.count():
        await settle()
        assert readers.held.total() <= 8
        if all(task.done() for _, task, _ in readers.tasks):
            break
        assert readers.held.total() > 0, "nobody may wait beside free slots for ever"
        assert turn < 500
        for _, _, done in [each for each in readers.tasks if not each[1].done()][:: 1 + turn % 3]:
            done.set()
    assert not readers.slots._held
    assert not readers.slots._waiting


async def test_waiting_namespaces_take_turns() -> None:
    readers = Readers(1)
    readers.start("many", 3)
    readers.start("one")
    await settle()
    order = []
    for _ in range(4):
        (holder,) = +readers.held
        order.append(holder)
        next(
            done for name, task, done in readers.tasks if name == holder and not task.done() and not done.is_set()
        ).set()
        await settle()
    assert order == ["many", "many", "one", "many"], "in turn from where both wait"


async def test_a_reader_that_is_cancelled_gives_its_slot_or_its_place_back() -> None:
    readers = Readers(2)
    readers.start("a", 3)
    await settle()
    for _, task, _ in readers.tasks:
        task.cancel()
    readers.start("b")
    await settle()
    assert +readers.held == Counter({"b": 1})
    await readers.end()
    assert not readers.slots._held
    assert not readers.slots._waiting


def asked(pauses: Pauses, *, brief: bool, seconds: float = 120.0) -> list[float]:
    """When a pod that always fails is asked, of rounds two seconds apart that start a little late or early."""
    times = []
    for turn in range(int(seconds / 2)):
        now = 2.0 * turn + (0.01 if turn % 2 else -0.01)
        if pauses.due(POD, now):
            times.append(2.0 * turn)
            pauses.failed(POD, now, brief=brief)
    return times


def test_the_pause_doubles_up_to_a_limit() -> None:
    idle = asked(Pauses(2.0), brief=False)
    assert idle[:6] == [0.0, 2.0, 6.0, 14.0, 30.0, 46.0]
    assert max(b - a for a, b in itertools.pairwise(idle)) == slots.PAUSE_LIMIT_SECONDS
    brief = asked(Pauses(2.0), brief=True)
    assert max(b - a for a, b in itertools.pairwise(brief)) == slots.BRIEF_PAUSE_LIMIT_SECONDS


def test_a_pod_is_never_asked_less_often_for_a_long_interval_and_an_answer_ends_the_pause() -> None:
    slow = Pauses(60.0)
    for turn in range(5):
        assert slow.due(POD, 60.0 * turn)
        slow.failed(POD, 60.0 * turn, brief=False)
    pauses = Pauses(2.0)
    asked(pauses, brief=False)
    assert not pauses.due(POD, 120.0)
    pauses.forget(POD)
    assert pauses.due(POD, 120.0)
