"""What a tick of pools takes, with all that their members decide: `python -m benchmarks.step_pools`. About 30 s.

As in `benchmarks.step` each policy has 8 pods and has lived through 90 min of traffic. At each tick every member of a pool
proposes, the pool decides, and every member settles what it was granted. Where GPUs are short, every member asks for more
than it gets. Each round begins anew, with all growth still to be granted.
"""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from benchmarks import goals
from benchmarks.step import FULL_TICKS, PROFILE, Pods, a_policy
from policies.ask import ask
from policies.demand import observe
from policies.engine import Proposal, propose, settle, step
from policies.model import Inputs, Policy, State
from policies.node_lead import node_lead_seconds, patience_seconds
from policies.pool import (
    Ask,
    Day,
    Limits,
    Offering,
    OfferingInput,
    OfferingKind,
    Pool,
    PoolInputs,
    PoolState,
    Seat,
    StandbySettings,
)
from policies.pool_step import pool_step

ROUNDS = 5
PODS = 8
OFFERINGS = (
    Offering("reserved", OfferingKind.RESERVED, 2.0, 8, 8),
    Offering("spot", OfferingKind.SPOT, 1.0, 8),
    Offering("on-demand", OfferingKind.ON_DEMAND, 4.0, 8),
)
SEATS = (Seat("interactive", "chat", 10, 2.0, 40, None), Seat("batch", "science", 0, 1.0, 0, None))


@dataclass(frozen=True, slots=True)
class Case:
    """So many pools with so many members each. Those that are short have half of what is asked for beyond what runs."""

    pools: int
    members: int
    short: bool = False
    most_replicas: int = 64


CASES = {
    "1,000 policies in 20 pools, CPU s": Case(20, 50),
    "1,000 policies in 20 pools that are short, CPU s": Case(20, 50, short=True),
    "1,000 policies in one pool, CPU s": Case(1, 1000),
    "1,000 policies in one pool that is short, CPU s": Case(1, 1000, short=True),
    "50 policies of 10,000 replicas in a pool that is short, CPU s": Case(1, 50, short=True, most_replicas=10_000),
}
ALONE = "in 20 pools, times the same policies without a pool"


def main() -> None:
    figures: dict[str, float | None] = {}
    for name, case in CASES.items():
        alone, pooled = measure(case)
        figures[name] = pooled
        if name == next(iter(CASES)):
            figures[ALONE] = pooled / alone
    goals.show("step_pools", figures, f"A tick of all policies and pools, median of {ROUNDS} rounds")


def measure(case: Case) -> tuple[float, float]:
    """CPU seconds of a tick: of what the members decide alone, and with their pools."""
    chance, pods = Random(1), Pods(PODS)
    lived = State()
    for _ in range(FULL_TICKS):
        lived = step(a_policy(0), lived, pods.tick(chance)).state
    count = case.pools * case.members
    policies = [a_member(index, case) for index in range(count)]
    states = [lived] * count
    pools = [a_pool(case, index) for index in range(case.pools)]
    alone, pooled = [], []
    moment = pods.tick(chance)
    for _ in range(ROUNDS):
        moments = [replace(moment) for _ in policies]
        began = time.process_time()
        for policy, state, inputs in zip(policies, states, moments, strict=True):
            step(policy, state, inputs)
        alone.append(time.process_time() - began)
        began = time.process_time()
        for index, pool in enumerate(pools):
            of = slice(index * case.members, (index + 1) * case.members)
            tick(pool, PoolState(), policies[of], states[of], moments[of])
        pooled.append(time.process_time() - began)
    return statistics.median(alone), statistics.median(pooled)


def tick(
    pool: Pool, state: PoolState, policies: Sequence[Policy], states: Sequence[State], moments: Sequence[Inputs]
) -> tuple[PoolState, list[State]]:
    """One turn of a pool on the grid: the states that it and its members come to."""
    proposals = [a_proposal(*each) for each in zip(policies, states, moments, strict=True)]
    seats = [SEATS[index % len(SEATS)] for index in range(len(proposals))]
    asks = [found for each in zip(proposals, seats, strict=True) if (found := ask(*each)) is not None]
    result = pool_step(pool, state, pool_inputs(moments[0].now_seconds, pool, tuple(asks)))
    grants = {each.workload: each.grant for each in result.plan.grants}
    return result.state, [settle(each, grants[each.policy.name]).state for each in proposals]


def a_proposal(policy: Policy, state: State, inputs: Inputs) -> Proposal:
    return propose(policy, state, observe(policy, state, inputs), inputs)


def pool_inputs(now_seconds: float, pool: Pool, asks: tuple[Ask, ...]) -> PoolInputs:
    cold = PROFILE.cold_start
    patience = patience_seconds(cold)
    midnight = now_seconds // 86_400 * 86_400
    return PoolInputs(
        now_seconds=now_seconds,
        on_grid=True,
        asks=asks,
        standby=(),
        offerings=tuple(OfferingInput(each.name, True, 8, patience) for each in pool.offerings),
        day=Day("2025-10-09", midnight, midnight + 86_400.0),
        node_lead_seconds=node_lead_seconds(cold),
        replicas_on=tuple((f"node-{index}", each.workload) for index, each in enumerate(asks)),
    )


def a_member(index: int, case: Case) -> Policy:
    policy = replace(a_policy(index), max_replicas=case.most_replicas)
    # A floor of a third of the maximum, never less than twice its pods: a GPU that is short is asked for at every tick.
    return replace(policy, min_replicas=max(2 * PODS, case.most_replicas // 3)) if case.short else policy


def a_pool(case: Case, index: int) -> Pool:
    floor = max(2 * PODS, case.most_replicas // 3)
    gpus = case.members * (PODS + floor) // 2 if case.short else None
    return Pool(f"h100-{index}", "platform", "#gpus", OFFERINGS, Limits(gpus, 1e6), StandbySettings(4))


if __name__ == "__main__":
    main()
