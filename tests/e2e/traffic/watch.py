"""Polls the cluster twice a second while the traffic runs: replicas, paid nodes and balloons."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from autoscaler.kube.objects import created_seconds, labels, metadata, uid
from autoscaler.kube.ours import POLICY
from tests.e2e.harness.api import Api
from tests.e2e.harness.nodes import POOL_LABEL
from tests.e2e.harness.workload import Workload

LOOK_SECONDS = 0.5
NODE_CLAIMS = "/apis/karpenter.sh/v1/nodeclaims"


@dataclass
class NodeLifetime:
    """The time for which a node is paid, from the creation of its NodeClaim to its end; wall seconds."""

    created_seconds: float
    gone_seconds: float | None = None


@dataclass
class Seen:
    """What was seen of one workload. Wall seconds."""

    asked: list[tuple[float, int]] = field(default_factory=list)  # spec.replicas of its Deployment, where they change
    nodes: dict[str, NodeLifetime] = field(default_factory=dict)  # by NodeClaim
    balloons: set[str] = field(default_factory=set)

    def gpu_hours(self, from_seconds: float, to_seconds: float) -> float:
        """GPU-hours of wall time, with one GPU on each node."""
        spans = (
            min(node.gone_seconds or to_seconds, to_seconds) - max(node.created_seconds, from_seconds)
            for node in self.nodes.values()
        )
        return sum(max(0.0, span) for span in spans) / 3600.0


class Watch:
    """`look` may be called at any rate; it polls at most twice a second. A workload's pool has its namespace's name."""

    def __init__(self, api: Api, workloads: Iterable[Workload]) -> None:
        self._api = api
        self._workloads = [(workload, Seen()) for workload in workloads]
        self._looked_seconds = 0.0

    def of(self, workload: Workload) -> Seen:
        """What was seen of a workload."""
        return next(seen for each, seen in self._workloads if each is workload)

    def look(self) -> float:
        """Poll if it is time; returns the wall time."""
        now = time.time()
        if now - self._looked_seconds < LOOK_SECONDS:
            return now
        self._looked_seconds = now
        claims = self._api.items(NODE_CLAIMS)
        for workload, seen in self._workloads:
            spec, _ = workload.scale()
            if not seen.asked or seen.asked[-1][1] != spec:
                seen.asked.append((now, spec))
            there = {uid(each): each for each in claims if labels(each).get(POOL_LABEL) == workload.namespace}
            for name, claim in there.items():
                seen.nodes.setdefault(name, NodeLifetime(created_seconds(claim) or now))
            for name, node in seen.nodes.items():
                if node.gone_seconds is None and name not in there:
                    node.gone_seconds = now
            jobs = self._api.items(f"/apis/batch/v1/namespaces/{workload.namespace}/jobs", POLICY)
            seen.balloons |= {metadata(job)["uid"] for job in jobs}
        return now
