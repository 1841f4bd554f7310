"""What is kept of each object: a thousand complete pods would be tens of megabytes."""

from typing import Any

from autoscaler.kube.objects import Object

METADATA = (
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "labels",
    "ownerReferences",
)
PODS_COUNTED = ("active", "failed", "succeeded", "terminating", "uncountedTerminatedPods")  # of a Job, in its status
CONDITIONS = ("Ready", "PodScheduled", "Complete", "Failed")


def pod(thing: Object) -> Object:
    """A pod's identity, node, phase (and why), address and readiness."""
    spec, status = thing.get("spec") or {}, thing.get("status") or {}
    return {
        "metadata": _metadata(thing),
        "spec": _only(spec, ("nodeName",)),
        "status": _only(status, ("phase", "podIP", "reason", "message")) | _conditions(status),
    }


def job(thing: Object) -> Object:
    """A Job's identity, annotations, whether it is suspended, what became of its pod and how it ended."""
    about = _metadata(thing) | _only(thing.get("metadata") or {}, ("annotations",))
    spec, status = thing.get("spec") or {}, thing.get("status") or {}
    return {
        "metadata": about,
        "spec": _only(spec, ("suspend",)),
        "status": _only(status, PODS_COUNTED) | _conditions(status),
    }


def policy(thing: Object) -> Object:
    """A policy without its `managedFields`."""
    about = {name: value for name, value in (thing.get("metadata") or {}).items() if name != "managedFields"}
    return {**thing, "metadata": about}


def _metadata(thing: Object) -> dict[str, Any]:
    return _only(thing.get("metadata") or {}, METADATA)


def _conditions(status: Object) -> dict[str, Any]:
    kept = [each for each in status.get("conditions") or () if each.get("type") in CONDITIONS]
    return {"conditions": kept} if kept else {}


def _only(thing: Object, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: thing[name] for name in names if name in thing}
