"""Reads what admission goes by: the PriorityClasses of the cluster, and the ResourceQuotas of a namespace."""

from collections.abc import Mapping

from autoscaler.kube import collection
from autoscaler.kube.client import Kube
from autoscaler.kube.objects import Object, key

CLASSES_SECONDS = 60.0  # how old the PriorityClasses may be
QUOTAS_SECONDS = 5.0  # how old the quotas may be: many policies of a namespace share one reading


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
