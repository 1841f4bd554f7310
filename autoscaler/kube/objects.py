"""Reading raw API objects: their names, labels, owners and instants. Anything absent reads as empty."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias

Object: TypeAlias = Mapping[str, Any]


class Key(NamedTuple):
    """What names an object among those of its kind. As text: namespace/name."""

    namespace: str  # empty for what has none
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def metadata(thing: Object) -> Object:
    """The object's metadata."""
    found: Object = thing.get("metadata") or {}
    return found


def key(thing: Object) -> Key:
    """The object's namespace and name."""
    about = metadata(thing)
    return Key(about.get("namespace", ""), about.get("name", ""))


def uid(thing: Object) -> str:
    """The object's uid, empty if it has none yet."""
    return str(metadata(thing).get("uid", ""))


def labels(thing: Object) -> Mapping[str, str]:
    """The object's labels."""
    return metadata(thing).get("labels") or {}


def deleting(thing: Object) -> bool:
    """Whether its deletion has begun."""
    return metadata(thing).get("deletionTimestamp") is not None


def alive(job: Object) -> bool:
    """Whether a Job neither ended nor is being deleted."""
    return not deleting(job) and not condition(job, "Complete") and not condition(job, "Failed")


def node(pod: Object) -> str:
    """The node that the pod was given, empty while it has none."""
    return (pod.get("spec") or {}).get("nodeName") or ""


def phase(pod: Object) -> str:
    """The pod's phase, empty while it has none."""
    return (pod.get("status") or {}).get("phase") or ""


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
        return datetime.fromisoformat(timestamp).timestamp()
    except ValueError:
        return None


def timestamp(at_seconds: float) -> str:
    """Unix seconds as the API writes them: RFC 3339, whole seconds, UTC."""
    return datetime.fromtimestamp(int(at_seconds), tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
