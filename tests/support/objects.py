"""The simulated cluster's store by the paths of its objects, as everyone else in a cluster writes it.

What it does not do: validate, default or delete gracefully; know more resources than the simulated cluster.
"""

from collections.abc import Callable, Iterator, Mapping

from crds.notation.timestamps import timestamp
from replay.simcluster.api import route
from replay.simcluster.objects import uid
from replay.simcluster.resources import RESOURCES, Json, Resource
from replay.simcluster.store import Key, Store, key_of

SERVED = RESOURCES


class Objects(Mapping[str, Json]):
    """All objects of a store by path. `now` gives the creation times, in Unix seconds."""

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self.store = store
        self._now = now

    def __getitem__(self, path: str) -> Json:
        resource, (namespace, name) = place(path)
        held = self.store.get(resource, namespace, name)
        if held is None:
            raise KeyError(path)
        return held

    def __iter__(self) -> Iterator[str]:
        for resource in SERVED:
            for held in self.store.objects(resource):
                yield path_of(resource, key_of(held))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def put(self, path: str, thing: Json) -> Json:
        """Create the object at a path, or change it: what is not named stays as it is."""
        resource, (namespace, name) = place(path)
        before = self.store.get(resource, namespace, name) or {}
        created = {"uid": uid(path, self.store.version), "creationTimestamp": timestamp(self._now())}
        known = {"name": name} | ({"namespace": namespace} if namespace else {})
        about = created | before.get("metadata", {}) | thing.get("metadata", {}) | known
        kind = {"kind": resource.kind, "apiVersion": resource.api_version}
        return self.store.put(resource, {**kind, **before, **thing, "metadata": about})

    def remove(self, path: str) -> None:
        """Take the object at a path away."""
        resource, (namespace, name) = place(path)
        if self.store.remove(resource, namespace, name) is None:
            raise KeyError(path)


def place(path: str) -> tuple[Resource, Key]:
    """The resource and the key of an object. Raises LookupError where no object can be."""
    for resource in (each for each in SERVED if not each.namespaced):
        name = path.removeprefix(f"{root_of(resource)}/{resource.plural}/")
        if name != path and "/" not in name:
            return resource, ("", name)
    found = route(path)
    if found is None or found.name is None:
        raise LookupError(f"{path} is the path of no object")
    return found.resource, (found.namespace or "", found.name)


def path_of(resource: Resource, key: Key) -> str:
    namespace, name = key
    return f"{root_of(resource)}/{f'namespaces/{namespace}/' if namespace else ''}{resource.plural}/{name}"


def root_of(resource: Resource) -> str:
    return f"/apis/{resource.api_version}" if resource.group else f"/api/{resource.version}"
