"""Reading raw API objects: their names, labels, owners and instants. Anything absent reads as empty."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from crds.notation.times import unix_seconds

Object: TypeAlias = Mapping[str, Any]
Key: TypeAlias = tuple[str, str]  # namespace, name


def metadata(thing: Object) -> Object:
    """The object's metadata."""
    found: Object = thing.get("metadata") or {}
    return found


def key(thing: Object) -> Key:
    """Namespace and name; the namespace is empty for what has none."""
    about = metadata(thing)
    return about.get("namespace", ""), about.get("name", "")


def uid(thing: Object) -> str:
    """The object's uid, empty if it has none yet."""
    return str(metadata(thing).get("uid", ""))


def labels(thing: Object) -> Mapping[str, str]:
    """The object's labels."""
    return metadata(thing).get("labels") or {}


def deleting(thing: Object) -> bool:
    """Whether its deletion has begun."""
    return metadata(thing).get("deletionTimestamp") is not None


def owned_by(thing: Object, owner_uid: str) -> bool:
    """Whether one of its owners has that uid."""
    return any(owner.get("uid") == owner_uid for owner in metadata(thing).get("ownerReferences") or ())


def condition(thing: Object, kind: str) -> Object | None:
    """The status condition of that type that is True."""
    for each in _conditions(thing):
        if each.get("type") == kind and each.get("status") == "True":
            return each
    return None


def _conditions(thing: Object) -> Iterable[Object]:
    return (thing.get("status") or {}).get("conditions") or ()


def created_seconds(thing: Object) -> float | None:
    """When it was created, in Unix seconds."""
    return seconds(metadata(thing).get("creationTimestamp"))


def seconds(timestamp: str | None) -> float | None:
    """An RFC 3339 timestamp in Unix seconds; None where it is absent or unreadable."""
    if not timestamp:
        return None
    try:
        return unix_seconds(timestamp)
    except ValueError:
        return None
