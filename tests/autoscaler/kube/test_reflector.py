import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from autoscaler.kube import collection
from autoscaler.kube.client import Kube
from autoscaler.kube.objects import Object, metadata
from autoscaler.kube.reflector import Reflector
from autoscaler.kube.store import Store
from tests.autoscaler.kube.waiting import until
from tests.support.fake_api import DROP, EMPTY, GONE, HANG, HTML, FakeApi, Fault, connected, status
from tests.support.fake_clock import FakeClock

PODS = collection.pods("ns")
A, B = f"{PODS.path}/a", f"{PODS.path}/b"


@asynccontextmanager
async def reflecting(kube: Kube, clock: FakeClock) -> AsyncIterator[Store]:
    store = Store()
    reflector = Reflector(kube, PODS, store, clock=clock, rng=random.Random(1), trim=lambda thing: thing)
    task = asyncio.create_task(reflector.run())
    try:
        yield store
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def names(store: Store) -> list[str]:
    return sorted(metadata(each)["name"] for each in store)


def lists(api: FakeApi) -> int:
    return sum("watch" not in each for each in api.requests)


async def wake(clock: FakeClock) -> None:
    """Move time just so far that the reflector wakes."""
    while clock.sleeping:
        await clock.advance(0.25)


async def test_the_store_follows_what_comes_changes_and_goes(api: FakeApi, kube: Kube) -> None:
    await api.put(A, {})
    async with reflecting(kube, FakeClock()) as store:
        changes: list[Object] = []
        store.subscribe(changes.append)
        assert not store.synced
        await until(lambda: api.watching)
        assert store.synced
        assert names(store) == ["a"]
        await api.put(B, {"spec": {"nodeName": "n"}})
        await until(lambda: names(store) == ["a", "b"])
        await api.put(B, {"spec": {"nodeName": "m"}})
        await until(lambda: (store.get("ns", "b") or {})["spec"]["nodeName"] == "m")
        await api.remove(A)
        await until(lambda: names(store) == ["b"])
        assert [metadata(each)["name"] for each in changes] == ["a", "b", "b", "a"]
        assert lists(api) == 1


async def test_a_watch_goes_on_from_the_last_bookmark(api: FakeApi, kube: Kube) -> None:
    clock = FakeClock()
    async with reflecting(kube, clock):
        await until(lambda: api.watching)
        await api.bookmark(PODS.path)
        await api.end_watches()
        await until(lambda: len(api.requests) >= 3)
        assert f"resourceVersion={api.store.version}" in api.requests[-1]
        assert lists(api) == 1


@pytest.mark.parametrize("how", ["status", "event"])
async def test_after_410_it_lists_again_and_learns_of_deletions(api: FakeApi, kube: Kube, how: str) -> None:
    await api.put(A, {})
    await api.put(B, {})
    clock = FakeClock()
    async with reflecting(kube, clock) as store:
        await until(lambda: api.watching)
        changes: list[Object] = []
        store.subscribe(changes.append)
        if how == "status":
            api.faults.append(("watch=", GONE))
            await clock.advance(60.0)
            await api.end_watches()
        else:
            await api.say(PODS.path, b'{"type":"ERROR","object":' + GONE.body + b"}\n")
        await until(lambda: clock.sleeping)
        await api.remove(A)  # while no watch is open
        assert store.stale_since is None, "the API did answer"
        await clock.advance(2.0)
        await until(lambda: names(store) == ["b"])
        assert [metadata(each)["name"] for each in changes] == ["a"]


@pytest.mark.parametrize("fault", [HTML, EMPTY, DROP, Fault(200, b'{"items":'), status(403, "Forbidden")], ids=str)
async def test_while_the_api_is_away_the_last_good_content_stays(api: FakeApi, kube: Kube, fault: Fault) -> None:
    await api.put(A, {})
    clock = FakeClock(1000.0)
    async with reflecting(kube, clock) as store:
        await until(lambda: api.watching)
        await clock.advance(50.0)
        await api.put(B, {})
        await until(lambda: names(store) == ["a", "b"])
        api.standing.append(("pods", fault))
        await api.say(PODS.path, b"no json\n")
        await until(lambda: clock.sleeping)
        assert names(store) == ["a", "b"]
        for _ in range(5):
            await clock.advance(30.0)
            await until(lambda: clock.sleeping)
        assert store.stale_since == 1050.0
        assert store.problem
        assert names(store) == ["a", "b"]
        api.standing.clear()
        await clock.advance(30.0)
        await until(lambda: store.stale_since is None)
        assert store.problem == ""


