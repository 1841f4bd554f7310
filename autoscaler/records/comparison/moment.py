"""What the comparison takes from one decision: demand, what runs, and what Outrider asks for."""

from dataclasses import dataclass
from typing import Self

from crds.notation.timestamps import timestamp
from policies.combine import whole
from policies.ladder import lead_seconds, replica_rung
from policies.log import Decision
from policies.model import Demand, Mode, Plan, Rule
from policies.supply import Role, Rung, StageName, Supply

MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class Moment:
    """Holds from `at_seconds` (Unix) to the next decision. None: unknown."""

    at_seconds: float
    demand: float | None  # replicas
    queue_seconds: float | None  # how long the newest request waits for what runs, by the work that waits
    ready: int | None  # replicas that serve
    with_node: int | None  # replicas and prepared nodes that hold their GPUs
    asked: int | None  # replicas that Outrider asks for
    prepared: int | None  # prepared nodes that it asks for
    new_unit_seconds: float  # its lead time (p90) from the request of a node to a serving replica
    new_replica_seconds: float  # the same for a replica, which may start on a prepared node

    @classmethod
    def of(cls, decision: Decision) -> Self:
        """The moment of a decision. Raises an error of `policies.log.NONSENSE` for what no workload can have."""
        timestamp(decision.inputs.now_seconds)
        supply, plan, cold_start = decision.inputs.supply, decision.plan, decision.inputs.cold_start
        counts = [] if plan is None else [each.count for each in plan.echelons]
        policy = decision.policy
        numbers = decision.demand.replicas or 0.0, policy.gpus_per_replica, policy.price_per_gpu_hour, *counts
        if any(not 0.0 <= number <= MOST for number in numbers):
            raise ValueError(f"a number of replicas or GPUs or a price that is not 0 to {MOST:,}")
        return cls(
            at_seconds=decision.inputs.now_seconds,
            demand=decision.demand.replicas,
            queue_seconds=_queue_seconds(decision.demand, supply),
            ready=None if supply is None else len(supply.ready),
            with_node=None if supply is None else _with_node(supply),
            asked=None if plan is None else plan.desired_replicas,
            prepared=None if plan is None else _prepared(plan),
            new_unit_seconds=lead_seconds(cold_start, Rung.REQUESTED),
            new_replica_seconds=lead_seconds(cold_start, replica_rung(decision.policy)),
        )


def _queue_seconds(demand: Demand, supply: Supply | None) -> float | None:
    if demand.waiting is None or supply is None:
        return None
    return demand.waiting * demand.work_seconds / max(1, len(supply.ready))


def _with_node(supply: Supply) -> int:
    standby = sum(unit.role is Role.STANDBY and StageName.GPU in unit.done for unit in supply.units)
    return supply.placed + standby


def _prepared(plan: Plan) -> int:
    """Without those that wait for a replica in mode Shadow: that replica never comes, since nothing is scaled."""
    reasons = plan.prepared_reasons
    rules = [reason.rule for reason in reasons]
    if plan.mode is Mode.ACTIVE or Rule.HANDOVER not in rules:
        return plan.prepared_nodes
    needed = reasons[rules.index(Rule.HANDOVER) + 1 :]
    return min(plan.prepared_nodes, whole(needed[0].replicas)) if needed else plan.prepared_nodes
