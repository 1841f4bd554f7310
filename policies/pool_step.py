"""One decision of a pool: what each member may have, how many standby nodes are held, and which offerings are asked for them.

It is a fold like that of a policy: the same arguments always give the same result. Filters, the account and what is remembered
of the offerings advance on grid ticks only; between two ticks growth is granted, and nothing that is held is let go.
"""

from collections.abc import Sequence

from policies.model import Grant
from policies.pool import Ask, Granted, Pool, PoolInputs, PoolPlan, PoolResult, PoolState


def pool_step(pool: Pool, state: PoolState, inputs: PoolInputs) -> PoolResult:
    """The decision at `inputs.now_seconds`. Raises NotFiniteError if a number of the inputs or of the state is not finite."""
    grants = _grants(inputs.asks)
    gpus = {ask.workload: ask.gpus_per_replica for ask in inputs.asks}
    plan = PoolPlan(
        at_seconds=inputs.now_seconds,
        grants=grants,
        standby_nodes=state.standby_nodes,
        claims=(),
        reasons=(),
        granted_gpus=sum([each.grant.replicas * gpus[each.workload] for each in grants]),
        held_gpus=sum([ask.held_replicas * ask.gpus_per_replica for ask in inputs.asks]),
    )
    return PoolResult(state, plan)


def _grants(asks: Sequence[Ask]) -> tuple[Granted, ...]:
    """What every member asks for; a shadow member what runs."""
    return tuple(
        [
            Granted(ask.workload, Grant(ask.kept_replicas, 0) if ask.shadow else ask.asked)
            for ask in sorted(asks, key=lambda ask: ask.workload)
        ]
    )
