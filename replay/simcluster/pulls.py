"""What a kubelet writes about the images that it pulls: Events with its own messages."""

import hashlib
from collections.abc import Mapping
from typing import Any

from crds.notation.timestamps import timestamp
from replay.simcluster.resources import Json

IMAGE_BYTES = 9_663_676_416  # vllm-openai, about


def pulling(image: str) -> str:
    """The message of a pull that begins."""
    return f'Pulling image "{image}"'


def present(image: str) -> str:
    """The message of a container that needs no pull."""
    return f'Container image "{image}" already present on machine'


def pulled(image: str, pull_seconds: float, total_seconds: float) -> str:
    """The message of a finished pull: how long it took by itself, and with the time that it waited for its turn."""
    return (
        f'Successfully pulled image "{image}" in {duration(pull_seconds)} '
        f"({duration(total_seconds)} including waiting). Image size: {IMAGE_BYTES} bytes."
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


def event(
    pod: Mapping[str, Any],
    node: str,
    reason: str,
    message: str,
    now_seconds: float,
    container: str | None,
    *,
    warning: bool = False,
) -> Json:
    """An Event about a pod's container, or about the pod where that is None."""
    about = pod["metadata"]
    namespace, name, uid = about["namespace"], about["name"], about["uid"]
    unique = hashlib.sha256(f"{uid} {reason} {message} {now_seconds!r}".encode()).hexdigest()[:16]
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
            "uid": uid,
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
