"""What a standby actuator is: something that holds whole nodes of a pool's offerings, for whichever member needs one next.

As every actuator it degrades to a longer lead time, never blocks a scale-up, and raises for no failure of the API. A member's
replica takes a node over by preemption, or since nothing holds it, so there is no call for it.
"""

from typing import Protocol

from autoscaler.actuators.base import Change
from crds.pool import GpuPool
from policies.pool import PoolPlan, StandbyUnit


class StandbyActuator(Protocol):
    """Holds nodes for pools. One of a kind serves all of them."""

    def observe(self, pool: GpuPool, now_seconds: float) -> tuple[StandbyUnit, ...] | None:
        """The nodes that are held or asked for now, by name; None where that is unknown."""

    def unknown_because(self) -> str:
        """What stands against knowing which nodes are held, as far as that shows; empty if nothing does."""

    async def ensure(self, pool: GpuPool, plan: PoolPlan, now_seconds: float) -> Change:
        """Bring what is held to the plan's claims, offering by offering. Idempotent."""

    async def release(self, now_seconds: float) -> Change:
        """Let go all that no pool stands behind, and what has outlived its own deadline."""
