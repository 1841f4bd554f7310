"""Deploys the two workloads, runs the traffic, and removes everything again."""

import contextlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from autoscaler.kube.objects import condition, labels
from policies.log import decisions
from tests.e2e.harness import Cluster, nodes, until
from tests.e2e.harness.api import Json
from tests.e2e.harness.cluster import RATE
from tests.e2e.harness.outrider import Outrider
from tests.e2e.harness.workload import Stages, Workload
from tests.e2e.traffic import scene
from tests.e2e.traffic.watch import NODE_CLAIMS, Seen, Watch

AHEAD_SECONDS = 3600  # a balloon's deadline is by the API server's clock, which the controller's overtakes
QUICK = Stages(image_seconds=0.2, weights_seconds=0.2, warmup_seconds=0.2)  # for the first replicas


@dataclass(frozen=True)
class Side:
    """One of the two workloads, once the traffic has ended. Wall seconds."""

    workload: Workload
    started_seconds: float  # second 0 of the traffic
    seen: Seen
    standin: Json  # what the stand-in reports
    decided: list[tuple[float, int]]  # replicas that Outrider decided, where they change; empty for the other side

    @property
    def scenario_started_seconds(self) -> float:
        """Second 0 of the traffic in the time of the controller and the engines."""
        epoch = self.workload.epoch_seconds
        return epoch + (self.started_seconds - epoch) * RATE

    @property
    def pods(self) -> list[Json]:
        """The replicas' pods, as the stand-in reports them."""
        return list(self.standin["pods"].values())

    @property
    def node_ready(self) -> dict[str, float]:
        """When each node became ready."""
        return {name: node["ready"] for name, node in self.standin["nodes"].items() if node["ready"] is not None}


@contextlib.contextmanager
def two_namespaces(cluster: Cluster, namespace: str) -> Iterator[tuple[str, str]]:
    """Two namespaces, each with a node pool of the same name. Raises if something is left over."""
    both = namespace, f"{namespace}-reactive"
    cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": both[1]}})
    for name in both:
        cluster.api.apply(*nodes.pool(name))
    try:
        yield both
    finally:
        for name in both:
            workload = Workload(cluster, name)
            workload.delete()
            cluster.api.delete(cluster.api.path(workload.policy))
        until(lambda: not any(_pods(cluster, name) for name in both), 90, "no pods in the two namespaces")
        # KWOK's provider may create a node after its NodeClaim is gone; nothing would ever delete that node.
        until(lambda: all(condition(each, "Registered") for each in _claims(cluster, both)), 90, "launches to end")
        for made in (made for name in both for made in reversed(nodes.pool(name))):
            cluster.api.delete(cluster.api.path(made))
        until(lambda: not _claims(cluster, both) and not _nodes(cluster, both), 90, "no nodes of the two pools")
        cluster.api.delete(f"/api/v1/namespaces/{both[1]}")


def run_both(
    cluster: Cluster, both: tuple[str, str], outrider: Callable[..., Outrider], shared: Path
) -> tuple[Side, Side]:
    """Ten minutes of traffic in two namespaces: Outrider's side and the reactive one."""

    def workload(name: str, stages: Stages) -> Workload:
        return Workload(cluster, name, hardware=scene.PROFILE, stages=stages, pool=name, policy_spec=scene.POLICY)

    for name in both:
        first = workload(name, QUICK)
        first.deploy(scene.scenario(first.policy, shared).initial_replicas)
        cluster.api.apply(*nodes.pool(name, registration_seconds=scene.registration_seconds()))
    ours, theirs = (workload(name, scene.stages()) for name in both)
    controller = outrider(**ours.clock, balloon_deadline_seconds=AHEAD_SECONDS)
    watch = Watch(cluster.api, [ours, theirs])
    watch.look()
    started = {each.namespace: each.traffic(scene.traffic(shared)) for each in (ours, theirs)}
    cluster.api.apply(scene.reactive_scaled_object(theirs.namespace, theirs.name, cluster.prometheus_url))
    ours.scaled_by(controller)
    until(theirs.followed, 60, "the HPA of the reactive ScaledObject to read its metric")
    end = max(started.values()) + scene.DURATION_SECONDS / RATE
    until(lambda: watch.look() >= end, scene.DURATION_SECONDS / RATE + 60, "the end of the traffic")
    reports = {each.namespace: each.standin() for each in (ours, theirs)}
    decided = _decided(controller, ours.epoch_seconds)
    return (
        Side(ours, started[ours.namespace], watch.of(ours), reports[ours.namespace], decided),
        Side(theirs, started[theirs.namespace], watch.of(theirs), reports[theirs.namespace], []),
    )


def _decided(controller: Outrider, epoch_seconds: float) -> list[tuple[float, int]]:
    """The replicas in the decision log, where they change, in wall time."""
    found: list[tuple[float, int]] = []
    for file in sorted(controller.decisions.glob("decisions-*.jsonl")):
        with file.open(encoding="utf-8") as lines:
            for each in decisions(lines):
                at = epoch_seconds + (each.inputs.now_seconds - epoch_seconds) / RATE
                if each.plan is not None and (not found or found[-1][1] != each.plan.desired_replicas):
                    found.append((at, each.plan.desired_replicas))
    return found


def _pods(cluster: Cluster, namespace: str) -> list[Json]:
    return cluster.api.items(f"/api/v1/namespaces/{namespace}/pods")


def _claims(cluster: Cluster, pools: Collection[str]) -> list[Json]:
    return [each for each in cluster.api.items(NODE_CLAIMS) if labels(each).get(nodes.POOL_LABEL) in pools]


def _nodes(cluster: Cluster, pools: Collection[str]) -> list[Json]:
    return cluster.api.items("/api/v1/nodes", f"{nodes.POOL_LABEL} in ({', '.join(pools)})")
