"""What is kept of each object: a thousand complete pods would be tens of megabytes."""

import sys
from functools import lru_cache
from typing import Any

from autoscaler.kube.nodes import is_gpu
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
CONDITIONS = ("Ready", "PodScheduled", "PodReadyToStartContainers", "Complete", "Failed")
CLAIM_CONDITIONS = ("Launched", "Registered", "Initialized")
NODE_CONDITIONS = ("Ready", "DiskPressure")
NODE_INFO = ("kubeletVersion", "containerRuntimeVersion")
DISK = "ephemeral-storage"
LARGE_BYTES = 500_000_000  # of an image: smaller ones are those of the system
WEIGHTS_CONTAINER = "storage-initializer"  # KServe's init container, which downloads a model
MOST_CONTAINERS, MOST_IMAGES = 16, 50  # of a pod, and of a node
MESSAGE_LIMIT = 1024  # characters of an Event: the API lets none be longer


def pod(thing: Object) -> Object:
    """A pod's identity, node, phase (and why), address, readiness, and how far its containers have come."""
    spec, status = thing.get("spec") or {}, thing.get("status") or {}
    return {
        "metadata": _metadata(thing),
        "spec": _only(spec, ("nodeName",)),
        "status": _only(status, ("phase", "podIP", "reason", "message"))
        | _conditions(status)
        | (_states(thing) or _containers(status)),
    }


def _states(pod: Object) -> dict[str, Any]:
    """What the containers of a fetch wait for, such as an image that cannot be pulled."""
    if FETCH_JOB not in ((pod.get("metadata") or {}).get("labels") or {}):
        return {}
    found = (pod.get("status") or {}).get("containerStatuses") or ()
    return {"containerStatuses": [_only(each, ("state",)) for each in found]}


def node(thing: Object) -> Object:
    """A node's identity, taints, state, versions, devices, disk and large images. Heartbeats are no change."""
    spec, status = thing.get("spec") or {}, thing.get("status") or {}
    conditions = status.get("conditions") or ()
    allocatable = {
        name: amount for name, amount in (status.get("allocatable") or {}).items() if "/" in name or name == DISK
    }
    images = [each for each in (status.get("images") or ())[:MOST_IMAGES] if _bytes(each) >= LARGE_BYTES]
    return {
        "metadata": _metadata(thing) | {"labels": _interned((thing.get("metadata") or {}).get("labels") or {})},
        "spec": _only(spec, ("taints", "unschedulable", "providerID")),
        "status": {
            "allocatable": allocatable,
            "nodeInfo": _only(status.get("nodeInfo") or {}, NODE_INFO),
            "images": [_image(tuple(each.get("names") or ()), each["sizeBytes"]) for each in images],
            "conditions": [
                _only(each, ("type", "status", "reason", "lastTransitionTime"))
                for each in conditions
                if each.get("type") in NODE_CONDITIONS
            ],
        },
    }


@lru_cache(maxsize=4096)  # the nodes of a cluster have the same images: 5,000 nodes would take 180 MB
def _image(names: tuple[str, ...], size_bytes: float) -> Object:
    return {"names": list(names), "sizeBytes": size_bytes}


def _interned(labels: dict[str, str]) -> dict[str, str]:
    """Labels whose texts all nodes share: each has dozens, and most are the same everywhere."""
    return {sys.intern(name): sys.intern(value) for name, value in labels.items()}


def _bytes(image: Object) -> float:
    size = image.get("sizeBytes")
    return size if isinstance(size, int | float) else 0.0


def namespace(thing: Object) -> Object:
    """A namespace's name and labels."""
    about = _only(thing.get("metadata") or {}, ("name", "uid"))
    return {"metadata": about | {"labels": _interned((thing.get("metadata") or {}).get("labels") or {})}}


def job(thing: Object) -> Object:
    """A Job's identity, annotations, whether it is suspended, what became of its pod and how it ended."""
    about = _metadata(thing) | _only(thing.get("metadata") or {}, ("annotations",))
    spec, status = thing.get("spec") or {}, thing.get("status") or {}
    return {
        "metadata": about,
        "spec": _only(spec, ("suspend",)),
        "status": _only(status, PODS_COUNTED) | _conditions(status),
    }


def node_claim(thing: Object) -> Object:
    """A NodeClaim's identity, node, the GPUs that it asks for, and how far it has come."""
    spec, status = thing.get("spec") or {}, thing.get("status") or {}
    requests = (spec.get("resources") or {}).get("requests") or {}
    return {
        "metadata": _placed(thing),
        "spec": {"resources": {"requests": {name: count for name, count in requests.items() if is_gpu(name)}}},
        "status": _only(status, ("nodeName",)) | _conditions(status, CLAIM_CONDITIONS),
    }


def event(thing: Object) -> Object:
    """What an Event is about, what it says, when, and which node says it."""
    about = _only(thing.get("involvedObject") or {}, ("namespace", "name", "uid", "fieldPath"))
    return {
        "metadata": _only(thing.get("metadata") or {}, ("name", "namespace")),
        "involvedObject": about,
        "message": str(thing.get("message") or "")[:MESSAGE_LIMIT],
        "source": _only(thing.get("source") or {}, ("host",)),
        **_only(thing, ("reason", "firstTimestamp", "lastTimestamp", "eventTime", "reportingInstance")),
    }


def policy(thing: Object) -> Object:
    """A policy without its `managedFields`."""
    about = {name: value for name, value in (thing.get("metadata") or {}).items() if name != "managedFields"}
    return {**thing, "metadata": about}


def _metadata(thing: Object) -> dict[str, Any]:
    return _only(thing.get("metadata") or {}, METADATA)


def _placed(thing: Object) -> dict[str, Any]:
    """Metadata with its labels: by any of them an offering of a pool may know its nodes."""
    about = thing.get("metadata") or {}
    kept = ("name", "uid", "creationTimestamp", "deletionTimestamp")
    return _only(about, kept) | {"labels": _interned(about.get("labels") or {})}


def _conditions(status: Object, types: tuple[str, ...] = CONDITIONS) -> dict[str, Any]:
    kept = [each for each in status.get("conditions") or () if each.get("type") in types]
    return {"conditions": kept} if kept else {}


def _containers(status: Object) -> dict[str, Any]:
    """When each container began, or what it waits for; of init containers, only the one that gets weights."""
    engines = [_container(each) for each in (status.get("containerStatuses") or ())[:MOST_CONTAINERS]]
    init = [each for each in status.get("initContainerStatuses") or () if each.get("name") == WEIGHTS_CONTAINER]
    found = {"containerStatuses": engines, "initContainerStatuses": [_container(each) for each in init[:1]]}
    return {name: kept for name, kept in found.items() if kept}


def _container(status: Object) -> dict[str, Any]:
    state = status.get("state") or {}
    kept = {
        "running": _only(state.get("running") or {}, ("startedAt",)),
        "waiting": _only(state.get("waiting") or {}, ("reason",)),
        "terminated": _only(state.get("terminated") or {}, ("startedAt", "finishedAt", "exitCode")),
    }
    return _only(status, ("name", "image", "restartCount")) | {
        "state": {name: about for name, about in kept.items() if about}
    }


def _only(thing: Object, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: thing[name] for name in names if name in thing}
