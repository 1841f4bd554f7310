"""What one member of a pool asks for, from its last proposal."""

import math

from policies.engine import Proposal
from policies.model import Mode, Plan
from policies.pool import Ask, Seat
from policies.supply import Role


def ask(
    proposal: Proposal,
    seat: Seat | None,
    *,
    price_per_gpu_hour: float | None = None,
    settled: Plan | None = None,
    spec_replicas: int | None = None,
) -> Ask | None:
    """The member's ask; None while not even its number of replicas is known.

    `seat` is what the pool allows it, None if no rule matches it. `price_per_gpu_hour` is that of its nodes by the pool, in
    dollars; None: the policy's. `settled` is the plan that the proposal has led to, where the member does not ask in
    this turn, as between two ticks: without it, what was granted since would be granted again to another. `spec_replicas` is
    the target's scale as last read, which counts while its supply is unknown.
    """
    asked, policy, supply = proposal.asked, proposal.policy, proposal.inputs.supply
    if asked is None:
        return None
    kept, needed, decided = proposal.kept_replicas, proposal.needed_replicas, proposal.decided.replicas or 0
    prepared = proposal.decided.prepared
    if settled is not None:
        kept = needed = decided = settled.desired_replicas
        prepared = settled.prepared_nodes
    is_shadow = policy.mode is Mode.SHADOW
    # While it is unknown, what was decided, or what its scale asks for; of a shadow member nothing that is decided runs.
    exist = spec_replicas if is_shadow and spec_replicas is not None else max(decided, spec_replicas or 0)
    serving = starting = unplaced = 0
    if supply is not None:
        serving, starting, unplaced = len(supply.ready), supply.starting, supply.unplaced
        exist = max(supply.spec_replicas, serving + starting + unplaced + supply.unlisted)
    else:
        serving = exist
        if settled is None:
            kept = max(kept, min(asked.replicas, exist))
            needed = max(needed, kept)
    if is_shadow:  # what is decided of it is not carried out
        kept = needed = min(asked.replicas, exist)
        prepared = 0 if supply is None else sum([unit.role is Role.STANDBY for unit in supply.units])
    gpus, level, demand = policy.gpus_per_replica, proposal.seen.filters.level, proposal.seen.demand.replicas
    return Ask(
        workload=policy.name,
        seat=seat,
        gpus_per_replica=gpus,
        kept_replicas=kept,
        needed_replicas=needed,
        held_replicas=exist if is_shadow else max(exist, decided),
        asked=asked,
        level_gpus=None
        if level is None or not math.isfinite(level)
        else min(level, max(policy.max_replicas, exist)) * gpus,
        serving_gpus=serving * gpus,
        starting_gpus=starting * gpus,
        unplaced_gpus=unplaced * gpus,
        shadow=is_shadow,
        price_per_gpu_hour=policy.price_per_gpu_hour if price_per_gpu_hour is None else price_per_gpu_hour,
        used_gpus=min(float(serving), serving if demand is None else demand) * gpus,
        held_prepared=prepared,
        settled=settled is not None,
    )
