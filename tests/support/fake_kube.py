"""The simulated cluster's store behind the client of the stand-in for the kubelet: in memory, and on no clock of its own.

Lists, watches and versions are `replay.simcluster`'s, which its contract holds to a real API server. What it does not do:
- HTTP, JSON, authentication, validation, defaulting;
- patch anything but a status;
- end a watch by itself, but by going away; page through lists;
- controllers and schedulers: a test binds and deletes pods by hand, in `objects` and with `ask_deletion`.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from autoscaler.kube.collection import Collection
from autoscaler.kube.errors import Conflict, NotFound, Unavailable
from crds.notation.timestamps import timestamp
from replay.simcluster import watches
from replay.simcluster.patch import merge
from replay.simcluster.store import Store
from tests.support.fake_clock import FakeClock
from tests.support.objects import SERVED, Objects

Json = dict[str, Any]


class FakeKube:
    """`events` and `patches` keep what the client has written, `objects` what there is."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._store = Store()
        self.objects = Objects(self._store, clock.now)
        self.events: list[Json] = []
        self.patches: list[tuple[str, Json]] = []
        self._away = False

    # -- what a test does by hand

    def ask_deletion(self, path: str, grace_seconds: int = 30) -> None:
        """Ask for a pod's deletion; it stays until its kubelet removes it."""
        at = timestamp(self._clock.now() + grace_seconds)
        self.objects.put(path, {"metadata": {"deletionTimestamp": at, "deletionGracePeriodSeconds": grace_seconds}})

    def go_away(self) -> None:
        """The API server is down: every call fails, and watches break."""
        self._away = True
        self._store.close()

    def come_back(self) -> None:
        """The API server is up again, with all that it had."""
        self._away = self._store.closed = False

    # -- the client

    async def list_all(self, collection: Collection) -> tuple[list[Json], str]:
        self._there()
        listed = watches.listing(self._store, _collection(collection), {})
        return listed["items"], listed["metadata"]["resourceVersion"]

    async def watch(self, collection: Collection, resource_version: str, seconds: float) -> AsyncGenerator[bytes]:
        self._there()
        span = watches.Span(int(resource_version), seconds)
        async with aclosing(watches.lines(self._store, _collection(collection), span)) as lines:
            async for line in lines:
                yield line
        raise Unavailable("the watch broke")

    async def create(self, path: str, body: Json) -> Json:
        self._there()
        self.events.append(body)
        return body

    async def merge_patch(self, path: str, body: Json) -> Json:
        self._there()
        await asyncio.sleep(0)
        at = path.removesuffix("/status")
        held = self._existing(at, body.get("metadata", {}).get("uid"))
        self.patches.append((at, body["status"]))
        return self.objects.put(at, {"status": merge(held.get("status", {}), body["status"])})

    async def remove(self, path: str, its_uid: str) -> None:
        self._there()
        self._existing(path, its_uid)
        self.objects.remove(path)

    def _there(self) -> None:
        if self._away:
            raise Unavailable("the API server is down")

    def _existing(self, path: str, its_uid: str | None) -> Json:
        if path not in self.objects:
            raise NotFound(path)
        held = self.objects[path]
        if its_uid not in (None, held["metadata"]["uid"]):
            raise Conflict(path)
        return held


def _collection(of: Collection) -> watches.Collection:
    resource = next(each for each in SERVED if (each.api_version, each.plural) == (of.api_version, of.plural))
    return watches.Collection.of(resource, of.namespace, {"labelSelector": of.label_selector})
