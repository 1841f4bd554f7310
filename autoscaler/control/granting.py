"""Grants the members of a pool what they may have: one decision of the pool for each turn of the loop.

A member whose pool does not exist, or was never valid, keeps what it has and does not grow. Not here: which pools there are
(`pools`), and what a decision is made from (`pool_inputs`).
"""

from collections.abc import Callable, Mapping, Sequence
from weakref import WeakKeyDictionary

from autoscaler.control.pool_inputs import Member, Sources, member_ask, pool_inputs
from autoscaler.control.pool_runtime import PoolRuntime
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.kube.objects import Object
from autoscaler.records.writer import Recorder
from autoscaler.reporting.spending import count_pool
from crds.pool import GpuPool
from crds.pool_landing import obstacle
from policies.allocate import without_pool
from policies.engine import Proposal
from policies.fetches import Ability
from policies.model import Grant
from policies.pool import Granted
from policies.pool_step import pool_step
from policies.supply import StageName

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
        self._offered: WeakKeyDictionary[PolicyRuntime, tuple[GpuPool, Object | None, str]] = WeakKeyDictionary()

    def problem(self, pool: str) -> str:
        """Why a pool cannot be used; empty if it can."""
        return "" if pool in self.pools else self._problem(pool)

    def contact(self, pool: str) -> str:
        """Whom to ask for more of a pool; empty where it is not known."""
        runtime = self.pools.get(pool)
        if runtime is None:
            return ""
        settings = runtime.pool.pool
        return f"{settings.owner} ({settings.contact})" if settings.contact else settings.owner

    def offer_standby(self, member: PolicyRuntime, now_seconds: float) -> None:
        """Give a member whether standby nodes of its pool are of use to it, where the pool or its template has changed."""
        runtime = self.pools.get(member.workload.pool)
        if runtime is None:
            member.offer_standby(None)
            self._offered.pop(member, None)
            return
        basis = runtime.pool, member.template, runtime.standby_fails(now_seconds)
        before = self._offered.get(member)
        if before is None or before[0] is not basis[0] or before[1] is not basis[1] or before[2] != basis[2]:
            self._offered[member] = basis
            member.offer_standby(standby_ability(*basis))

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
        model_names = {each.runtime.key: each.runtime.model_name for each in members}
        count_pool(settings, inputs, before.account, result.state.account, model_names)
        return {each.workload: each for each in result.plan.grants}


def standby_ability(pool: GpuPool, template: Object | None, problem: str) -> Ability | None:
    """Whether the pool's standby nodes are of use to pods of a template; None where the pool holds none, or it is not known."""
    if not pool.pool.standby.max_nodes or template is None:
        return None
    try:
        found = [(each.name, obstacle(template.get("spec") or {}, each)) for each in pool.offerings]
    except (TypeError, AttributeError):  # what is wrong with a template is the API server's to say
        return None
    closed = [f"{name}: {why}" for name, why in found if why is not None]
    if len(closed) == len(found):
        said = f"Its pods can land on no standby node of pool {pool.name} ({'; '.join(closed)})."
        return Ability("StandbyNodes", StageName.NODE, works=False, sentence=said)
    if problem:
        return Ability("StandbyNodes", StageName.NODE, works=False, sentence=f"{problem[:1].upper()}{problem[1:]}.")
    but = f", but not on those of {'; '.join(closed)}" if closed else ""
    said = f"Its pods can land on standby nodes of pool {pool.name}{but}."
    return Ability("StandbyNodes", StageName.NODE, works=True, sentence=said)


def kept(proposal: Proposal) -> Grant | None:
    """What a member keeps whatever becomes of its pool: what it asks for, as far as it has it."""
    asked = proposal.asked
    if asked is None:
        return None
    return Grant(min(asked.replicas, proposal.kept_replicas), min(asked.prepared_nodes, proposal.decided.prepared))
