"""Standby nodes as the core sees them, from the Jobs that hold them, their pods, and the nodes of the pool."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from autoscaler.actuators import held
from autoscaler.actuators.standby.manifest import LEAVING_TAINTS
from autoscaler.actuators.standby.refusals import Refusal
from autoscaler.kube.nodes import gpus
from autoscaler.kube.objects import (
    Object,
    alive,
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
    uid,
)
from autoscaler.kube.ours import OFFERING, POOL, STANDBY, policy_label
from crds.pool import GpuPool, OfferingAt
from policies.pool import StandbyPhase, StandbyUnit


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen beside the Jobs."""

    pods: Sequence[Object] = ()  # of standby nodes
    nodes: Sequence[Object] = ()  # of the cluster
    refusal: Callable[[str], Refusal | None] = field(default=lambda _pod_uid: None)
    images: Mapping[str, int] = field(default_factory=dict)  # by node: images of members that are there
    taints: Collection[str] = LEAVING_TAINTS  # of a node that is being taken away


def of_pool(pool: GpuPool, jobs: Iterable[Object]) -> list[Object]:
    """The Jobs that bear the pool's name."""
    return [job for job in jobs if labels(job).get(POOL) == policy_label(pool.name)]


def of_offering(offering: OfferingAt, jobs: Iterable[Object]) -> list[Object]:
    """Of these Jobs, those of one offering."""
    return [job for job in jobs if labels(job).get(OFFERING) == offering.name]


def owned(pods: Iterable[Object], jobs: Iterable[Object]) -> list[Object]:
    """The pods of these Jobs. Their names do not tell: a slot's last pod may still end when its next Job is there."""
    there = {uid(job) for job in jobs}
    return [pod for pod in pods if there & {owner.get("uid") for owner in metadata(pod).get("ownerReferences") or ()}]


def leaves(node: Object, taints: Collection[str]) -> bool:
    """Whether a node is being taken away, as one of `taints` says as well."""
    return deleting(node) or any(each.get("key") in taints for each in (node.get("spec") or {}).get("taints") or ())


def leaving_jobs(pods: Iterable[Object], nodes: Iterable[Object], taints: Collection[str]) -> frozenset[str]:
    """Names of the Jobs whose pod is on a node that is being taken away: the pod would keep the node from being drained."""
    going = {key(each).name for each in nodes if leaves(each, taints)}
    return frozenset(labels(pod)[STANDBY] for pod in pods if node(pod) in going and STANDBY in labels(pod))


def units(pool: GpuPool, jobs: Iterable[Object], sight: Sight) -> tuple[StandbyUnit, ...]:
    """The standby nodes of a pool that are held or asked for, by name. One that has ended is none.

    A node's start is seen by the nodes of the offering that have registered and show no GPU yet: so many of those that wait,
    the oldest first.
    """
    own = of_pool(pool, jobs)
    found: list[StandbyUnit] = []
    for offering in pool.offerings:
        of = [job for job in of_offering(offering, own) if alive(job) or deleting(job)]
        of.sort(key=lambda job: (created_seconds(job) or 0.0, key(job).name))
        nodes = [each for each in sight.nodes if offering.selects(labels(each)) and not leaves(each, sight.taints)]
        registered = sorted((created_seconds(each) or 0.0, key(each).name) for each in nodes if not up(each))
        found += _of_offering(offering, of, registered, sight)
    return tuple(sorted(found, key=lambda each: each.name))


def unit_name(job: Object) -> str:
    """A name that no other Job has ever had: that of a slot comes again."""
    return f"{key(job).name}.{uid(job)[:8]}"


def _of_offering(
    offering: OfferingAt, jobs: Sequence[Object], registered: list[tuple[float, str]], sight: Sight
) -> Iterable[StandbyUnit]:
    by_job = {labels(pod).get(STANDBY): pod for pod in owned(sight.pods, jobs) if not ended(pod)}
    lacking = held.without_pod([job for job in jobs if alive(job)], list(by_job.values()), STANDBY)
    going = {key(each).name for each in sight.nodes if leaves(each, sight.taints)}
    for job in jobs:
        asked_seconds = created_seconds(job) or 0.0
        pod: Object = by_job.get(key(job).name) or {}
        at = node(pod)
        phase_, since_seconds = _phase(job, pod, key(job).name in lacking, sight)
        if at in going or deleting(pod):
            phase_ = StandbyPhase.LEAVING
        elif phase_ is StandbyPhase.REQUESTED and registered and registered[-1][0] >= asked_seconds:
            found = next(each for each in registered if each[0] >= asked_seconds)
            registered.remove(found)
            phase_, (since_seconds, at) = StandbyPhase.STARTING, found
        yield StandbyUnit(
            unit_name(job),
            offering.name,
            phase_,
            asked_seconds,
            since_seconds if since_seconds is not None else asked_seconds,
            at or None,
            sight.images.get(at, 0) if at else 0,
        )


def _phase(job: Object, pod: Object, lacks: bool, sight: Sight) -> tuple[StandbyPhase, float | None]:
    """How far one has come by its own Job and pod, and since when if that is known."""
    if deleting(job):
        return StandbyPhase.LEAVING, seconds(metadata(job).get("deletionTimestamp"))
    if lacks:
        return StandbyPhase.WAITING, None
    if phase(pod) == "Running":
        return StandbyPhase.READY, _since(pod, "Ready") or _since(pod, "PodScheduled")
    if node(pod):
        return StandbyPhase.STARTING, _since(pod, "PodScheduled")
    if refusal := sight.refusal(uid(pod)):
        return StandbyPhase.REFUSED, refusal.at_seconds
    return StandbyPhase.REQUESTED, None


def _since(pod: Object, kind: str) -> float | None:
    found = condition(pod, kind)
    return None if found is None else seconds(found.get("lastTransitionTime"))


def up(node: Object) -> bool:
    """Whether a node's GPUs can be used."""
    return condition(node, "Ready") is not None and gpus((node.get("status") or {}).get("allocatable")) > 0


def placed(jobs: Iterable[Object], pods: Iterable[Object]) -> Mapping[str, str]:
    """The offering of each Job that holds a node now, by the Job's uid."""
    jobs = list(jobs)
    on_nodes = {
        labels(pod).get(STANDBY) for pod in owned(pods, jobs) if node(pod) and not ended(pod) and not deleting(pod)
    }
    return {uid(job): labels(job).get(OFFERING, "") for job in jobs if alive(job) and key(job).name in on_nodes}
