"""The image pulls that the kubelets of a cluster have reported, by container and by node."""

import re
from collections.abc import MutableMapping
from typing import TypeVar

from autoscaler.kube.objects import Object, seconds
from autoscaler.starts.messages import pull_message
from policies.seen import FUTURE_SECONDS, Pull, PullState

MOST_PULLS = 4096  # of containers, and of images on nodes; those of before go first
_CONTAINER = re.compile(r"spec\.containers\{([a-z0-9.-]{1,63})\}")

K = TypeVar("K")
V = TypeVar("V")


class Pulls:
    """Feed it every Event about an image. What lies in the future is not believed."""

    def __init__(self) -> None:
        self._of_container: dict[tuple[str, str, str], Pull] = {}  # by namespace, pod uid and container
        self._on_node: dict[tuple[str, str, str], Pull] = {}  # by namespace, node and image: the last real pull

    def saw(self, event: Object, now_seconds: float) -> None:
        """Take an Event as it came at `now_seconds`."""
        about, message = event.get("involvedObject") or {}, pull_message(event.get("message"))
        container = _CONTAINER.fullmatch(str(about.get("fieldPath") or ""))
        at_seconds = _stamped(event)
        if message is None or at_seconds is None or at_seconds > now_seconds + FUTURE_SECONDS:
            return
        pull = Pull(message, min(at_seconds, now_seconds))
        namespace = str((event.get("metadata") or {}).get("namespace") or "")
        if container is not None:
            _keep(self._of_container, (namespace, str(about.get("uid") or ""), container[1]), pull)
        node = str((event.get("source") or {}).get("host") or event.get("reportingInstance") or "")
        if message.state is PullState.PULLED and node:
            _keep(self._on_node, (namespace, node, message.image), pull)

    def of(self, namespace: str, pod_uid: str, container: str) -> Pull | None:
        """What was last reported of a container's image, in its own namespace."""
        return self._of_container.get((namespace, pod_uid, container))

    def on(self, namespace: str, node: str, image: str) -> Pull | None:
        """The last pull of an image onto a node for a pod of a namespace: another tenant's Events count for nothing."""
        return self._on_node.get((namespace, node, image))


def _stamped(event: Object) -> float | None:
    return next(
        (at for name in ("lastTimestamp", "eventTime", "firstTimestamp") if (at := seconds(_text(event.get(name))))),
        None,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _keep(kept: MutableMapping[K, V], where: K, what: V) -> None:
    kept.pop(where, None)
    kept[where] = what
    if len(kept) > MOST_PULLS:
        del kept[next(iter(kept))]
