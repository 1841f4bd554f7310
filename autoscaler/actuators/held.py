"""Balloon Jobs and their pods, as the core sees them: for the rules of `policies.balloons`, and as units of supply.

The pods are found by a label that has the name of their Job: `by` says which, where Jobs of another kind are read.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from autoscaler.kube.causes import brief
from autoscaler.kube.objects import (
    Object,
    alive,
    condition,
    created_seconds,
    deleting,
    key,
    labels,
    node,
    owned_by,
    phase,
    seconds,
)
from autoscaler.kube.ours import BALLOON, SHAPE, SLOT, running_jobs
from autoscaler.kube.trim import PODS_COUNTED
from policies.balloons import Held
from policies.supply import Role, Rung, Unit


def without_pod(jobs: Iterable[Object], pods: Iterable[Object], by: str = BALLOON) -> frozenset[str]:
    """Names of the Jobs that hold no place and bring no node: suspended, never given a pod, or with one that is gated."""
    pods = [pod for pod in pods if by in labels(pod)]
    gated = {labels(pod)[by] for pod in pods if _gated(pod)}
    known = {labels(pod)[by] for pod in pods}

    def lacks(job: Object) -> bool:
        name, counted = key(job).name, any((job.get("status") or {}).get(each) for each in PODS_COUNTED)
        return suspended(job) or name in gated or (name not in known and not counted)

    return frozenset(key(job).name for job in jobs if alive(job) and lacks(job))


def without_pod_because(job: Object, cause: str, what: str = "balloon", none: str = "maxPreparedNodes") -> str:
    """Why a Job of `without_pod` is let go. `cause` is what its Events say, empty where that is unknown.

    `what` it is called, and `none` is the field that is 0 where none is wanted.
    """
    name = key(job).name
    if suspended(job):
        return (
            f"the {what} {name} was suspended, by an admission controller such as Kueue or by a person, so it was let go: "
            f"let {what}s run, or set {none} to 0"
        )
    return f"the {what} {name} got no pod and was let go: {cause or 'the cluster reports no cause; see its Job controller'}"


def failed_because(jobs: Iterable[Object], pods: Iterable[Object], by: str = BALLOON, what: str = "balloon") -> str:
    """Why a pod of these Jobs failed: the kubelet did not admit it, or its container ended. Empty if none did."""
    failures = {
        labels(pod)[by]: pod.get("status") or {} for pod in pods if phase(pod) == "Failed" and by in labels(pod)
    }
    for name in sorted(key(job).name for job in jobs):
        if name in failures:
            said = ": ".join(filter(None, (failures[name].get("reason"), failures[name].get("message"))))
            return f"the {what} {name} failed: {brief(said) or 'its container ended; its image must contain sleep'}"
    return ""


def suspended(job: Object) -> bool:
    """Whether someone keeps the Job from having a pod."""
    return bool((job.get("spec") or {}).get("suspend"))


def read(
    jobs: Iterable[Object],
    pods: Iterable[Object],
    owner_uid: str,
    shape: str | None,
    stuck: frozenset[str] = frozenset(),
    by: str = BALLOON,
) -> list[Held]:
    """An owner's Jobs, in their order. Without a shape none is outdated by its template. `stuck` are names."""
    jobs, pods = list(jobs), list(pods)
    running = running_jobs(pods, by)
    placed = {labels(pod).get(by) for pod in pods if node(pod) and not deleting(pod)}
    # A preempted pod is deleted; one whose container failed stays.
    failed = {labels(pod).get(by) for pod in pods if phase(pod) == "Failed" and not deleting(pod)}
    found = [_held(job, placed, running, failed, owner_uid, shape) for job in jobs]
    return [replace(each, stuck=key(job).name in stuck) for each, job in zip(found, jobs, strict=True)]


def units(jobs: Iterable[Object], pods: Sequence[Object]) -> tuple[Unit, ...]:
    """Balloons as units of supply: where its pod runs, the node holds the GPU and has the image."""
    nodes = {labels(pod)[BALLOON]: node(pod) for pod in pods if BALLOON in labels(pod) and not deleting(pod)}
    running = running_jobs(pods)

    def unit(job: Object) -> Unit:
        at = nodes.get(key(job).name) or None
        rung = Rung.IMAGE_READY if key(job).name in running else Rung.NODE_READY if at else Rung.REQUESTED
        return Unit(key(job).name, Role.STANDBY, rung.passed, created_seconds(job), at)

    return tuple(unit(job) for job in jobs)


def _gated(pod: Object) -> bool:
    """Whether the scheduler is kept from looking at the pod."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each.get("reason") == "SchedulingGated" for each in conditions if each.get("type") == "PodScheduled")


def _held(
    job: Object,
    placed: set[str | None],
    running: frozenset[str],
    failed: set[str | None],
    owner_uid: str,
    shape: str | None,
) -> Held:
    made_of = ((job.get("metadata") or {}).get("annotations") or {}).get(SHAPE)
    slot = labels(job).get(SLOT, "")
    ended = condition(job, "Failed") or condition(job, "Complete")
    return Held(
        slot=int(slot) if slot.isdecimal() else None,
        created_seconds=created_seconds(job) or 0.0,
        placed=key(job).name in placed,
        prepared=key(job).name in running,
        ended_seconds=None if ended is None else seconds(ended.get("lastTransitionTime")) or 0.0,
        broken=ended is not None and key(job).name in failed,
        outdated=not owned_by(job, owner_uid) or (shape is not None and made_of != shape),
        leaving=deleting(job),
    )
