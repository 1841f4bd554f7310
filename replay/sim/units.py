"""Nodes and what holds their GPUs. Planned times lie in the future until they have come; infinity: not planned."""

import math
from dataclasses import dataclass, field

from policies.pool import StandbyPhase, StandbyUnit
from policies.supply import STAGES, Role, Rung
from policies.supply import Unit as SupplyUnit
from replay.sim.disk import Disk, Model
from replay.sim.views import BalloonView, Ended, NodeView, Phase, PodView


@dataclass(eq=False)
class Unit:
    """A pod that asks for GPUs, on a node of one of some offerings."""

    name: str
    created_seconds: float
    gpus: int
    offerings: tuple[str, ...]  # in the order in which they are asked for a node
    node: "Node | None" = None
    scheduled_seconds: float = math.inf
    image_seconds: float = math.inf  # its node holds the image


@dataclass(eq=False)
class ModelUnit(Unit):
    """A pod of a workload, for the GPUs of one replica."""

    model: Model = field(kw_only=True)


@dataclass(eq=False)
class Pod(ModelUnit):
    """A replica."""

    ordinal: int = 0
    started_seconds: float = math.inf
    ready_seconds: float = math.inf
    deleted_seconds: float = math.inf
    _supply: tuple[int, SupplyUnit] | None = None

    def supply(self, now_seconds: float) -> SupplyUnit:
        """The pod as a unit of supply. A new value only where one more can be seen: it is asked for every two seconds."""
        seen = int(self.scheduled_seconds <= now_seconds) + int(self.ready_seconds <= now_seconds)
        if self._supply is None or self._supply[0] != seen:
            # What is done of the image and the weights, no API shows.
            done, since = (
                ((), self.created_seconds),
                (Rung.NODE_READY.passed, self.scheduled_seconds),
                (STAGES, self.ready_seconds),
            )[seen]
            node = self.node.name if self.node else None
            self._supply = seen, SupplyUnit(self.name, Role.REPLICA, done, since, node)
        return self._supply[1]

    def phase(self, now_seconds: float) -> Phase:
        """Where it is now."""
        reached = (
            (self.deleted_seconds, Phase.TERMINATING),
            (self.ready_seconds, Phase.SERVING),
            (self.started_seconds, Phase.WARMING),
            (self.image_seconds, Phase.LOADING),
            (self.scheduled_seconds, Phase.PULLING),
        )
        return next((phase for at, phase in reached if at <= now_seconds), Phase.UNPLACED)

    def view(self, now_seconds: float) -> PodView:
        """What can be seen of it now."""
        return PodView(
            name=self.name,
            created_seconds=self.created_seconds,
            scheduled_seconds=come(self.scheduled_seconds, now_seconds),
            image_ready_seconds=come(self.image_seconds, now_seconds),
            started_seconds=come(self.started_seconds, now_seconds),
            ready_seconds=come(self.ready_seconds, now_seconds),
            deleted_seconds=come(self.deleted_seconds, now_seconds),
            node=self.node.name if self.node else None,
            phase=self.phase(now_seconds),
        )


@dataclass(eq=False)
class Balloon(ModelUnit):
    """Holds a replica's place and pulls the image, of the lowest priority."""

    deadline_seconds: float = math.inf
    ended: Ended | None = None

    def supply(self, now_seconds: float) -> SupplyUnit:
        """It as a unit of supply."""
        node = None if self.node is None else self.node.name
        if self.image_seconds <= now_seconds:
            return SupplyUnit(self.name, Role.STANDBY, Rung.IMAGE_READY.passed, self.image_seconds, node)
        if node is not None:
            return SupplyUnit(self.name, Role.STANDBY, Rung.NODE_READY.passed, self.scheduled_seconds, node)
        return SupplyUnit(self.name, Role.STANDBY, (), self.created_seconds, None)

    def end(self, reason: Ended, now_seconds: float) -> None:
        """It holds nothing from now on, and what had not come never will."""
        self.ended = reason
        if self.image_seconds > now_seconds:
            self.image_seconds = math.inf

    def view(self, now_seconds: float) -> BalloonView:
        """What can be seen of it now."""
        return BalloonView(
            name=self.name,
            created_seconds=self.created_seconds,
            deadline_seconds=self.deadline_seconds,
            node=self.node.name if self.node else None,
            scheduled_seconds=come(self.scheduled_seconds, now_seconds),
            running_seconds=come(self.image_seconds, now_seconds),
            ended=self.ended,
        )


@dataclass(eq=False)
class Standby(Unit):
    """Holds a whole node for whichever replica needs it next, of the lowest priority."""

    deadline_seconds: float = math.inf

    @property
    def offering(self) -> str:
        """The only one that it can land on."""
        return self.offerings[0]

    def view(
        self, phase: StandbyPhase, since_seconds: float, node: "Node | None" = None, images: int = 0
    ) -> StandbyUnit:
        """What can be seen of it now; `node` is the one that it is on, or that has registered for it."""
        name = None if node is None else node.name
        return StandbyUnit(self.name, self.offering, phase, self.created_seconds, since_seconds, name, images)


@dataclass(eq=False)
class Node:
    """A machine with GPUs, billed from its launch on."""

    name: str
    ordinal: int
    offering: str
    price_per_gpu_hour: float
    launched_seconds: float
    registered_seconds: float
    ready_seconds: float  # its GPUs are allocatable
    gpus: int
    disk: Disk
    free_gpus: int
    notice_seconds: float = math.inf  # the cloud has said that it takes it back
    empty_since_seconds: float = math.inf
    last_model: Model | None = None  # of the replica that came last
    units: list[Unit] = field(default_factory=list)

    def takes(self, unit: Unit, gpus: int, now_seconds: float) -> bool:
        """A unit can land on it where that many GPUs are free."""
        return (
            gpus >= unit.gpus
            and self.ready_seconds <= now_seconds < self.notice_seconds
            and self.offering in unit.offerings
        )

    @property
    def in_use(self) -> set[str]:
        """The names of the workloads that have pods on it."""
        return {unit.model.name for unit in self.units if isinstance(unit, ModelUnit)}

    def view(self, has_image: bool, now_seconds: float) -> NodeView:
        """What can be seen of it now."""
        return NodeView(
            name=self.name,
            requested_seconds=self.launched_seconds,
            registered_seconds=come(self.registered_seconds, now_seconds),
            ready_seconds=come(self.ready_seconds, now_seconds),
            has_image=has_image,
            occupants=tuple(unit.name for unit in self.units),
            gpus=self.gpus,
            offering=self.offering,
            notice_seconds=come(self.notice_seconds, now_seconds),
        )


def come(at_seconds: float, now_seconds: float) -> float | None:
    """A planned time, once it has come."""
    return at_seconds if at_seconds <= now_seconds else None
