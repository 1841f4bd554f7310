"""Reads what admission goes by: the PriorityClasses of the cluster, the ResourceQuotas of a namespace, and what it said."""

from collections.abc import Mapping

from autoscaler.kube import collection
from autoscaler.kube.client import Kube
from autoscaler.kube.errors import KubeError
from autoscaler.kube.objects import Object, key, uid

CLASSES_SECONDS = 60.0  # how old the PriorityClasses may be
QUOTAS_SECONDS = 5.0  # how old the quotas may be: many policies of a namespace share one reading
CAUSE_LIMIT = 400  # characters of what admission said; the rest of an Event is about it


class Admission:
    """Keeps what it read for a while. Raises `KubeError`."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._classes: tuple[float, Mapping[str, Object]] | None = None
        self._quotas: dict[str, tuple[float, list[Object]]] = {}

    @property
    def known_classes(self) -> Mapping[str, Object]:
        """The PriorityClasses by name as they were last read; empty before that."""
        return self._classes[1] if self._classes else {}

    async def classes(self, now_seconds: float) -> Mapping[str, Object]:
        """The PriorityClasses by name."""
        if self._classes is None or not 0 <= now_seconds - self._classes[0] < CLASSES_SECONDS:
            found, _ = await self._kube.list_all(collection.priority_classes())
            self._classes = now_seconds, {key(each).name: each for each in found}
        return self._classes[1]

    async def quotas(self, namespace: str, now_seconds: float) -> list[Object]:
        """The ResourceQuotas of a namespace."""
        known = self._quotas.get(namespace)
        if known is None or not 0 <= now_seconds - known[0] < QUOTAS_SECONDS:
            found, _ = await self._kube.list_all(collection.resource_quotas(namespace))
            known = self._quotas[namespace] = now_seconds, found
        return known[1]

    async def cause(self, about: Object) -> str:
        """What the last warning about an object says, in one line; empty where none can be read. Never raises."""
        try:
            found, _ = await self._kube.list_all(collection.events(key(about).namespace, uid(about)))
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
