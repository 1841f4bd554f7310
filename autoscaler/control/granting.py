"""Grants the members of a pool what they may have: one decision of the pool for each turn of the loop.

A member whose pool does not exist, or was never valid, keeps what it has and does not grow. Not here: which pools there are
(`pools`), and what a decision is made from (`pool_inputs`).
"""

from collections.abc import Callable, Mapping, Sequence

from autoscaler.control.pool_inputs import Member, Sources, member_ask, pool_inputs
from autoscaler.control.pool_runtime import PoolRuntime
from autoscaler.records.writer import Recorder
from policies.allocate import without_pool
from policies.engine import Proposal
from policies.model import Grant
from policies.pool import Granted
from policies.pool_step import pool_step

Grants = Mapping[str, Granted]


class Granting:
    """Decides for `pools`, by name. `problem` says why there is no pool of a name that is not among them.

    Without `sources` no pool can be read.
    """

    def __init__(
        self,
        pools: Mapping[str, PoolRuntime],
        problem: Callable[[str], str],
        sources: Sources | None,
        recorder: Recorder,
    ) -> None:
        self.pools = pools
        self._problem = problem
        self._sources = sources
        self._recorder = recorder

    def problem(self, pool: str) -> str:
        """Why a pool cannot be used; empty if it can."""
        return "" if pool in self.pools else self._problem(pool)

    def grants(self, pool: str, members: Sequence[Member], now_seconds: float, *, on_grid: bool) -> Grants:
        """What each member may have, by its name. A decision of the pool is recorded."""
        runtime = self.pools.get(pool)
        if runtime is None or self._sources is None:
            asks = [member_ask(each, None) for each in members]
            return {each.workload: each for each in without_pool(asks, pool)}
        inputs = pool_inputs(runtime, members, self._sources, now_seconds, on_grid=on_grid)
        before, settings = runtime.state, runtime.pool.pool
        result = pool_step(settings, before, inputs)
        runtime.settle(inputs, result)
        self._recorder.record_pool(settings, before, inputs, result)
        return {each.workload: each for each in result.plan.grants}


def kept(proposal: Proposal) -> Grant | None:
    """What a member keeps whatever becomes of its pool: what it asks for, as far as it has it."""
    asked = proposal.asked
    if asked is None:
        return None
    return Grant(min(asked.replicas, proposal.kept_replicas), min(asked.prepared_nodes, proposal.decided.prepared))
