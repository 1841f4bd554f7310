"""The Jobs that bring images and weights to nodes, as they are seen: under way, done, or failed and why."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from autoscaler.actuators.prepull import Form
from autoscaler.kube.causes import brief
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
)
from autoscaler.kube.ours import FETCH, FETCH_JOB, FETCHED, NODE
from autoscaler.kube.trim import PODS_COUNTED

# What the kubelet waits for in the course of things. All else is a failure, such as ImagePullBackOff, or CreateContainerConfigError
# for a Secret that is missing: it tries again more and more seldom, and never gives up.
IN_COURSE = ("ContainerCreating", "PodInitializing")
SHORT_SECONDS = 60.0  # a pod that ended sooner holds no image: made anew at once, it would end again and again
NO_COMMAND = ("StartError", "ContainerCannotRun")  # the image is there, and has no `sleep`


class Progress(StrEnum):
    """How far a fetch is."""

    UNDER_WAY = "UnderWay"
    WITHOUT_POD = "WithoutPod"
    STUCK = "Stuck"  # the image cannot be pulled, or the container not be made
    HELD = "Held"  # it is there, and a pod keeps it there
    DONE = "Done"  # it is there
    FAILED = "Failed"  # the node is left alone for a while
    OVER = "Over"  # its time is up, so that it may be made again


@dataclass(frozen=True, slots=True)
class Fetched:
    """One Job."""

    job: Object
    node: str
    what: str  # the image, or where the weights go
    form: str
    progress: Progress
    cause: str = ""  # why it is stuck or failed


def read(jobs: Iterable[Object], pods: Iterable[Object]) -> tuple[Fetched, ...]:
    """Jobs that are not being deleted, with what became of each."""
    by_job = {labels(pod).get(FETCH_JOB): pod for pod in pods if not deleting(pod)}
    return tuple(_read(job, by_job.get(key(job).name)) for job in jobs if not deleting(job))


def _read(job: Object, pod: Object | None) -> Fetched:
    notes: Mapping[str, str] = metadata(job).get("annotations") or {}
    form = labels(job).get(FETCH, "")
    progress, cause = _progress(job, pod, form)
    return Fetched(job, notes.get(NODE, ""), notes.get(FETCHED, ""), form, progress, cause)


def _progress(job: Object, pod: Object | None, form: str) -> tuple[Progress, str]:
    if not alive(job):
        return _end(job, pod, form)
    if pod is None:
        counted = any((job.get("status") or {}).get(each) for each in PODS_COUNTED)
        return (Progress.UNDER_WAY if counted else Progress.WITHOUT_POD), ""
    states = [each.get("state") or {} for each in (pod.get("status") or {}).get("containerStatuses") or ()]
    for state in states:
        waiting = state.get("waiting") or {}
        if waiting.get("reason", IN_COURSE[0]) not in IN_COURSE:
            said = ": ".join(filter(None, (waiting.get("reason"), waiting.get("message"))))
            return Progress.STUCK, brief(said)
    if phase(pod) == "Running":
        return (Progress.UNDER_WAY if form == Form.WEIGHTS else Progress.HELD), ""
    return Progress.UNDER_WAY, ""


def _end(job: Object, pod: Object | None, form: str) -> tuple[Progress, str]:
    if complete := condition(job, "Complete"):
        lasted_seconds = (seconds(complete.get("lastTransitionTime")) or 0.0) - (created_seconds(job) or 0.0)
        held = form != Form.WEIGHTS and lasted_seconds >= SHORT_SECONDS
        return (Progress.OVER if held else Progress.DONE), ""
    if (condition(job, "Failed") or {}).get("reason") == "DeadlineExceeded":
        return (Progress.FAILED, "it took longer than its deadline") if form == Form.WEIGHTS else (Progress.OVER, "")
    status = (pod or {}).get("status") or {}
    for each in status.get("containerStatuses") or ():
        terminated = (each.get("state") or {}).get("terminated") or {}
        if form == Form.SLEEP and (
            terminated.get("reason") in NO_COMMAND or terminated.get("exitCode") in (126, 127, 128)
        ):
            return Progress.DONE, ""
        if terminated.get("exitCode"):
            said = ": ".join(filter(None, (terminated.get("reason"), terminated.get("message"))))
            return Progress.FAILED, brief(said) or "its container ended"
    said = ": ".join(filter(None, (status.get("reason"), status.get("message"))))
    return Progress.FAILED, brief(said) or "its pod was lost"


def busy_nodes(pods: Iterable[Object]) -> frozenset[str]:
    """Nodes that have a pod of more use than keeping an image: none of a fetch, and none of a DaemonSet."""
    return frozenset(
        node(pod) for pod in pods if node(pod) and not ended(pod) and FETCH_JOB not in labels(pod) and not _daemon(pod)
    )


def _daemon(pod: Object) -> bool:
    return any(owner.get("kind") == "DaemonSet" for owner in metadata(pod).get("ownerReferences") or ())
