"""The standby nodes of a pool's Jobs: whole nodes of an offering, as views like those of balloons."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from crds.notation.timestamps import timestamp
from policies.pool import StandbyPhase, StandbyUnit
from replay.sim.cluster import Cluster
from replay.sim.views import BalloonView, Ended
from replay.simcluster import failures, objects
from replay.simcluster.resources import JOBS, Json

_ON_A_NODE = (StandbyPhase.READY, StandbyPhase.LEAVING)


@dataclass(frozen=True, slots=True)
class Said:
    """What the node autoscaler says in an Event of a unit's pod."""

    unit: str
    reason: str
    message: str
    at_seconds: float


class StandbyUnits:
    """By the namespace and name of their Jobs. `node_labels` is by offering: what its nodes have."""

    def __init__(self, cluster: Cluster, node_labels: Mapping[str, Mapping[str, str]]) -> None:
        self._cluster = cluster
        self._node_labels = node_labels
        self._views: dict[str, BalloonView] = {}
        self._refused: dict[str, float] = {}  # by unit: the refusal that was last said

    def create(self, name: str, job: Json, deadline_seconds: float) -> None:
        """Ask for a node of the first offering that the pod's node selector fits. Raises `ApiError` 422 where none does."""
        wanted: Json = job["spec"]["template"]["spec"].get("nodeSelector") or {}
        found = (each for each, has in self._node_labels.items() if wanted.items() <= has.items())
        offering = next(found, None)
        if offering is None:
            cause = failures.invalid_value(
                "spec.template.spec.nodeSelector", wanted, "no node of an offering has these"
            )
            raise failures.invalid(JOBS.group, JOBS.kind, job["metadata"]["name"], [cause])
        self._cluster.create_standby(name, offering, deadline_seconds)
        now = self._cluster.now_seconds
        self._views[name] = BalloonView(name, now, now + deadline_seconds, None, None, None, None)

    def delete(self, name: str) -> None:
        """Let it go, if it still holds something."""
        if self._views.pop(name).ended is None:
            self._cluster.delete_standby(name)

    def views(self) -> Iterator[BalloonView]:
        """All of them, also those that have ended and whose Jobs are there."""
        there = {unit.name: unit for unit in self._cluster.standby()}
        for name, view in list(self._views.items()):
            unit = there.get(name)
            if unit is None and view.ended is None:
                over = self._cluster.now_seconds >= view.deadline_seconds
                view = replace(view, ended=Ended.DEADLINE if over else Ended.PREEMPTED)  # noqa: PLW2901
            elif unit is not None and unit.phase in _ON_A_NODE and view.node is None:
                since = unit.since_seconds
                view = replace(view, node=unit.node, scheduled_seconds=since, running_seconds=since)  # noqa: PLW2901
            self._views[name] = view
            yield view

    def said(self) -> Iterator[Said]:
        """What is new of the units that wait for a node: that there is none, or that one is on its way after all."""
        for unit in self._cluster.standby():
            if unit.name not in self._views:
                continue
            last = self._refused.get(unit.name)
            if unit.phase is StandbyPhase.REFUSED and unit.since_seconds != last:
                self._refused[unit.name] = unit.since_seconds
                yield Said(unit.name, "FailedScheduling", _no_capacity(unit), unit.since_seconds)
            elif unit.phase is not StandbyPhase.REFUSED and last is not None:
                del self._refused[unit.name]
                yield Said(unit.name, "Nominated", "Pod should schedule on a new node", self._cluster.now_seconds)


def event(pod: Json, said: Said) -> Json:
    """The Event about a pod."""
    about, at = pod["metadata"], timestamp(said.at_seconds)
    name = f"{about['name']}.{objects.suffix(about['uid'], said.reason, said.at_seconds)}"
    return {
        "metadata": {"name": name, "namespace": about["namespace"]},
        "involvedObject": {
            "kind": "Pod",
            "apiVersion": "v1",
            "namespace": about["namespace"],
            "name": about["name"],
            "uid": about["uid"],
        },
        "type": "Warning" if said.reason == "FailedScheduling" else "Normal",
        "reason": said.reason,
        "message": said.message,
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
        "source": {"component": "karpenter"},
        "reportingComponent": "karpenter",
    }


def _no_capacity(unit: StandbyUnit) -> str:
    return f"Failed to schedule pod, no instance type of {unit.offering} has an available offering"
