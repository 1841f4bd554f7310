"""What is seen of a start: a pod, its node, its image. Times are Unix seconds, None where unknown or not come yet."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

LONGEST_SECONDS = 6 * 3600.0  # of one pull; 155 GB took 19 minutes
FUTURE_SECONDS = 5.0  # by how much another machine's clock may be ahead


@dataclass(frozen=True, slots=True)
class Place:
    """What kind of node it is. Empty: unknown."""

    pool: str = ""
    instance_type: str = ""
    capacity_type: str = ""
    gpu: str = ""


UNKNOWN = Place()


@dataclass(frozen=True, slots=True)
class PodSeen:
    """A pod under way."""

    namespace: str
    name: str
    uid: str
    node: str
    container: str  # the one that serves; empty: not known yet
    created_seconds: float | None
    scheduled_seconds: float | None = None
    sandbox_seconds: float | None = None  # its network is up, and the pulls begin
    started_seconds: float | None = None  # its engine's container runs
    ready_seconds: float | None = None
    weights: tuple[float, float] | None = None  # from when to when an init container got them
    pull_failed: bool = False
    restarts: int = 0
    has_address: bool = False
    gone: bool = False  # it will not come to serve any more

    @property
    def since_seconds(self) -> float | None:
        """Since when it can pull images."""
        return self.sandbox_seconds if self.sandbox_seconds is not None else self.scheduled_seconds


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """A node."""

    name: str
    place: Place
    created_seconds: float | None
    gpu_seconds: float | None = None  # when a GPU of it was first seen to be allocatable
    claimed_seconds: float | None = None  # when its NodeClaim was created


class PullState(StrEnum):
    """What became of an image that a container needs."""

    PULLING = "Pulling"
    PULLED = "Pulled"
    PRESENT = "Present"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class PullMessage:
    """One message about an image. Seconds and bytes are None where it does not say."""

    image: str
    state: PullState
    pull_seconds: float | None = None
    total_seconds: float | None = None  # with the wait for other pulls of the node
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Pull:
    """What was last reported of an image, and when."""

    message: PullMessage
    at_seconds: float

    @property
    def begin_seconds(self) -> float:
        """When the wait for it began. Events are stamped to the second: the duration is the message's own."""
        return self.at_seconds - (self.message.total_seconds or 0.0)


@dataclass(frozen=True, slots=True)
class ImageSeen:
    """What was seen of the image of a pod's container."""

    pull: Pull | None = None  # the last report of it
    earlier: Pull | None = None  # the last pull of that image onto the pod's node, for any pod of the namespace
    listed: bool = False  # the node listed it before the container ran


class Cluster(Protocol):
    """What can be looked up beside the pods."""

    def node(self, name: str) -> NodeSeen | None:
        """A node; None where nodes cannot be seen, or it is gone."""

    def lists_image(self, node: str, image: str) -> bool:
        """Whether a node says that it has an image."""

    def pull_of(self, pod: PodSeen) -> Pull | None:
        """What was last reported of the image of a pod's container."""

    def pull_on(self, namespace: str, node: str, image: str) -> Pull | None:
        """The last pull of an image onto a node, for a pod of a namespace."""
