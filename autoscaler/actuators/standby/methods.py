"""The ways in which standby nodes are held, as one actuator: an offering's nodes are its CapacityBuffer's, or else Jobs'."""

import asyncio
from collections.abc import Sequence

from autoscaler.actuators.base import Change
from autoscaler.actuators.standby.base import StandbyActuator
from autoscaler.actuators.standby.buffer import CapacityBuffers
from autoscaler.actuators.standby.jobs import StandbyJobs
from autoscaler.actuators.standby.watches import StandbyWatches
from crds.pool import GpuPool
from policies.pool import PoolPlan, StandbyUnit


class Standby:
    """Each way sees to the offerings that are its own."""

    def __init__(self, jobs: StandbyJobs, buffers: CapacityBuffers, watches: StandbyWatches) -> None:
        self._ways: tuple[StandbyActuator, ...] = (jobs, buffers)
        self._buffers = buffers
        self._watches = watches

    def observe(self, pool: GpuPool, now_seconds: float) -> tuple[StandbyUnit, ...] | None:
        """All nodes that are held or asked for; None where those of one way are unknown."""
        found: list[StandbyUnit] = []
        for units in [way.observe(pool, now_seconds) for way in self._ways]:
            if units is None:
                return None
            found += units
        return tuple(sorted(found, key=lambda each: each.name))

    def unknown_because(self) -> str:
        """What stands against knowing all of them; empty if nothing does."""
        return next(filter(None, (way.unknown_because() for way in self._ways)), "")

    async def ensure(self, pool: GpuPool, plan: PoolPlan, now_seconds: float) -> Change:
        """Bring each way to the plan's claims."""
        return _together([await way.ensure(pool, plan, now_seconds) for way in self._ways])

    async def release(self, now_seconds: float) -> Change:
        """Let go what no pool stands behind."""
        return _together([await way.release(now_seconds) for way in self._ways])

    async def run(self) -> None:
        """Watch and read what there is, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watches.run())
            group.create_task(self._buffers.run())


def _together(changes: Sequence[Change]) -> Change:
    return Change(
        tuple(name for change in changes for name in change.created),
        tuple(name for change in changes for name in change.released),
        problem="; ".join(change.problem for change in changes if change.problem),
        foreign="; ".join(change.foreign for change in changes if change.foreign),
    )
