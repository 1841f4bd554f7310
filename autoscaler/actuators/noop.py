"""The actuator that holds nothing: for an installation that prepares no nodes, and for tests."""

from autoscaler.actuators.base import Capabilities, Change, Refused
from autoscaler.kube.objects import Object
from crds.workload import Workload
from policies.model import Plan
from policies.supply import Rung, Supply, Unit


class Noop:
    """Does nothing, and never has a problem."""

    capabilities = Capabilities(Rung.REQUESTED)

    async def ensure(
        self,
        workload: Workload,
        template: Object | None,
        plan: Plan,
        supply: Supply | None,
        now_seconds: float,
        refused: Refused | None = None,
    ) -> Change:
        """Nothing."""
        del workload, template, plan, supply, now_seconds, refused
        return Change()

    def observe(self, workload: Workload, now_seconds: float) -> tuple[Unit, ...]:
        """Nothing is held."""
        del workload, now_seconds
        return ()

    async def release(self, now_seconds: float) -> Change:
        """Nothing."""
        del now_seconds
        return Change()
