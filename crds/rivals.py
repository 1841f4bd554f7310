"""Which of several resources has what only one may have, such as a target: the oldest.

`outrider check` asks here about files, and the controller about a cluster.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from crds.resolve.problems import Problem

Age: TypeAlias = tuple[str, str]
Claim: TypeAlias = tuple[str, str]  # the field that states it, and what it states

_NOT_CREATED: Age = ("~", "")  # after every time


def age(raw: Any) -> Age:  # noqa: ANN401 - of a file it may be anything
    """Sorts the oldest first: by creationTimestamp, then by namespace and name. What no cluster has yet comes last."""
    metadata = raw.get("metadata") if isinstance(raw, Mapping) else None
    created = metadata.get("creationTimestamp") if isinstance(metadata, Mapping) else None
    if not isinstance(metadata, Mapping) or not isinstance(created, str):
        return _NOT_CREATED
    return created, f"{metadata.get('namespace')}/{metadata.get('name')}"


def taken(claim: Claim, owner: str) -> Problem:
    """The problem of a resource that claims what `owner`, another one, has."""
    path, value = claim
    has = "scales this target" if path == "spec.target" else "has the same value"
    return Problem(path, value, f"{owner} already {has}", "a different one")


class Claims:
    """What the resources of a cluster claim, by name; it changes as they come, change and go."""

    def __init__(self) -> None:
        self._claimants: dict[Claim, dict[str, Age]] = {}
        self._claims: dict[str, frozenset[Claim]] = {}

    def put(self, name: str, since: Age, claims: Iterable[Claim]) -> set[str]:
        """Replace what one claims. Gives the others that claimed, or claim, the same."""
        before, now = self._claims.pop(name, frozenset()), frozenset(claims)
        others = {other for claim in before | now for other in self._claimants.get(claim, ())} - {name}
        for claim in before - now:
            del self._claimants[claim][name]
            if not self._claimants[claim]:
                del self._claimants[claim]
        for claim in now:
            self._claimants.setdefault(claim, {})[name] = since
        if now:
            self._claims[name] = now
        return others

    def owner(self, claim: Claim) -> str | None:
        """Who has it."""
        claimants = self._claimants.get(claim, {})
        return min(claimants, key=claimants.__getitem__, default=None)
