"""What a pod says of its own start: when it was asked for, placed, let start and ready, and how its containers stand."""

from collections.abc import Mapping

from autoscaler.kube.nodes import is_gpu
from autoscaler.kube.objects import Object, condition, created_seconds, deleting, ended, key, node, seconds, uid
from autoscaler.kube.trim import WEIGHTS_CONTAINER
from policies.seen import PodSeen

PULL_FAILED = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")


def seen(pod: Object, engine: str) -> PodSeen:
    """A pod as it is now; `engine` is the container that serves, or its first one where it has none of that name."""
    status = pod.get("status") or {}
    about = key(pod)
    containers = status.get("containerStatuses") or ()
    ours = next((each for each in containers if each.get("name") == engine), containers[0] if containers else {})
    state, restarts = ours.get("state") or {}, ours.get("restartCount")
    return PodSeen(
        about.namespace,
        about.name,
        uid(pod),
        node(pod),
        str(ours.get("name") or engine),
        created_seconds(pod),
        _since(pod, "PodScheduled"),
        _since(pod, "PodReadyToStartContainers"),
        seconds((state.get("running") or {}).get("startedAt")),
        _since(pod, "Ready"),
        _weights(status),
        (state.get("waiting") or {}).get("reason") in PULL_FAILED,
        restarts if type(restarts) is int else 0,
        bool(status.get("podIP")),
        deleting(pod) or ended(pod),
    )


def engine(template: Object | None) -> tuple[str, str]:
    """The name and the image of the container that serves. Empty: unknown."""
    found = serving(template)
    return str(found.get("name") or ""), str(found.get("image") or "")


def serving(template: Object | None) -> Object:
    """The container that serves: the one with a GPU, else the first; empty where there is none."""
    containers = ((template or {}).get("spec") or {}).get("containers") or ()
    with_gpu = (each for each in containers if any(map(is_gpu, _limits(each))))
    return next(with_gpu, containers[0] if containers else {})


def _limits(container: Object) -> tuple[str, ...]:
    """Names of what a container may use; the API server checks the templates of its own kinds only."""
    resources = container.get("resources")
    limits = resources.get("limits") if isinstance(resources, Mapping) else None
    return tuple(limits) if isinstance(limits, Mapping) else ()


def _since(pod: Object, kind: str) -> float | None:
    found = condition(pod, kind)
    return None if found is None else seconds(found.get("lastTransitionTime"))


def _weights(status: Object) -> tuple[float, float] | None:
    for each in status.get("initContainerStatuses") or ():
        over = (each.get("state") or {}).get("terminated") or {}
        if each.get("name") == WEIGHTS_CONTAINER and over.get("exitCode") == 0:
            begin, end = seconds(over.get("startedAt")), seconds(over.get("finishedAt"))
            if begin is not None and end is not None:
                return begin, end
    return None
