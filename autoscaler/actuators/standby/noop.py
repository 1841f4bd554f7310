"""The standby actuator that holds nothing: for an installation without rights to hold nodes, and for tests."""

from autoscaler.actuators.base import Change
from crds.pool import GpuPool
from policies.pool import PoolPlan, StandbyUnit


class NoStandby:
    """Does nothing, and never has a problem."""

    def observe(self, pool: GpuPool, now_seconds: float) -> tuple[StandbyUnit, ...]:
        """Nothing is held."""
        del pool, now_seconds
        return ()

    def unknown_because(self) -> str:
        """Nothing stands against it."""
        return ""

    async def ensure(self, pool: GpuPool, plan: PoolPlan, now_seconds: float) -> Change:
        """Nothing."""
        del pool, plan, now_seconds
        return Change()

    async def release(self, now_seconds: float) -> Change:
        """Nothing."""
        del now_seconds
        return Change()
