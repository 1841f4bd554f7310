"""Sets the two services up, lets the traffic run, and takes everything away again."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoscaler.kube.objects import labels
from policies.log import decisions
from tests.e2e.harness import Cluster, nodes, until
from tests.e2e.harness.api import Json
from tests.e2e.harness.cluster import RATE
from tests.e2e.harness.outrider import Outrider
from tests.e2e.harness.service import Service, Stages
from tests.e2e.traffic import scene
from tests.e2e.traffic.watch import NODE_CLAIMS, Seen, Watch

AHEAD_SECONDS = 3600  # a balloon's deadline is told by the API server's clock, and the controller's gets ahead of that
QUICK = Stages(image_seconds=0.2, weights_seconds=0.2, warmup_seconds=0.2)  # for the fleet that is there at first


@dataclass(frozen=True)
class Side:
    """One of the two, once the traffic has ended. Wall seconds."""

    service: Service
    started_seconds: float  # second 0 of the traffic
    seen: Seen
    told: Json  # by the stand-in
    decided: list[tuple[float, int]]  # replicas by Outrider, where they change; none of the other

    @property
    def pods(self) -> list[Json]:
        """The replicas' pods, as the stand-in tells them."""
        return list(self.told["pods"].values())

    @property
    def node_ready(self) -> dict[str, float]:
        """When each node was."""
        return {name: node["ready"] for name, node in self.told["nodes"].items() if node["ready"] is not None}


@contextlib.contextmanager
def grounds(cluster: Cluster, namespace: str) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """Two namespaces, each with the name of a pool of nodes of its own. Raises where something stays behind."""
    both = tuple((name, name) for name in (namespace, f"{namespace}-reactive"))
    cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": both[1][0]}})
    for _, pool in both:
        cluster.api.apply(*nodes.pool(pool))
    try:
        yield both[0], both[1]
    finally:
        for name, pool in both:
            for kind in ("keda.sh/v1alpha1", "scaledobjects"), ("outrider.dev/v1alpha1", "scalingpolicies"):
                cluster.api.delete(f"/apis/{kind[0]}/namespaces/{name}/{kind[1]}/llm")
            cluster.api.delete(f"/apis/apps/v1/namespaces/{name}/deployments/llm")
            until(lambda name=name: not cluster.api.items(f"/api/v1/namespaces/{name}/pods"), 90, f"no pods in {name}")
            for made in reversed(nodes.pool(pool)):
                cluster.api.delete(cluster.api.path(made))
        pools = {pool for _, pool in both}
        until(lambda: not _claims(cluster, pools), 90, "no nodes of the two pools")
        cluster.api.delete(f"/api/v1/namespaces/{both[1][0]}")


def play(
    cluster: Cluster, both: tuple[tuple[str, str], ...], outrider: Callable[..., Outrider], shared: Path
) -> tuple[Side, Side]:
    """Ten minutes: Outrider's side and the reactive one."""

    def service(ground: tuple[str, str], stages: Stages) -> Service:
        namespace, pool = ground
        kind: dict[str, Any] = {"hardware": scene.PROFILE, "pool": pool, "policy_spec": scene.POLICY}
        return Service(cluster, namespace, stages=stages, **kind)

    for ground in both:
        first = service(ground, QUICK)
        first.deploy(scene.scenario(first.policy, shared).initial_replicas)
        cluster.api.apply(*nodes.pool(ground[1], registration_seconds=scene.registration_seconds()))
    ours, theirs = (service(ground, scene.stages()) for ground in both)
    controller = outrider(**ours.clock, balloon_deadline_seconds=AHEAD_SECONDS)
    watch = Watch(cluster.api, [(ours, both[0][1]), (theirs, both[1][1])])
    watch.look()
    started = {each.namespace: each.traffic(scene.traffic(shared)) for each in (ours, theirs)}
    cluster.api.apply(scene.reactive_scaled_object(theirs.namespace, theirs.name, cluster.prometheus_url))
    ours.scaled_by(controller)
    until(theirs.followed, 60, "the HPA of the reactive ScaledObject to read its metric")
    end = max(started.values()) + scene.DURATION_SECONDS / RATE
    until(lambda: watch.look() >= end, scene.DURATION_SECONDS / RATE + 60, "the end of the traffic")
    told = {each.namespace: each.standin() for each in (ours, theirs)}
    decided = _decided(controller, ours.epoch_seconds)
    return (
        Side(ours, started[ours.namespace], watch.of(ours), told[ours.namespace], decided),
        Side(theirs, started[theirs.namespace], watch.of(theirs), told[theirs.namespace], []),
    )


def _decided(controller: Outrider, epoch_seconds: float) -> list[tuple[float, int]]:
    """The replicas that the decision log tells, where they change, by the wall's clock."""
    found: list[tuple[float, int]] = []
    for file in sorted(controller.decisions.glob("decisions-*.jsonl")):
        with file.open(encoding="utf-8") as lines:
            for each in decisions(lines):
                at = epoch_seconds + (each.inputs.now_seconds - epoch_seconds) / RATE
                if each.plan is not None and (not found or found[-1][1] != each.plan.desired_replicas):
                    found.append((at, each.plan.desired_replicas))
    return found


def _claims(cluster: Cluster, pools: set[str]) -> list[Json]:
    return [each for each in cluster.api.items(NODE_CLAIMS) if labels(each).get("karpenter.sh/nodepool") in pools]
