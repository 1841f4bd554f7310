"""Balloon Jobs and their pods, as the core sees them: for the rules of `policies.balloons`, and as units of supply."""

from collections.abc import Iterable, Sequence

from autoscaler.kube.objects import (
    Object,
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
from autoscaler.kube.ours import BALLOON, SHAPE, SLOT, running_balloons
from policies.balloons import Held
from policies.supply import Role, StageName, Unit


def read(jobs: Iterable[Object], pods: Iterable[Object], owner_uid: str, shape: str | None) -> list[Held]:
    """A policy's Jobs, in their order. Without a shape none is outdated by its template."""
    pods = list(pods)
    running = running_balloons(pods)
    placed = {labels(pod).get(BALLOON) for pod in pods if node(pod) and not deleting(pod)}
    # A preempted pod is deleted; one whose container failed stays.
    failed = {labels(pod).get(BALLOON) for pod in pods if phase(pod) == "Failed" and not deleting(pod)}
    return [_held(job, placed, running, failed, owner_uid, shape) for job in jobs]


def units(jobs: Iterable[Object], pods: Sequence[Object]) -> tuple[Unit, ...]:
    """Balloons as units of supply: where its pod runs, the node holds the GPU and has the image."""
    nodes = {labels(pod)[BALLOON]: node(pod) for pod in pods if BALLOON in labels(pod) and not deleting(pod)}
    running = running_balloons(pods)

    def unit(job: Object) -> Unit:
        at = nodes.get(key(job).name) or None
        done: tuple[StageName, ...] = (StageName.NODE,) if at else ()
        if key(job).name in running:
            done = (StageName.NODE, StageName.IMAGE)
        return Unit(key(job).name, Role.STANDBY, done, created_seconds(job), at)

    return tuple(unit(job) for job in jobs)


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
