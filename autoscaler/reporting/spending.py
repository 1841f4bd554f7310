"""Counts GPU-seconds and their cost as decisions are made. A counter begins at 0 with the process; a pool's account does not."""

from collections.abc import Mapping

from autoscaler.telemetry import metrics
from policies.account import HOUR_SECONDS
from policies.model import Inputs, Policy, StepResult
from policies.pool import Account, Pool, PoolInputs, Usage
from policies.usage import Held, elapsed_seconds, held

ALLOCATION, USAGE = "allocation", "usage"  # as OpenCost has them: what was held, and what of it was busy


class Meter:
    """Counts one workload by its decisions."""

    def __init__(self) -> None:
        self._at_seconds: float | None = None
        self._held: Held | None = None

    def decided(
        self, policy: Policy, inputs: Inputs, result: StepResult, *, is_pooled: bool, model_name: str = ""
    ) -> None:
        """Count up to a decision on the grid. Of a member of a pool the pool's account counts; it is only followed here."""
        if not inputs.on_grid:
            return
        self._held = held(policy, inputs, result.demand, result.plan, self._held)
        seconds = elapsed_seconds(self._at_seconds, inputs.now_seconds)
        self._at_seconds = inputs.now_seconds
        if not is_pooled:
            price = policy.price_per_gpu_hour
            usage = self._held.usage(seconds, price)
            _count(policy.name, model_name, usage, self._held.prepared * seconds, price)


def count_pool(pool: Pool, inputs: PoolInputs, before: Account, after: Account, model_names: Mapping[str, str]) -> None:
    """Count what came to a pool's account with one decision, of the pool and of each member that asks.

    `model_names` is by workload.
    """
    if after is before:
        return
    for rung in ("serving", "starting", "standby", "wasted", "idle"):
        change = getattr(after.total, rung) - getattr(before.total, rung)
        metrics.POOL_GPU_SECONDS.labels(pool=pool.name, rung=rung).inc(max(0.0, change))
    metrics.POOL_COST.labels(pool=pool.name).inc(max(0.0, after.total.usd - before.total.usd))
    was, now = dict(before.workloads), dict(after.workloads)
    seconds = elapsed_seconds(before.at_seconds, inputs.now_seconds)
    for ask in inputs.asks:
        usage, earlier = now.get(ask.workload, Usage()), was.get(ask.workload, Usage())
        change = Usage(
            serving=usage.serving - earlier.serving,
            starting=usage.starting - earlier.starting,
            standby=usage.standby - earlier.standby,
            used=usage.used - earlier.used,
            usd=usage.usd - earlier.usd,
        )
        prepared = ask.held_prepared * ask.gpus_per_replica * seconds
        _count(ask.workload, model_names.get(ask.workload, ""), change, prepared, ask.price_per_gpu_hour)


def _count(policy: str, model_name: str, usage: Usage, prepared: float, price_per_gpu_hour: float) -> None:
    """`prepared` are the GPU-seconds of `usage.starting` that were those of prepared nodes."""
    metrics.serves(policy, model_name)
    of = {"namespace": policy.partition("/")[0], "policy": policy, "model_name": model_name}
    prepared = min(max(0.0, prepared), max(0.0, usage.starting))
    for rung, seconds in (
        ("serving", usage.serving),
        ("starting", usage.starting - prepared),
        ("prepared", prepared),
        ("standby", usage.standby),
    ):
        metrics.GPU_SECONDS.labels(**of, rung=rung, cost_basis=ALLOCATION).inc(max(0.0, seconds))
    metrics.GPU_SECONDS.labels(**of, rung="serving", cost_basis=USAGE).inc(max(0.0, usage.used))
    metrics.COST.labels(**of, cost_basis=ALLOCATION).inc(max(0.0, usage.usd))
    used_usd = max(0.0, usage.used) * price_per_gpu_hour / HOUR_SECONDS
    metrics.COST.labels(**of, cost_basis=USAGE).inc(used_usd)
