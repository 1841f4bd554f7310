"""Which objects each of many selectors matches, kept up to date one change at a time.

A selector is filed under one of its terms `key in (values)`, the rarest at that moment. A change then looks at the selectors that
are filed under one of the object's labels: of 500 in a namespace, those of one target.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, TypeVar

from autoscaler.kube.objects import Key, Object, key, labels
from crds.notation.selectors import Selector

_Label = tuple[str, str]
T = TypeVar("T")


class Selections:
    """The matching objects, by every selector that was asked for and is not forgotten."""

    def __init__(self) -> None:
        self._found: dict[Selector, dict[Key, Object]] = {}
        self._made: defaultdict[Selector, dict[Hashable, Any]] = defaultdict(dict)
        self._filed: defaultdict[_Label, set[Selector]] = defaultdict(set)
        self._unfiled: set[Selector] = set()  # those that only say what must not be, or that a label exists

    def of(self, selector: Selector, objects: Iterable[Object]) -> tuple[Object, ...]:
        """The objects that match. `objects` are all there are, and are looked through for a selector that is new."""
        found = self._found.get(selector)
        if found is None:
            found = self._found[selector] = {key(each): each for each in objects if selector.matches(labels(each))}
            for place in self._places(selector):
                place.add(selector)
        return tuple(found.values())

    def made(self, selector: Selector, objects: Iterable[Object], make: Callable[..., T], *of: Hashable) -> T:
        """What `make` makes of the objects that match, and of `of`: made anew only once one of them has changed."""
        kept, asked = self._made[selector], (make, of)
        if asked not in kept:
            kept[asked] = make(self.of(selector, objects), *of)
        found: T = kept[asked]
        return found

    def forget(self, selector: Selector) -> None:
        """Keep no selector that is no longer asked for."""
        self._made.pop(selector, None)
        if self._found.pop(selector, None) is None:
            return
        self._unfiled.discard(selector)
        for label in _labels(selector):
            if label in self._filed:
                self._filed[label].discard(selector)
                if not self._filed[label]:
                    del self._filed[label]

    def change(self, before: Object | None, now: Object | None) -> list[Selector]:
        """An object has another form; None: it is not there. Gives the selectors that match it, or did before."""
        touched = []
        for selector in self._candidates(before, now):
            found = self._found[selector]
            if now is not None and selector.matches(labels(now)):
                found[key(now)] = now
            elif before is None or found.pop(key(before), None) is None:
                continue
            self._made.pop(selector, None)
            touched.append(selector)
        return touched

    def _candidates(self, *forms: Object | None) -> set[Selector]:
        candidates = set(self._unfiled)
        for form in forms:
            for label in labels(form).items() if form else ():
                candidates |= self._filed.get(label, set())
        return candidates

    def _places(self, selector: Selector) -> Iterator[set[Selector]]:
        """Where the selector is filed."""
        terms = [
            [(each.key, value) for value in each.values] for each in selector.requirements if each.operator == "in"
        ]
        if not terms:
            yield self._unfiled
            return
        rarest = min(terms, key=lambda term: sum(len(self._filed.get(label, ())) for label in term))
        for label in rarest:
            yield self._filed[label]


def _labels(selector: Selector) -> Iterator[_Label]:
    """Every label that the selector may be filed under."""
    return ((each.key, value) for each in selector.requirements if each.operator == "in" for value in each.values)
