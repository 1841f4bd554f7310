"""What an actuator is: something that brings units of supply to a rung ahead of the replicas that will need them.

An actuator degrades to a longer lead time and never blocks a scale-up: it reports a problem and raises for no failure of the
API. All that it makes is labelled, owned, bounded in number, and ends by itself when the controller does. A replica takes over
what an actuator holds by preemption, so there is no call for it.
"""

from dataclasses import dataclass
from typing import Protocol

from autoscaler.actuators.shapes import Shape
from autoscaler.kube.objects import Object
from crds.workload import Workload
from policies.model import Plan
from policies.supply import Rung, Supply, Unit


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an actuator can do."""

    rung: Rung  # the rung that its units reach and are held at
    shapes: tuple[Shape, ...] = ()  # of all that it makes


@dataclass(frozen=True, slots=True)
class Change:
    """What was done, by name of the object, and what was not and why."""

    created: tuple[str, ...] = ()
    released: tuple[str, ...] = ()
    refused: int = 0  # left out by a cap
    problem: str = ""  # why the rest was not done; empty if all was
    impossible: bool = False  # nothing can be held for this workload as it is: what is decided must not count on it
    foreign: str = ""  # what somebody else does to the objects that it sets; empty if nobody does anything


@dataclass(frozen=True, slots=True)
class Refused:
    """Decided replicas that the API server does not let be created."""

    replicas: int
    cause: str = ""  # what it said, in one line; empty where that is not known

    @property
    def by_quota(self) -> bool:
        """Whether what another workload holds may be why. A quota also refuses pods that lack a request it counts."""
        return not self.cause or ("quota" in self.cause and "must specify" not in self.cause)

    @property
    def sentence(self) -> str:
        """How it is reported."""
        why = self.cause or "see the Events of the target and of what it owns"
        return f"Replicas that are decided and cannot be created: {self.replicas} ({why})."


class Actuator(Protocol):
    """Holds units for workloads. One of a kind serves all of them."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    async def ensure(
        self,
        workload: Workload,
        template: Object | None,
        plan: Plan,
        supply: Supply | None,
        now_seconds: float,
        refused: Refused | None = None,
    ) -> Change:
        """Bring what is held for a workload to the plan's echelon at `capabilities.rung`. Idempotent.

        `template` is the target's pod template; None where it is unknown. `supply` is None where it is unknown. What is held
        makes way for replicas that are `refused`.
        """

    def observe(self, workload: Workload, now_seconds: float) -> tuple[Unit, ...] | None:
        """The units that are held for a workload now; None where that is unknown."""

    async def release(self, now_seconds: float) -> Change:
        """Remove everything that no workload needs any more, and what has outlived its own deadline."""
