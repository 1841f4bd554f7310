"""The last known content of a watched collection."""

from collections.abc import Callable, Iterable, Iterator

from autoscaler.kube.objects import Key, Object, key, labels
from crds.notation.selectors import Selector

STALE_SECONDS = 60.0  # with the API unavailable for longer, the last content is no longer taken for what there is


class Store:
    """Objects by namespace and name. The content stays while the API is unavailable: see `stale_since`."""

    def __init__(self) -> None:
        self._objects: dict[Key, Object] = {}
        self._listeners: list[Callable[[Object], None]] = []
        self._matching: dict[Selector, tuple[Object, ...]] = {}
        self.synced = False
        """Whether the collection was listed. Until then, an empty store means nothing."""
        self.stale_since: float | None = None
        """Scenario time of the last contact while the API is unavailable; None while it answers."""
        self.problem = ""
        """Why the API is unavailable; empty while it answers."""

    def current(self, now_seconds: float) -> bool:
        """Whether the content is what there is: it was listed, and the API has not been unavailable for too long."""
        return self.synced and (self.stale_since is None or now_seconds - self.stale_since <= STALE_SECONDS)

    def __iter__(self) -> Iterator[Object]:
        return iter(tuple(self._objects.values()))

    def get(self, namespace: str, name: str) -> Object | None:
        """The object of this name, if there is one."""
        return self._objects.get(Key(namespace, name))

    def matching(self, selector: Selector) -> tuple[Object, ...]:
        """The objects whose labels match, cached until something changes."""
        found = self._matching.get(selector)
        if found is None:
            found = self._matching[selector] = tuple(each for each in self if selector.matches(labels(each)))
        return found

    def subscribe(self, listener: Callable[[Object], None]) -> None:
        """Call `listener` with every object that appears, changes or goes (then in its last form)."""
        self._listeners.append(listener)

    def put(self, thing: Object) -> None:
        """Keep the object's new form. Listeners are called only if it differs from the last."""
        if self._objects.get(key(thing)) != thing:
            self._objects[key(thing)] = thing
            self._notify(thing)

    def drop(self, thing: Object) -> None:
        """Remove the object."""
        if self._objects.pop(key(thing), None) is not None:
            self._notify(thing)

    def replace(self, things: Iterable[Object]) -> None:
        """Take a complete list. Objects that it lacks are removed."""
        before, self._objects = self._objects, {key(thing): thing for thing in things}
        self.synced = True
        for where, thing in self._objects.items():
            if before.get(where) != thing:
                self._notify(thing)
        for where, thing in before.items():
            if where not in self._objects:
                self._notify(thing)

    def _notify(self, thing: Object) -> None:
        self._matching.clear()
        for listener in self._listeners:
            listener(thing)
