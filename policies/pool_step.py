"""One decision of a pool: what each member may have, how many standby nodes are held, and which offerings are asked for them.

It is a fold like that of a policy: the same arguments always give the same result. Filters, the account and what is remembered
of the offerings advance on grid ticks only; between two ticks growth is granted, and nothing that is held is let go.
"""

from collections.abc import Sequence
from dataclasses import replace

from policies import account, offerings, standby
from policies.allocate import allocate, granted_gpus
from policies.finite import require_pool_inputs, require_pool_state
from policies.pool import Claim, Granted, Pool, PoolInputs, PoolPlan, PoolResult, PoolState


def pool_step(pool: Pool, state: PoolState, inputs: PoolInputs) -> PoolResult:
    """The decision at `inputs.now_seconds`. Raises NotFiniteError if a number of the inputs or of the state is not finite."""
    require_pool_inputs(inputs)
    require_pool_state(state)
    spent = account.accounted(pool, state.account, inputs)
    # Standby makes way for growth: what it would cost until the day's end refuses nothing.
    grants = allocate(
        pool,
        inputs.asks,
        spent_usd=spent.day_usd,
        projected_usd=account.projected_usd(spent, inputs, account.members_usd_per_hour(inputs.asks)),
        hours_left=account.hours_left(inputs),
    )
    before = replace(state, account=spent)
    if inputs.on_grid:
        before = replace(before, offerings=offerings.observed(pool, state.offerings, inputs))
    nodes, reasons, after = standby.standby(pool, before, inputs, grants)
    claims = _claims(pool, before, inputs, grants, nodes)
    after = replace(after, claims=claims) if inputs.on_grid else state
    require_pool_state(after)
    usd_per_hour = account.members_usd_per_hour(inputs.asks, grants) + _usd_per_hour(pool, claims)
    plan = PoolPlan(
        at_seconds=inputs.now_seconds,
        grants=grants,
        standby_nodes=nodes,
        claims=claims,
        reasons=reasons,
        granted_gpus=granted_gpus(inputs.asks, grants),
        held_gpus=sum([ask.held_replicas * ask.gpus_per_replica for ask in inputs.asks]),
        projected_usd=account.projected_usd(spent, inputs, usd_per_hour),
    )
    return PoolResult(after, plan)


def _claims(
    pool: Pool, state: PoolState, inputs: PoolInputs, grants: Sequence[Granted], nodes: int
) -> tuple[Claim, ...]:
    """The claims on `nodes`; while it is not known what there is, those decided last."""
    if inputs.standby is None:
        return state.claims
    held = standby.holdings(inputs.asks, grants)
    return offerings.claims(pool, state.offerings, inputs, nodes, standby.room_gpus(pool, inputs, held))


def _usd_per_hour(pool: Pool, claims: Sequence[Claim]) -> float:
    prices = {each.name: account.node_usd_per_hour(each) for each in pool.offerings}
    return sum([claim.nodes * prices.get(claim.offering, 0.0) for claim in claims])
