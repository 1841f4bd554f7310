import asyncio
import gc
import weakref
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.scaler.board import FRESH_SECONDS, MAX_REPLICAS, Board, Entry, Subscription
from tests.support.fake_clock import FakeClock, settle

KEYS = ("a/one", "a/two", "b/one")
key = st.sampled_from(KEYS)
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("know"), st.sets(key)),
        st.tuples(st.just("publish"), st.tuples(key, st.integers(0, 3))),
        st.tuples(st.just("withdraw"), key),
        st.tuples(st.just("pass"), st.floats(0.0, 2 * FRESH_SECONDS)),
    ),
    max_size=30,
)


@dataclass
class Watcher:
    """A reader that notes each state it finds on the board."""

    board: Board
    key: str
    seen: list[bool | None] = field(default_factory=list)

    async def run(self) -> None:
        with self.board.subscribe(self.key) as changes:
            while True:
                entry = self.board.get(self.key)
                self.seen.append(None if entry is None else entry.active)
                await changes.wait(None)


@given(ACTIONS)
def test_only_the_last_fresh_decision_of_a_known_policy_shows(actions: list[tuple[str, object]]) -> None:
    clock = FakeClock()
    board = Board(clock)
    known: set[str] = set()
    last: dict[str, Entry] = {}

    async def run() -> None:
        watchers = [Watcher(board, name) for name in KEYS]
        tasks = [asyncio.create_task(watcher.run()) for watcher in watchers]
        await settle()
        for action in actions:
            match action:
                case "know", set(names):
                    known.clear()
                    known.update(names)
                    board.know(name for name in names)
                    for gone in last.keys() - known:
                        del last[gone]
                case "publish", (str(name), int(desired)):
                    board.publish(name, desired, clock.now())
                    last[name] = Entry(desired, clock.now())
                case "withdraw", str(name):
                    board.withdraw(name)
                    last.pop(name, None)
                case "pass", float(seconds):
                    await clock.advance(seconds)
            await settle()
            assert board.known == known
            for watcher in watchers:
                entry = last.get(watcher.key)
                fresh = entry is not None and clock.now() - entry.at_seconds <= FRESH_SECONDS
                shows = entry if fresh and watcher.key in known else None
                assert board.get(watcher.key) == shows
                if shows:  # whoever waits has seen it, however it came to be
                    assert watcher.seen[-1] is shows.active
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(run())


async def test_the_board_keeps_no_subscription_that_has_ended() -> None:
    board = Board(FakeClock())
    kept = weakref.WeakSet[Subscription]()

    async def read(name: str) -> None:
        with board.subscribe(name) as changes:
            kept.add(changes)
            await changes.wait(None)

    tasks = [asyncio.create_task(read(name)) for name in (*KEYS, *KEYS)]
    await settle()
    assert len(kept) == 2 * len(KEYS)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    del tasks, task
    await settle()
    gc.collect()
    assert len(kept) == 0


async def test_a_wait_ends_after_its_time_and_leaves_no_timer() -> None:
    clock = FakeClock()
    board = Board(clock)
    board.know(KEYS)
    with board.subscribe("a/one") as changes:
        waiting = asyncio.create_task(changes.wait(30.0))
        await clock.advance(29.0)
        assert not waiting.done()
        await clock.advance(1.0)
        assert waiting.done()
        waiting = asyncio.create_task(changes.wait(30.0))
        await settle()
        board.publish("a/one", 1, clock.now())
        await settle()
        assert waiting.done()
        assert clock.sleeping == 0
        waiting = asyncio.create_task(changes.wait(None))
        await clock.advance(3600.0)  # the timer of the wait before was cancelled
        assert not waiting.done()
        changes.wake()
        await waiting


async def test_changes_during_a_slow_write_wake_once() -> None:
    clock = FakeClock()
    board = Board(clock)
    board.know(KEYS)
    with board.subscribe("a/one") as changes:
        for desired in (1, 0, 2):
            board.publish("a/one", desired, clock.now())
        await changes.wait(None)
        waiting = asyncio.create_task(changes.wait(None))
        await settle()
        assert not waiting.done()
        waiting.cancel()


def test_the_age_shows_why_there_is_no_decision() -> None:
    clock = FakeClock()
    board = Board(clock)
    board.know(KEYS)
    assert board.age_seconds("a/one") is None
    board.publish("a/one", 1, clock.now() - FRESH_SECONDS - 1)
    assert board.age_seconds("a/one") == FRESH_SECONDS + 1
    assert board.get("a/one") is None


@pytest.mark.parametrize("desired", [-1, MAX_REPLICAS + 1])
def test_what_no_hpa_can_take_is_refused(desired: int) -> None:
    with pytest.raises(ValueError, match="withdraw a decision that is unknown"):
        Board(FakeClock()).publish("a/one", desired, 0.0)
