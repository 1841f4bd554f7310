"""The kubelets' part of the API: nodes with their GPUs and images, and the Events of image pulls."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from replay.sim.views import NodeView
from replay.simcluster import objects, pulls
from replay.simcluster.resources import NODES, Json
from replay.simcluster.store import Store


class Kubelet:
    """Mirrors the world's nodes in the store. `record` stores an Event of a namespace."""

    def __init__(
        self,
        store: Store,
        image: str,
        record: Callable[[str, Json], object],
        node_labels: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self._store, self._image, self._record = store, image, record
        self._node_labels = node_labels or {}  # by offering
        self._nodes: dict[str, NodeView] = {}
        self._reported: dict[str, set[str]] = {}  # by a pod's uid: the reasons of its Events

    def follow_nodes(self, views: Iterable[NodeView]) -> None:
        """Mirror the nodes whose kubelets have registered."""
        there = {view.name: view for view in views if view.registered_seconds is not None}
        for name in self._nodes.keys() - there.keys():
            self._store.remove(NODES, "", name)
        for name, view in there.items():
            before = self._nodes.get(name)
            if before is None or _shown(before) != _shown(view):
                labels = self._node_labels.get(view.offering, {})
                self._store.put(NODES, objects.node(view, self._image, labels))
        self._nodes = there

    def report(self, pod: Json, scheduled_seconds: float | None, image_seconds: float | None) -> None:
        """Write the Events that are due for a pod's image: when the pod got its node, and when the image was there."""
        if scheduled_seconds is None:
            return
        reported = self._reported.setdefault(pod["metadata"]["uid"], set())
        if image_seconds is not None and image_seconds <= scheduled_seconds:
            self._write(pod, reported, "Pulled", pulls.present(self._image), scheduled_seconds)
            return
        self._write(pod, reported, "Pulling", pulls.pulling(self._image), scheduled_seconds)
        if image_seconds is not None:
            took_seconds = image_seconds - scheduled_seconds
            self._write(pod, reported, "Pulled", pulls.pulled(self._image, took_seconds, took_seconds), image_seconds)

    def forget(self, pod: Mapping[str, Any]) -> None:
        """The pod is gone."""
        self._reported.pop(pod["metadata"]["uid"], None)

    def _write(self, pod: Json, reported: set[str], reason: str, message: str, at_seconds: float) -> None:
        if reason not in reported:
            reported.add(reason)
            container = pod["spec"]["containers"][0]["name"]
            event = pulls.event(pod, pod["spec"]["nodeName"], reason, message, at_seconds, container)
            self._record(pod["metadata"]["namespace"], event)


def _shown(view: NodeView) -> tuple[object, ...]:
    return view.ready_seconds, view.has_image, view.gpus, view.notice_seconds is not None
