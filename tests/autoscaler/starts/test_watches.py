import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from structlog.testing import capture_logs

from autoscaler.kube import collection, trim
from autoscaler.kube.client import Kube
from autoscaler.kube.objects import key
from autoscaler.kube.reflector import Tail
from autoscaler.kube.store import Store, Stream
from autoscaler.kube.watches import Watches
from autoscaler.starts.watches import AGAIN_SECONDS, AWAY_SECONDS, FOLLOW_SECONDS, StartWatches
from crds.notation.timestamps import unix_seconds
from tests.autoscaler.kube.waiting import until
from tests.autoscaler.starts.recorded import NODE, T0, node
from tests.support.fake_api import FakeApi, status
from tests.support.fake_clock import FakeClock

FORBIDDEN = status(403, "Forbidden")


@asynccontextmanager
async def watching(
    kube: Kube, clock: FakeClock, *, nodes: bool, namespaces: Sequence[str] = ("ns",)
) -> AsyncIterator[StartWatches]:
    watches = StartWatches(kube, clock, random.Random(1), lambda: namespaces, Store if nodes else None)
    running = asyncio.create_task(watches.run())
    try:
        yield watches
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def asked(api: FakeApi, part: str) -> int:
    return sum(part in request for request in api.requests)


async def test_what_cannot_be_read_is_missing_logged_once_and_looked_for_again(api: FakeApi, kube: Kube) -> None:
    api.standing += [(part, FORBIDDEN) for part in ("/nodes", "/nodeclaims", "/events")]
    clock = FakeClock()
    with capture_logs() as logs:
        async with watching(kube, clock, nodes=True) as watches:
            await until(lambda: watches.missing("ns") == ("Events", "nodes") and clock.sleeping == 5)
            await clock.advance(AGAIN_SECONDS + 1.0)
            await until(lambda: asked(api, "/nodes") == 2 and asked(api, "/events") == 4)
            assert watches.node(NODE) is None
    said = [each["what"] for each in logs if each["event"] == "starts.not_seen" and each["log_level"] == "info"]
    assert sorted(said) == ["Events", "nodes"]


async def test_after_an_outage_at_the_start_nodes_are_seen_again_soon(api: FakeApi, kube: Kube) -> None:
    api.standing.append(("/nodes", status(503, "ServiceUnavailable")))
    clock = FakeClock()
    async with watching(kube, clock, nodes=True) as watches:
        await until(lambda: "nodes" in watches.missing("ns") and clock.sleeping >= 2)
        api.standing.clear()
        await clock.advance(AWAY_SECONDS + 1.0)
        await until(lambda: "nodes" not in watches.missing("ns"))


async def test_a_controller_of_one_namespace_reads_no_nodes(api: FakeApi, kube: Kube) -> None:
    api.standing += [("/events", FORBIDDEN)]
    async with watching(kube, FakeClock(), nodes=False) as watches:
        await until(lambda: watches.missing("ns") == ("Events", "nodes"))
    assert asked(api, "/nodes") == asked(api, "/nodeclaims") == 0
    assert all("involvedObject.kind=Pod,reason=Pull" in request for request in api.requests)


async def test_events_that_cannot_be_read_are_missing_in_their_own_namespace(api: FakeApi, kube: Kube) -> None:
    api.standing += [("/theirs/events", FORBIDDEN)]
    clock, namespaces = FakeClock(), ["theirs"]
    async with watching(kube, clock, nodes=False, namespaces=namespaces) as watches:
        await until(lambda: watches.missing("theirs") == ("Events", "nodes"))
        assert watches.missing("ns") == ("nodes",)
        namespaces.clear()
        await clock.advance(FOLLOW_SECONDS + 1.0)
        await until(lambda: watches.missing("theirs") == ("nodes",))


async def test_a_node_is_known_until_it_goes(api: FakeApi, kube: Kube) -> None:
    clock = FakeClock(T0 + 62.0)
    watches = StartWatches(kube, clock, random.Random(1), list, Store)
    watches._nodes.put(trim.node(node()))
    await clock.advance(37.0)
    watches._nodes.put(trim.node(node(gpus=1)))
    found = watches.node(NODE)
    assert found is not None
    assert found.gpu_seconds == T0 + 99.0
    watches._nodes.drop(trim.node(node(gpus=1)))
    assert watches.node(NODE) is None


async def test_nodes_that_something_else_has_begun_to_watch_are_watched_once(api: FakeApi, kube: Kube) -> None:
    clock = FakeClock(T0 + 62.0)
    theirs = Watches(kube, clock, random.Random(1), None)
    await api.put(f"/api/v1/nodes/{NODE}", node())
    running = asyncio.create_task(theirs.run())
    await until(lambda: theirs.nodes.synced)
    watches = StartWatches(kube, clock, random.Random(1), list, lambda: theirs.nodes)
    starting = asyncio.create_task(watches.run())
    await until(lambda: watches.node(NODE) is not None)
    await clock.advance(37.0)
    await api.put(f"/api/v1/nodes/{NODE}", node(gpus=1))
    await until(lambda: (found := watches.node(NODE)) is not None and found.gpu_seconds is not None)
    assert watches.missing("ns") == ()
    assert sum("/api/v1/nodes?" in request and "watch" in request for request in api.requests) == 1
    for task in (running, starting):
        task.cancel()
    await asyncio.gather(running, starting, return_exceptions=True)


async def test_a_tail_passes_on_what_comes_and_keeps_nothing(api: FakeApi, kube: Kube) -> None:
    await api.put("/api/v1/namespaces/ns/pods/before", {})
    stream, came = Stream(), list[str]()
    stream.subscribe(lambda thing: came.append(key(thing).name))
    tail = Tail(kube, collection.pods("ns"), stream, clock=FakeClock(), rng=random.Random(1), trim=trim.pod)
    running = asyncio.create_task(tail.run())
    await until(lambda: api.watching == 1)
    await api.put("/api/v1/namespaces/ns/pods/after", {})
    await until(lambda: came == ["after"])
    assert not list(stream)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def a_claim(**more: object) -> dict[str, object]:
    about = {"name": "h100-x7k2p", "uid": "claim", "creationTimestamp": "2026-05-04T09:30:00Z", **more}
    return {"metadata": about, "spec": {"resources": {"requests": {"nvidia.com/gpu": "8"}}}}


async def test_a_node_whose_claim_is_deleted_is_going_until_it_is_gone(api: FakeApi, kube: Kube) -> None:
    watches = StartWatches(kube, FakeClock(), random.Random(1), list, Store)
    placed = {**a_claim(), "status": {"nodeName": NODE}}
    watches._claims.put(trim.node_claim(placed))
    assert watches.going == frozenset()
    leaving = {**a_claim(deletionTimestamp="2026-05-04T10:30:00Z"), "status": {"nodeName": NODE}}
    watches._claims.put(trim.node_claim(leaving))
    assert watches.going == {NODE}
    watches._claims.drop(trim.node_claim(leaving))
    assert watches.going == frozenset()


async def test_who_asks_is_told_of_every_claim_and_of_those_without_capacity(api: FakeApi, kube: Kube) -> None:
    created = unix_seconds("2026-05-04T09:30:00Z")
    told: list[tuple[str, bool]] = []
    watches = StartWatches(kube, FakeClock(created + 20.0), random.Random(1), list, Store)
    watches.subscribe_claims(lambda claim, refused: told.append((key(claim).name, refused)))
    watches._claims.put(trim.node_claim(a_claim()))
    watches._claims.drop(trim.node_claim(a_claim()))
    assert told == [("h100-x7k2p", False), ("h100-x7k2p", True)]
