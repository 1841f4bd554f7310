"""What a kubelet writes of a pod: its status at each stage."""

import hashlib
from typing import Any

from autoscaler.kube.objects import Object
from crds.notation.timestamps import timestamp
from tests.e2e.standin.pods import containers

Json = dict[str, Any]


def waiting(pod: Object, host: str, now_seconds: float, reason: str = "ContainerCreating", message: str = "") -> Json:
    """Admitted by its node, with a sandbox and a network; the images are pulled, or cannot be."""
    began = (pod.get("status") or {}).get("startTime") or timestamp(now_seconds)
    state = {"waiting": {"reason": reason} | ({"message": message} if message else {})}
    return {
        "phase": "Pending",
        **({"hostIP": host, "hostIPs": [{"ip": host}]} if host else {}),  # KWOK's nodes may have none
        "startTime": began,
        "conditions": _conditions(pod, {"Initialized", "PodReadyToStartContainers"}, now_seconds),
        "containerStatuses": [_container(each, state) for each in containers(pod)],
    }


def running(pod: Object, address: str, now_seconds: float, *, started_seconds: float, ready: bool) -> Json:
    """The containers run, and are ready or not. Without an address, none is written."""
    true = {"Initialized", "PodReadyToStartContainers"} | ({"ContainersReady", "Ready"} if ready else set())
    state = {"running": {"startedAt": timestamp(started_seconds)}}
    return {
        "phase": "Running",
        **({"podIP": address, "podIPs": [{"ip": address}]} if address else {}),
        "conditions": _conditions(pod, true, now_seconds),
        "containerStatuses": [_container(each, state, started=True, ready=ready) for each in containers(pod)],
    }


def ended(pod: Object, now_seconds: float, *, started_seconds: float | None, exit_code: int) -> Json:
    """The containers have ended, or never began."""
    reason = "Completed" if exit_code == 0 else "Error"
    times = {} if started_seconds is None else {"startedAt": timestamp(started_seconds)}
    state = {"terminated": {"exitCode": exit_code, "reason": reason, "finishedAt": timestamp(now_seconds), **times}}
    return {
        "phase": "Failed" if exit_code else "Succeeded",
        "conditions": _conditions(pod, {"Initialized"}, now_seconds, why="PodFailed" if exit_code else "PodCompleted"),
        "containerStatuses": [_container(each, state) for each in containers(pod)],
    }


def _conditions(pod: Object, true: set[str], now_seconds: float, why: str = "ContainersNotReady") -> list[Json]:
    """The kubelet's conditions; those of others are kept, and so are the times of those that did not change."""
    before = {each["type"]: each for each in (pod.get("status") or {}).get("conditions") or ()}
    unready = " ".join(each["name"] for each in containers(pod))
    for kind in ("PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready"):
        value = "True" if kind in true else "False"
        new: Json = {"type": kind, "status": value, "lastProbeTime": None, "lastTransitionTime": timestamp(now_seconds)}
        if value == "False" and kind in ("ContainersReady", "Ready"):
            new |= {"reason": why, "message": f"containers with unready status: [{unready}]"}
        old = before.get(kind)
        if old is not None and old["status"] == value:
            new["lastTransitionTime"] = old["lastTransitionTime"]
        before[kind] = new
    return list(before.values())


def _container(container: Object, state: Json, *, started: bool = False, ready: bool = False) -> Json:
    digest = hashlib.sha256(container["image"].encode()).hexdigest()
    known = "waiting" not in state
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": f"sha256:{digest}" if known else "",
        **({"containerID": f"standin://{digest[:12]}"} if known else {}),
        "restartCount": 0,
        "started": started,
        "ready": ready,
        "state": state,
    }
