"""Reading raw API objects: names, labels, owners, states and times. What is absent reads as empty."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

from crds.notation.timestamps import unix_seconds

Object: TypeAlias = Mapping[str, Any]


class Key(NamedTuple):
    """Identifies an object among those of its kind. As text: namespace/name."""

    namespace: str  # empty for an object without one
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
    """The object's uid; empty if it has none yet."""
    return str(metadata(thing).get("uid", ""))


def labels(thing: Object) -> Mapping[str, str]:
    """The object's labels."""
    return metadata(thing).get("labels") or {}


def deleting(thing: Object) -> bool:
    """Whether the object is being deleted."""
    return metadata(thing).get("deletionTimestamp") is not None


def alive(job: Object) -> bool:
    """Whether a Job has not ended and is not being deleted."""
    return not deleting(job) and not condition(job, "Complete") and not condition(job, "Failed")


def node(pod: Object) -> str:
    """The pod's node; empty while it has none."""
    return (pod.get("spec") or {}).get("nodeName") or ""


def ended(pod: Object) -> bool:
    """Whether the pod's containers have ended for good."""
    return phase(pod) in ("Succeeded", "Failed")


def phase(pod: Object) -> str:
    """The pod's phase; empty while it has none."""
    return (pod.get("status") or {}).get("phase") or ""


def owned_by(thing: Object, owner_uid: str) -> bool:
    """Whether one of the object's owners has this uid."""
    return any(owner.get("uid") == owner_uid for owner in metadata(thing).get("ownerReferences") or ())


def condition(thing: Object, kind: str) -> Object | None:
    """The status condition of this type, if its status is True."""
    for each in _conditions(thing):
        if each.get("type") == kind and each.get("status") == "True":
            return each
    return None


def _conditions(thing: Object) -> Iterable[Object]:
    return (thing.get("status") or {}).get("conditions") or ()


def created_seconds(thing: Object) -> float | None:
    """When the object was created, in Unix seconds."""
    return seconds(metadata(thing).get("creationTimestamp"))


def seconds(timestamp: str | None) -> float | None:
    """An RFC 3339 timestamp in Unix seconds; None where it is absent or unreadable."""
    if not timestamp:
        return None
    try:
        return unix_seconds(timestamp)
    except ValueError:
        return None
