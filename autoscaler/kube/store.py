"""The last known content of a watched collection."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from autoscaler.kube.objects import Key, Object, key
from autoscaler.kube.selections import Selections
from crds.notation.selectors import Selector

STALE_SECONDS = 60.0  # with the API unavailable for longer, the last content is no longer taken for what there is


T = TypeVar("T")


class _Change(NamedTuple):
    before: Object | None
    now: Object | None
    last: Object  # its newest form, also where it is gone


class Store:
    """Objects by namespace and name. The content stays while the API is unavailable: see `stale_since`."""

    def __init__(self) -> None:
        self._objects: dict[Key, Object] = {}
        self._listeners: list[Callable[[Object], None]] = []
        self._selections = Selections()
        self._selection_listeners: list[Callable[[Selector], None]] = []
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
        """The objects whose labels match, kept up to date until the selector is forgotten."""
        return self._selections.of(selector, self._objects.values())

    def made(self, selector: Selector, make: Callable[..., T], *of: Hashable) -> T:
        """What `make` makes of the objects whose labels match, and of `of`; it is made anew only once one of them has changed."""
        return self._selections.made(selector, self._objects.values(), make, *of)

    def forget(self, selector: Selector) -> None:
        """The selector is no longer asked for."""
        self._selections.forget(selector)

    def subscribe(self, listener: Callable[[Object], None]) -> None:
        """Call `listener` with every object that appears, changes or goes (then in its last form)."""
        self._listeners.append(listener)

    def subscribe_selections(self, listener: Callable[[Selector], None]) -> None:
        """Call `listener` with every selector that was asked for and now matches other objects, or another form of one."""
        self._selection_listeners.append(listener)

    def put(self, thing: Object) -> None:
        """Keep the object's new form. Listeners are called only if it differs from the last."""
        before = self._objects.get(key(thing))
        if before != thing:
            self._objects[key(thing)] = thing
            self._changed([_Change(before, thing, thing)])

    def drop(self, thing: Object) -> None:
        """Remove the object."""
        before = self._objects.pop(key(thing), None)
        if before is not None:
            self._changed([_Change(before, None, thing)])

    def replace(self, things: Iterable[Object]) -> None:
        """Take a complete list. Objects that it lacks are removed."""
        before, self._objects = self._objects, {key(thing): thing for thing in things}
        self.synced = True
        changes = [
            _Change(before.get(where), thing, thing)
            for where, thing in self._objects.items()
            if before.get(where) != thing
        ]
        changes += [_Change(thing, None, thing) for where, thing in before.items() if where not in self._objects]
        self._changed(changes)

    def _changed(self, changes: Sequence[_Change]) -> None:
        touched: dict[Selector, None] = {}
        for change in changes:
            touched |= dict.fromkeys(self._selections.change(change.before, change.now))
        for change in changes:
            for listener in self._listeners:
                listener(change.last)
        for selector in touched:
            for selection_listener in self._selection_listeners:
                selection_listener(selector)


class Stream(Store):
    """Passes each object on to those that subscribe, and keeps none."""

    def put(self, thing: Object) -> None:
        """Pass the object on."""
        self._changed([_Change(None, thing, thing)])
