"""Why the cluster does not make what it was asked to: from an object's conditions and the Events about it."""

from autoscaler.kube import collection
from autoscaler.kube.client import Kube
from autoscaler.kube.errors import KubeError
from autoscaler.kube.objects import Object, key, uid

CAUSE_LIMIT = 400  # characters of what admission said; an Event and a status have 1,024 in all


async def last_warning(kube: Kube, about: Object) -> str:
    """What the last warning about an object says, in one line; empty where none can be read. Never raises."""
    try:
        found, _ = await kube.list_all(collection.events(key(about).namespace, uid(about)))
    except KubeError:
        return ""
    warnings = [each for each in found if each.get("type") == "Warning"]
    return brief(str(max(warnings, key=_last).get("message", ""))) if warnings else ""


def brief(text: str) -> str:
    """In one line, and bounded."""
    line = " ".join(text.removeprefix("Error creating: ").split())
    return line if len(line) <= CAUSE_LIMIT else f"{line[: CAUSE_LIMIT - 3]}..."


def _last(event: Object) -> str:
    """When it was last seen: RFC 3339 in one zone sorts as text."""
    series = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")
