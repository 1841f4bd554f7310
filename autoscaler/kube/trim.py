"""What is kept of each object: a thousand complete pods would be tens of megabytes."""

from typing import Any

from autoscaler.kube.objects import Object
from autoscaler.kube.ours import FETCH_JOB

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
NODE_CONDITIONS = ("Ready", "DiskPressure")
NODE_INFO = ("kubeletVersion", "containerRuntimeVersion")
DISK = "ephemeral-storage"
LARGE_BYTES = 500_000_000  # of an image: smaller ones are those of the system


def pod(thing: Object) -> Object:
    """A pod's identity, node, phase (and why), address and readiness."""
    spec, status = thing.get("spec") or {}, thing.get("status") or {}
    return {
        "metadata": _metadata(thing),
        "spec": _only(spec, ("nodeName",)),
        "status": _only(status, ("phase", "podIP", "reason", "message")) | _conditions(status) | _states(thing),
    }


def _states(pod: Object) -> dict[str, Any]:
    """What the containers of a fetch wait for, such as an image that cannot be pulled."""
    if FETCH_JOB not in ((pod.get("metadata") or {}).get("labels") or {}):
        return {}
    found = (pod.get("status") or {}).get("containerStatuses") or ()
    return {"containerStatuses": [_only(each, ("state",)) for each in found]}


def fetch_node(thing: Object) -> Object:
    """What fetches go by: a node's identity, taints, state, versions, devices, disk and large images. Heartbeats are no change."""
    spec, status = thing.get("spec") or {}, thing.get("status") or {}
    conditions = status.get("conditions") or ()
    allocatable = {
        name: amount for name, amount in (status.get("allocatable") or {}).items() if "/" in name or name == DISK
    }
    images = [each for each in status.get("images") or () if _bytes(each) >= LARGE_BYTES]
    return {
        "metadata": _metadata(thing),
        "spec": _only(spec, ("taints", "unschedulable", "providerID")),
        "status": {
            "allocatable": allocatable,
            "nodeInfo": _only(status.get("nodeInfo") or {}, NODE_INFO),
            "images": [_only(each, ("names", "sizeBytes")) for each in images],
            "conditions": [
                _only(each, ("type", "status", "reason", "lastTransitionTime"))
                for each in conditions
                if each.get("type") in NODE_CONDITIONS
            ],
        },
    }


def _bytes(image: Object) -> float:
    size = image.get("sizeBytes")
    return size if isinstance(size, int | float) else 0.0


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
