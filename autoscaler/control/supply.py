"""What there is: the pods of a target, as units of supply beside those that actuators hold; and where each pod is scraped."""

from collections.abc import Iterable, Iterator, Mapping

from autoscaler.kube.objects import (
    Object,
    condition,
    created_seconds,
    deleting,
    ended,
    key,
    labels,
    metadata,
    node,
    phase,
    seconds,
)
from autoscaler.kube.ours import BALLOON, FETCH_JOB
from autoscaler.kube.scale import Scale
from autoscaler.kube.store import Store
from autoscaler.starts.pods import seen
from crds.workload import Endpoint, Workload
from policies.seen import PodSeen
from policies.supply import STAGES, Role, Rung, Supply, Unit

Labels = tuple[tuple[str, str], ...]


def supply(
    scale: Scale | None,
    pods: Store,
    standby: Iterable[tuple[Unit, ...] | None],
    now_seconds: float,
    pod_labels: Labels = (),
) -> Supply | None:
    """The pods of a scale target and what each actuator holds for it. None (unknown) where any of these is unknown."""
    if scale is None or not pods.current(now_seconds):
        return None
    units = pods.made(scale.selector, _units, pod_labels)
    for held in standby:
        if held is None:
            return None
        units += held
    return Supply(scale.spec_replicas, units, _unlisted(scale, pods))


def _units(pods: Iterable[Object], pod_labels: Labels) -> tuple[Unit, ...]:
    return tuple(sorted(map(_replica, serving(pods, pod_labels)), key=lambda unit: unit.name))


def _unlisted(scale: Scale, pods: Store) -> int:
    """How many of the pods that the target counts are not in the list: a lagging list looks like a smaller workload.

    All pods of the scale's selector count here, whether they serve or not. A StatefulSet also counts its pods that end.
    """
    if scale.status_replicas is None:
        return 0
    return max(0, scale.status_replicas - pods.made(scale.selector, _listed))


def _listed(pods: Iterable[Object]) -> int:
    return sum(not deleting(pod) or _counts_ending(pod) for pod in _of_target(pods))


def _counts_ending(pod: Object) -> bool:
    return any(owner.get("kind") == "StatefulSet" for owner in metadata(pod).get("ownerReferences") or ())


def _replica(pod: Object) -> Unit:
    """A pod as a unit of supply. Which of image, weights and warm-up is done cannot be seen before it serves."""
    ready, placed = condition(pod, "Ready"), condition(pod, "PodScheduled")
    if ready:
        return Unit(key(pod).name, Role.REPLICA, STAGES, _since(ready), node(pod) or None)
    if node(pod):
        return Unit(key(pod).name, Role.REPLICA, Rung.NODE_READY.passed, _since(placed), node(pod))
    return Unit(key(pod).name, Role.REPLICA, (), created_seconds(pod), None)


def _since(found: Object | None) -> float | None:
    return None if found is None else seconds(found.get("lastTransitionTime"))


def endpoints(workload: Workload, scale: Scale | None, pods: Store) -> Mapping[str, tuple[str, ...]]:
    """Metrics URLs by pod, sorted, of every running pod with an address: one that fails its probe under load still counts."""
    return {} if scale is None else pods.made(scale.selector, _endpoints, workload.endpoint)


def _endpoints(pods: Iterable[Object], at: Endpoint) -> Mapping[str, tuple[str, ...]]:
    found = {
        key(pod).name: tuple(f"{at.scheme}://{_host(ip)}:{port}{at.path}" for port in at.ports)
        for pod in serving(pods, at.pod_labels)
        if phase(pod) == "Running" and (ip := (pod.get("status") or {}).get("podIP"))
    }
    return dict(sorted(found.items()))


def replicas(scale: Scale, pods: Store) -> int:
    """How many pods the target has that serve or will."""
    return len(pods.made(scale.selector, _units, ()))


def starts(pods: Iterable[Object], pod_labels: Labels, container: str) -> tuple[PodSeen, ...]:
    """How the pods of a target are seen to start."""
    return tuple([seen(pod, container) for pod in serving(pods, pod_labels)])


def serving(pods: Iterable[Object], pod_labels: Labels) -> Iterator[Object]:
    """Of the pods of a selector, those of the target with these labels that serve or will."""
    wanted = dict(pod_labels).items()
    return (pod for pod in _of_target(pods) if not deleting(pod) and wanted <= labels(pod).items())


def _of_target(pods: Iterable[Object]) -> Iterator[Object]:
    """Those that have not ended. What Outrider made is none of the target, even where the selector is wide enough."""
    return (pod for pod in pods if not ended(pod) and not {BALLOON, FETCH_JOB} & labels(pod).keys())


def _host(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip
