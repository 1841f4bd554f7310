"""What is there: the pods of a target and its balloons, counted by rung; and where each pod is scraped."""

from collections.abc import Mapping

from autoscaler.kube.objects import Object, alive, condition, deleting, key, labels, node, phase
from autoscaler.kube.ours import BALLOON, BALLOON_PODS, POLICY, policy_label, running_balloons
from autoscaler.kube.scale import Scale
from autoscaler.kube.store import Store
from crds.workload import Workload
from policies.model import Supply

ENDED = ("Succeeded", "Failed")


def supply(workload: Workload, scale: Scale | None, pods: Store, jobs: Store) -> Supply | None:
    """Count a service's supply. None (unknown) before the first list and while the scale cannot be read.

    While the API is away the last good content is counted; the stores' `stale_since` tells since when.
    """
    if scale is None or not pods.synced or not jobs.synced:
        return None
    replicas = replicas_of(scale, pods)
    ready = tuple(sorted(key(pod).name for pod in replicas if condition(pod, "Ready")))
    placed = sum(1 for pod in replicas if condition(pod, "Ready") or node(pod))
    balloons = [job for job in jobs if labels(job).get(POLICY) == policy_label(workload.name) and alive(job)]
    held = running_balloons(pods.matching(BALLOON_PODS))
    prepared = sum(1 for job in balloons if key(job).name in held)
    return Supply(
        spec_replicas=scale.spec_replicas,
        ready=ready,
        starting=placed - len(ready),
        unplaced=len(replicas) - placed,
        prepared=prepared,
        preparing=len(balloons) - prepared,
    )


def endpoints(workload: Workload, scale: Scale | None, pods: Store) -> Mapping[str, str]:
    """Metrics URL by pod, of every running pod with an address: one that fails its probe under load still counts."""
    if scale is None:
        return {}
    at = workload.endpoint
    return {
        key(pod).name: f"{at.scheme}://{_host(ip)}:{at.port}{at.path}"
        for pod in replicas_of(scale, pods)
        if phase(pod) == "Running" and (ip := (pod.get("status") or {}).get("podIP"))
    }


def replicas_of(scale: Scale, pods: Store) -> list[Object]:
    """The target's pods that serve or will. A balloon is none, even where the selector is wide enough."""
    return [
        pod
        for pod in pods.matching(scale.selector)
        if not deleting(pod) and phase(pod) not in ENDED and BALLOON not in labels(pod)
    ]


def _host(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip
