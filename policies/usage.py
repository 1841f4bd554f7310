"""What the GPUs of a workload without a pool are for, and what they cost: as `account` counts those of a pool's members."""

from dataclasses import dataclass

from policies.account import HOUR_SECONDS, LONGEST_GAP_SECONDS
from policies.model import Demand, Inputs, Plan, Policy
from policies.pool import Usage
from policies.supply import Role, StageName


@dataclass(frozen=True, slots=True)
class Held:
    """GPUs that a workload holds at one moment."""

    serving: int
    starting: int  # of replicas on a node that do not serve yet
    prepared: int  # of prepared nodes
    used: float  # of `serving`, what demand keeps busy; all of it while demand is unknown

    def usage(self, seconds: float, price_per_gpu_hour: float) -> Usage:
        """If it was held for so long. `starting` of the result includes the prepared nodes."""
        gpus = self.serving + self.starting + self.prepared
        return Usage(
            serving=self.serving * seconds,
            starting=(self.starting + self.prepared) * seconds,
            used=self.used * seconds,
            usd=gpus * price_per_gpu_hour * seconds / HOUR_SECONDS,
        )


def held(policy: Policy, inputs: Inputs, demand: Demand, plan: Plan | None, before: Held | None) -> Held:
    """What a policy's workload holds as one of its decisions sees it.

    What runs is never taken as none because it is unknown: then it is what was held `before`, else what was decided.
    """
    gpus, supply = policy.gpus_per_replica, inputs.supply
    if supply is not None:
        standby = [unit for unit in supply.units if unit.role is Role.STANDBY and StageName.GPU in unit.done]
        serving, starting, prepared = len(supply.ready) * gpus, supply.starting * gpus, len(standby) * gpus
    elif before is not None:
        serving, starting, prepared = before.serving, before.starting, before.prepared
    else:
        serving = 0 if plan is None else plan.desired_replicas * gpus
        starting, prepared = 0, 0 if plan is None else plan.prepared_nodes * gpus
    used = serving if demand.replicas is None else min(float(serving), max(0.0, demand.replicas) * gpus)
    return Held(serving, starting, prepared, used)


def elapsed_seconds(before_seconds: float | None, now_seconds: float) -> float:
    """For how long a tick counts: since the one before it. After more than a day it is not known what was held, nor counted."""
    elapsed = 0.0 if before_seconds is None else max(0.0, now_seconds - before_seconds)
    return elapsed if elapsed <= LONGEST_GAP_SECONDS else 0.0
