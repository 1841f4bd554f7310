"""A Kubernetes API in memory, in place of the stand-in's client: deterministic, on no clock of its own.

What it does not do:
- HTTP, JSON, authentication, validation, defaulting; patches merge, and what is not there is NotFound;
- end a watch by itself, or forget history; page; label selectors;
- controllers and schedulers: a test binds and deletes pods by hand, as `tell` and `ask_deletion`.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator
from typing import Any

from autoscaler.kube.collection import Collection
from autoscaler.kube.errors import Conflict, NotFound, Unavailable
from crds.notation.times import timestamp
from tests.support.fake_clock import FakeClock

Json = dict[str, Any]


class FakeKube:
    """Objects by path. `away`: every call fails, and watches break."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.objects: dict[str, Json] = {}
        self.events: list[Json] = []
        self.patches: list[tuple[str, Json]] = []
        self.away = False
        self._version = itertools.count(1)
        self._watchers: dict[asyncio.Queue[bytes], str] = {}

    # -- what a test does by hand

    def tell(self, path: str, thing: Json) -> None:
        """Create or change an object."""
        kind = "MODIFIED" if path in self.objects else "ADDED"
        before = self.objects.get(path, {})
        about = {
            "creationTimestamp": timestamp(self._clock.now()),
            "uid": f"uid of {path}",
            **before.get("metadata", {}),
        }
        about |= {
            "name": path.rsplit("/", 1)[1],
            **thing.get("metadata", {}),
            "resourceVersion": str(next(self._version)),
        }
        if "/namespaces/" in path:
            about["namespace"] = path.split("/namespaces/")[1].split("/", maxsplit=1)[0]
        self.objects[path] = {**before, **thing, "metadata": about}
        self._publish(path, kind)

    def ask_deletion(self, path: str, grace_seconds: int = 30) -> None:
        """Ask for a pod's deletion; it stays until its kubelet removes it."""
        at = timestamp(self._clock.now() + grace_seconds)
        self.tell(path, {"metadata": {"deletionTimestamp": at, "deletionGracePeriodSeconds": grace_seconds}})

    def lose(self, path: str) -> None:
        """Take an object away."""
        thing = self.objects.pop(path)
        thing["metadata"]["resourceVersion"] = str(next(self._version))
        self._publish(path, "DELETED", thing)

    def go_away(self) -> None:
        """The API server is down: watches break."""
        self.away = True
        for queue in self._watchers:
            queue.put_nowait(b"")

    # -- the client

    async def list_all(self, collection: Collection) -> tuple[list[Json], str]:
        self._there()
        found = [thing for path, thing in self.objects.items() if path.rsplit("/", 2)[1] == collection.plural]
        return _copy(found), str(next(self._version))

    async def watch(self, collection: Collection, resource_version: str, seconds: float) -> AsyncGenerator[bytes]:
        self._there()
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._watchers[queue] = collection.plural
        try:
            while line := await queue.get():
                yield line
            raise Unavailable("the watch broke")
        finally:
            del self._watchers[queue]

    async def create(self, path: str, body: Json) -> Json:
        self._there()
        self.events.append(body)
        return body

    async def merge_patch(self, path: str, body: Json) -> Json:
        self._there()
        await asyncio.sleep(0)
        at = path.removesuffix("/status")
        self._existing(at, body.get("metadata", {}).get("uid"))
        self.patches.append((at, body["status"]))
        self.tell(at, {"status": {**self.objects[at].get("status", {}), **body["status"]}})
        return _copy(self.objects[at])

    async def remove(self, path: str, its_uid: str) -> None:
        self._there()
        self._existing(path, its_uid)
        self.lose(path)

    def _there(self) -> None:
        if self.away:
            raise Unavailable("the API server is down")

    def _existing(self, path: str, its_uid: str | None) -> None:
        if path not in self.objects:
            raise NotFound(path)
        if its_uid not in (None, self.objects[path]["metadata"]["uid"]):
            raise Conflict(path)

    def _publish(self, path: str, kind: str, thing: Json | None = None) -> None:
        line = json.dumps({"type": kind, "object": thing or self.objects[path]}).encode()
        for queue, plural in self._watchers.items():
            if path.rsplit("/", 2)[1] == plural:
                queue.put_nowait(line)


def _copy(thing: Any) -> Any:
    return json.loads(json.dumps(thing))
