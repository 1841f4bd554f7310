"""What there is of supply and how it comes to be: the stages of a cold start, the rungs of the ladder, units, and views of them."""

import math
from dataclasses import dataclass
from enum import IntEnum, StrEnum

NORMAL_P95 = 1.645  # the standard normal quantile of 0.95


@dataclass(frozen=True, slots=True)
class Stage:
    """One latency of a cold start: log-normal, given by two quantiles in seconds."""

    p50_seconds: float
    p95_seconds: float

    @property
    def sigma(self) -> float:
        """Standard deviation of the logarithm."""
        return math.log(self.p95_seconds / self.p50_seconds) / NORMAL_P95


class StageName(StrEnum):
    """The stages of a cold start; each is a field of `ColdStart`."""

    NODE = "node"
    GPU = "gpu"
    IMAGE = "image"
    WEIGHTS = "weights"
    WARMUP = "warmup"


STAGES = tuple(StageName)


class Rung(IntEnum):
    """How far a unit of supply has climbed."""

    REQUESTED = 0
    NODE_READY = 1
    IMAGE_READY = 2
    WEIGHTS_READY = 3
    SERVING = 4

    @property
    def passed(self) -> tuple[StageName, ...]:
        """The stages that a unit on this rung has passed."""
        return STAGES[: self + 1] if self else ()


@dataclass(frozen=True, slots=True)
class ColdStart:
    """How long each stage of a new replica's start takes, and which of them need not wait for the replica.

    A replica's pod starts once the GPU is allocatable. It pulls the image, gets the weights and warms up, one after another.
    """

    node: Stage  # request -> the kubelet has registered the node; -> the GPU is allocatable where `gpu` is None
    image: Stage | None  # pull and unpack; None: there is nothing to pull
    weights: Stage | None  # to the node's disk; None: the engine streams them, or they are in the image
    warmup: Stage  # process start -> ready to serve
    gpu: Stage | None = None  # registered -> the GPU is allocatable: driver and device plugin
    ahead: tuple[StageName, ...] = ()  # of image and weights: begins when the node registers, without the replica

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Those that there are."""
        found = (self.node, self.gpu, self.image, self.weights, self.warmup)
        return tuple([stage for stage in found if stage is not None])


class Role(StrEnum):
    """What a unit of supply is for."""

    REPLICA = "Replica"  # a pod of the target
    STANDBY = "Standby"  # holds a node for a replica to come


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of supply: a replica, or standby whose place a replica can take."""

    name: str
    role: Role
    done: tuple[StageName, ...]  # the stages that it has passed
    since_seconds: float | None = None  # when it passed the last of these, or was requested; None: unknown
    node: str | None = None  # None: no node yet

    @property
    def rung(self) -> Rung:
        """The highest rung whose stages it has all passed."""
        return next(rung for rung in reversed(Rung) if set(rung.passed) <= set(self.done))


@dataclass(frozen=True, slots=True)
class Supply:
    """What there is: the scale target's `spec.replicas`, and every unit. All counts are derived from the units."""

    spec_replicas: int
    units: tuple[Unit, ...] = ()
    unlisted: int = 0  # replicas that the scale target counts and the list of its pods lacks

    @property
    def ready(self) -> tuple[str, ...]:
        """Names of the pods that serve."""
        return tuple([unit.name for unit in self.units if unit.role is Role.REPLICA and StageName.WARMUP in unit.done])

    @property
    def placed(self) -> int:
        """Replicas that have a GPU on a node."""
        return self._count(Role.REPLICA, StageName.GPU)

    @property
    def starting(self) -> int:
        """Replicas that have a node but do not serve yet."""
        return self.placed - len(self.ready)

    @property
    def unplaced(self) -> int:
        """Replicas without a node."""
        return self._count(Role.REPLICA) - self.placed

    @property
    def prepared(self) -> int:
        """Standby units whose node holds a GPU and the image."""
        return self._count(Role.STANDBY, StageName.GPU, StageName.IMAGE)

    @property
    def preparing(self) -> int:
        """Standby units that are not prepared yet."""
        return self._count(Role.STANDBY) - self.prepared

    def _count(self, role: Role, *stages: StageName) -> int:
        """Units of a role that have passed all these stages."""
        return sum([unit.role is role and set(stages) <= set(unit.done) for unit in self.units])
