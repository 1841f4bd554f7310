"""The last known content of one watched collection."""

from collections.abc import Callable, Iterable, Iterator

from autoscaler.kube.objects import Key, Object, key, labels
from crds.notation.selectors import Selector


class Store:
    """Objects by namespace and name. Content outlives an absence of the API: see `stale_since`."""

    def __init__(self) -> None:
        self._objects: dict[Key, Object] = {}
        self._listeners: list[Callable[[Object], None]] = []
        self._matching: dict[Selector, tuple[Object, ...]] = {}
        self.synced = False
        """Whether it was listed once. Until then its emptiness means nothing."""
        self.stale_since: float | None = None
        """Scenario time at which the API was last heard, while it is away; None while it answers."""
        self.trouble = ""
        """Why the API is away; empty while it answers."""

    def __iter__(self) -> Iterator[Object]:
        return iter(tuple(self._objects.values()))

    def get(self, namespace: str, name: str) -> Object | None:
        """One object."""
        return self._objects.get(Key(namespace, name))

    def matching(self, selector: Selector) -> tuple[Object, ...]:
        """The objects whose labels the selector matches, looked for once until something changes."""
        found = self._matching.get(selector)
        if found is None:
            found = self._matching[selector] = tuple(each for each in self if selector.matches(labels(each)))
        return found

    def subscribe(self, listener: Callable[[Object], None]) -> None:
        """Call `listener` with every object that appears, changes or goes (then in its last form)."""
        self._listeners.append(listener)

    def put(self, thing: Object) -> None:
        """Keep the object's new form. Listeners hear of it only if it differs in what is kept."""
        if self._objects.get(key(thing)) != thing:
            self._objects[key(thing)] = thing
            self._tell(thing)

    def drop(self, thing: Object) -> None:
        """Forget the object."""
        if self._objects.pop(key(thing), None) is not None:
            self._tell(thing)

    def replace(self, things: Iterable[Object]) -> None:
        """Take a whole list. What it lacks is gone, however it went."""
        before, self._objects = self._objects, {key(thing): thing for thing in things}
        self.synced = True
        for where, thing in self._objects.items():
            if before.get(where) != thing:
                self._tell(thing)
        for where, thing in before.items():
            if where not in self._objects:
                self._tell(thing)

    def _tell(self, thing: Object) -> None:
        self._matching.clear()
        for listener in self._listeners:
            listener(thing)