async def test_a_watch_that_breaks_was_good_until_it_broke(api: FakeApi, kube: Kube) -> None:
    clock = FakeClock(1000.0)
    async with reflecting(kube, clock) as store:
        await until(lambda: api.watching)
        await clock.advance(50.0)
        await api.say(PODS.path, b"no json\n")
        await until(lambda: clock.sleeping)
        assert store.stale_since == 1050.0


async def test_a_watch_that_falls_silent_was_good_until_it_was_heard_last(api: FakeApi, tmp_path: Path) -> None:
    async with connected(api, tmp_path, timeout_seconds=0.05) as kube:
        api.standing.append(("watch=", HANG))
        clock = FakeClock(1000.0)
        async with reflecting(kube, clock) as store:
            await until(lambda: len(api.requests) == 2)
            await clock.advance(50.0)
            await until(lambda: clock.sleeping)
            assert store.stale_since == 1000.0


async def test_failures_are_spaced_out_more_and_more(api: FakeApi, kube: Kube) -> None:
    api.standing.append(("pods", HTML))
    clock = FakeClock(0.0)
    async with reflecting(kube, clock):
        pauses = []
        for n in range(1, 9):
            await until(lambda: clock.sleeping)
            assert len(api.requests) == n, "one request between two pauses"
            before = clock.now()
            await wake(clock)
            pauses.append(clock.now() - before)
    for pause, most in zip(pauses, [1, 2, 4, 8, 16, 30, 30, 30], strict=True):
        assert most / 2 <= pause <= most + 0.25


async def test_a_server_that_hangs_up_at_once_is_not_hammered(api: FakeApi, kube: Kube) -> None:
    """200 with an empty body, again and again: one request per pause."""
    api.standing.append(("watch=", EMPTY))
    clock = FakeClock()
    async with reflecting(kube, clock) as store:
        for n in range(2, 6):
            await until(lambda: clock.sleeping)
            assert len(api.requests) == n  # one list, then one watch per pause
            await wake(clock)
        assert store.stale_since is None


async def test_a_quiet_watch_that_ends_in_its_time_is_renewed_without_a_pause(api: FakeApi, kube: Kube) -> None:
    clock = FakeClock()
    async with reflecting(kube, clock):
        for n in range(2, 6):
            await until(lambda count=n: len(api.requests) == count and api.watching)  # type: ignore[misc]
            await clock.advance(60.0)
            await api.end_watches()
        await until(lambda: len(api.requests) == 6)
        assert not clock.sleeping


async def test_a_list_that_hangs_is_given_up(api: FakeApi, tmp_path: Path) -> None:
    async with connected(api, tmp_path, timeout_seconds=0.05) as kube:
        api.faults.append(("pods", HANG))
        clock = FakeClock()
        async with reflecting(kube, clock) as store:
            await until(lambda: clock.sleeping)
            assert not store.synced
            assert "no answer within" in store.problem
            await clock.advance(1.0)
            await until(lambda: store.synced)


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe\n",
        b"[]\n",
        b'{"type":"ADDED"}\n',
        b'{"type":"ADDED","object":null}\n',
        b'{"type":"ADDED","object":{"metadata":{"resourceVersion":"1"}}}\n',
        b'{"type":"ERROR","object":{"code":500,"message":"etcd is sad"}}\n',
    ],
    ids=str,
)
async def test_an_event_that_cannot_be_read_leads_to_a_new_list(api: FakeApi, kube: Kube, line: bytes) -> None:
    clock = FakeClock()
    async with reflecting(kube, clock) as store:
        await until(lambda: api.watching)
        await api.say(PODS.path, line)
        await until(lambda: clock.sleeping)
        api.compact()
        await api.put(A, {})
        await clock.advance(1.0)
        await until(lambda: names(store) == ["a"])
        assert lists(api) == 2


async def test_the_watch_is_asked_to_end_within_a_jittered_time(api: FakeApi, kube: Kube) -> None:
    async with reflecting(kube, FakeClock()):
        await until(lambda: api.watching)
        asked = int(api.requests[-1].split("timeoutSeconds=")[1].split("&")[0])
        assert 60 <= asked <= 90
        assert "allowWatchBookmarks=true" in api.requests[-1]
