"""Reads a pod: whether it is ours, what it runs, and when it reached each stage."""

from dataclasses import dataclass

from autoscaler.kube.objects import Object, condition, created_seconds, deleting, metadata, seconds

GPU = "nvidia.com/gpu"
ENDED = ("Succeeded", "Failed")
ROUNDING_SECONDS = 1.5  # the API's times are whole seconds: what is seen so soon after gets the time it was seen


@dataclass
class Times:
    """When a replica reached each stage, in Unix seconds; None: not yet."""

    gpus: int = 0
    node: str | None = None
    created: float | None = None
    scheduled: float | None = None
    image_ready: float | None = None
    started: float | None = None
    weights_ready: float | None = None
    ready: float | None = None
    deleted: float | None = None
    gone: float | None = None

    def observe(self, pod: Object, now_seconds: float) -> None:
        """Fill in the times that the API gives and the stand-in has not set itself."""
        status, about = pod.get("status") or {}, metadata(pod)
        self.gpus, self.node = gpus(pod), (pod.get("spec") or {}).get("nodeName")
        states = [each.get("state") or {} for each in status.get("containerStatuses") or ()]
        running = [state["running"] for state in states if "running" in state]
        found = {
            "created": created_seconds(pod),
            "scheduled": seconds((condition(pod, "PodScheduled") or {}).get("lastTransitionTime")),
            "started": seconds(running[0].get("startedAt")) if running else None,
            "ready": seconds((condition(pod, "Ready") or {}).get("lastTransitionTime")),
            "deleted": seconds(about.get("deletionTimestamp")),
        }
        if found["deleted"] is not None:
            found["deleted"] -= about.get("deletionGracePeriodSeconds") or 0
        for name, at_seconds in found.items():
            if at_seconds is not None and getattr(self, name) is None:
                setattr(self, name, dated(at_seconds, now_seconds))


def dated(at_seconds: float, now_seconds: float) -> float:
    """The time of an event that the API dates `at_seconds` and that is seen now."""
    return now_seconds if 0 <= now_seconds - at_seconds < ROUNDING_SECONDS else at_seconds


def containers(pod: Object) -> list[Object]:
    """The pod's containers, without init containers."""
    return list((pod.get("spec") or {}).get("containers") or ())


def gpus(pod: Object) -> int:
    """GPUs that the pod requests."""
    return sum(gpus_of(each) for each in containers(pod))


def gpus_of(container: Object) -> int:
    """GPUs that the container requests."""
    resources = container.get("resources") or {}
    asked = (resources.get("requests") or {}).get(GPU) or (resources.get("limits") or {}).get(GPU)
    return int(asked or 0)


def is_ours(pod: Object) -> bool:
    """Whether it has a node, and is running or waiting to be deleted."""
    bound = (pod.get("spec") or {}).get("nodeName")
    return bool(bound) and (phase(pod) not in ENDED or deleting(pod))


def image_volumes(pod: Object) -> list[str]:
    """The images that the pod mounts as volumes."""
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    return [each["image"]["reference"] for each in volumes if (each.get("image") or {}).get("reference")]


def ends(pod: Object) -> bool:
    """Whether its containers are to end by themselves, as a Job's are."""
    return (pod.get("spec") or {}).get("restartPolicy") in ("Never", "OnFailure")


def phase(pod: Object) -> str:
    """The pod's phase."""
    return str((pod.get("status") or {}).get("phase", "Pending"))


def sleep_seconds(pod: Object) -> float | None:
    """How long the pod sleeps, if that is all it does; None otherwise. A pause container sleeps for ever."""
    if any(is_pause(each["image"]) for each in containers(pod)[:1]):
        return float("inf")
    command = next(([*each.get("command", ()), *each.get("args", ())] for each in containers(pod)), [])
    if len(command) != 2 or command[0].rpartition("/")[2] != "sleep":
        return None
    return float("inf") if command[1] in ("infinity", "inf") else float(command[1])


def is_pause(image: str) -> bool:
    """Whether it is the image of a container that only keeps its pod alive."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0] == "pause"


def grace_seconds(pod: Object) -> float:
    """How long the pod may take to end."""
    given = metadata(pod).get("deletionGracePeriodSeconds")
    return float((pod.get("spec") or {}).get("terminationGracePeriodSeconds", 30) if given is None else given)
