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
    """The stages of a cold start, in the order in which a unit passes them; each is a field of `ColdStart`."""

    NODE = "node"
    IMAGE = "image"
    WEIGHTS = "weights"
    WARMUP = "warmup"


STAGES = tuple(StageName)


class Rung(IntEnum):
    """How far a unit of supply has climbed: the number of stages that it has passed."""

    REQUESTED = 0
    NODE_READY = 1
    IMAGE_READY = 2
    WEIGHTS_READY = 3
    SERVING = 4


@dataclass(frozen=True, slots=True)
class ColdStart:
    """The four latencies of a new replica, in the order in which it passes them."""

    node: Stage  # request -> GPU allocatable
    image: Stage  # pull and unpack
    weights: Stage  # to the node's disk
    warmup: Stage  # process start -> ready to serve


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
        """The rung that the unit is on: every stage below it is done."""
        return next((Rung(passed) for passed, stage in enumerate(STAGES) if stage not in self.done), Rung.SERVING)


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
        """Replicas that have a node."""
        return self._count(Role.REPLICA, StageName.NODE)

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
        return self._count(Role.STANDBY, StageName.IMAGE)

    @property
    def preparing(self) -> int:
        """Standby units that are not prepared yet."""
        return self._count(Role.STANDBY) - self.prepared

    def _count(self, role: Role, stage: StageName | None = None) -> int:
        """Units of a role; with a stage, only those that have passed it."""
        return sum([unit.role is role and (stage is None or stage in unit.done) for unit in self.units])
