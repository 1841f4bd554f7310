"""Objects with resource versions, and the history of changes for watches."""

import asyncio
from collections import deque
from dataclasses import dataclass

from replay.simcluster import failures
from replay.simcluster.resources import Json, Resource

Key = tuple[str, str]  # namespace (empty for cluster-scoped objects), name


@dataclass(frozen=True, slots=True)
class Change:
    """An object before and after a change; None where it did not exist."""

    version: int
    resource: Resource
    before: Json | None
    after: Json | None


def key_of(stored: Json) -> Key:
    """The key of an object."""
    metadata = stored["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


class Store:
    """All objects of the cluster. One counter gives every change its resource version, as in etcd.

    Objects are shared with readers and never changed in place: `put` takes a new one.
    """

    def __init__(self, history: int = 4096) -> None:
        self.version = 1
        self._objects: dict[Resource, dict[Key, Json]] = {}
        self._changes: deque[Change] = deque(maxlen=history)
        self._oldest = 1  # all changes after this version are kept
        self._pulse = asyncio.Event()
        self.closed = False

    def get(self, resource: Resource, namespace: str, name: str) -> Json | None:
        """The object, or None."""
        return self._objects.get(resource, {}).get((namespace, name))

    def objects(self, resource: Resource, namespace: str | None = None) -> list[Json]:
        """All objects of a resource, by namespace and name."""
        held = self._objects.get(resource, {})
        return [held[key] for key in sorted(held) if namespace is None or key[0] == namespace]

    def put(self, resource: Resource, new: Json) -> Json:
        """Store an object under the next resource version. An unchanged object keeps its version."""
        held = self._objects.setdefault(resource, {})
        key = key_of(new)
        before = held.get(key)
        if before is not None:
            same_version = {**new["metadata"], "resourceVersion": before["metadata"]["resourceVersion"]}
            if {**new, "metadata": same_version} == before:
                return before
        after = {**new, "metadata": {**new["metadata"], "resourceVersion": str(self.version + 1)}}
        held[key] = after
        self._record(resource, before, after)
        return after

    def remove(self, resource: Resource, namespace: str, name: str) -> Json | None:
        """Remove an object; returns its last state, or None if it did not exist."""
        before = self._objects.get(resource, {}).pop((namespace, name), None)
        if before is not None:
            self._record(resource, before, None)
        return before

    def changes(self, resource: Resource, since: int) -> list[Change]:
        """The changes of a resource after a version, oldest first. Raises `ApiError` 410 if they are no longer kept."""
        if since < self._oldest:
            raise failures.expired(since, self._oldest)
        found = []
        for change in reversed(self._changes):
            if change.version <= since:
                break
            if change.resource is resource:
                found.append(change)
        return found[::-1]

    async def wait(self) -> None:
        """Return after the next change, or when the store is closed."""
        await self._pulse.wait()

    def close(self) -> None:
        """Close the store and wake everyone who waits."""
        self.closed = True
        self._wake()

    def _record(self, resource: Resource, before: Json | None, after: Json | None) -> None:
        self.version += 1
        if len(self._changes) == self._changes.maxlen:
            self._oldest = self._changes[0].version
        self._changes.append(Change(self.version, resource, before, after))
        self._wake()

    def _wake(self) -> None:
        self._pulse.set()  # wakes those who wait now
        self._pulse = asyncio.Event()  # for those who wait next
