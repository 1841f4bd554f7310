"""What a kubelet writes: a pod's status at each stage, and Events."""

import hashlib
from typing import Any

from autoscaler.kube.objects import Object, key, uid
from crds.notation.timestamps import timestamp
from tests.e2e.standin.pods import containers

Json = dict[str, Any]
IMAGE_BYTES = 9_663_676_416  # vllm-openai, about


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


def event(
    pod: Object, node: str, reason: str, message: str, now_seconds: float, container: str | None, *, warning: bool
) -> Json:
    """An Event about a pod's container, or about the pod where that is None."""
    namespace, name = key(pod)
    unique = hashlib.sha256(f"{uid(pod)} {reason} {message} {now_seconds!r}".encode()).hexdigest()[:16]
    at = timestamp(now_seconds)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{name}.{unique}", "namespace": namespace},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "Pod",
            "namespace": namespace,
            "name": name,
            "uid": uid(pod),
            **({} if container is None else {"fieldPath": f"spec.containers{{{container}}}"}),
        },
        "type": "Warning" if warning else "Normal",
        "reason": reason,
        "message": message,
        "count": 1,
        "firstTimestamp": at,
        "lastTimestamp": at,
        "source": {"component": "kubelet", "host": node},
        "reportingComponent": "kubelet",
        "reportingInstance": node,
    }


def pulled(image: str, pull_seconds: float, waiting_seconds: float) -> str:
    """The message of a finished pull: how long it took by itself, and with the time that it waited for its turn."""
    return (
        f'Successfully pulled image "{image}" in {duration(pull_seconds)} '
        f"({duration(waiting_seconds)} including waiting). Image size: {IMAGE_BYTES} bytes."
    )


def duration(seconds: float) -> str:
    """As Go prints a duration that is cut to whole milliseconds: 0s, 300ms, 4.25s, 1m5s, 1h0m2s."""
    milliseconds = int(seconds * 1000 + 1e-6)
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + text
