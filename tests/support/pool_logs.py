"""Pools with inputs for logs: two members of two teams, and a pool that decides by the core."""

from dataclasses import replace

from policies.model import Grant
from policies.pool import (
    Ask,
    Day,
    Granted,
    Limit,
    Limits,
    Offering,
    OfferingInput,
    OfferingKind,
    Pool,
    PoolInputs,
    PoolPlan,
    PoolResult,
    PoolState,
    Refusal,
    Seat,
)

START = 1_780_000_000.0  # 2026-05-28T20:26:40Z
POOL = Pool(
    "h100",
    "platform",
    "#gpus",
    (Offering("reserved", OfferingKind.RESERVED, 2.0, 8, 2), Offering("spot", OfferingKind.SPOT, 1.0, 8)),
    Limits(gpus=16),
)
DAY = Day("2026-05-28", 1_779_926_400.0, 1_780_012_800.0)


def an_ask(workload: str = "chat/qwen", owner: str = "search", asked: int = 3, **changes: object) -> Ask:
    """Three replicas of one GPU each, of which two serve."""
    seat = Seat(owner, owner, 0, 1.0, 0, None)
    ask = Ask(
        workload,
        seat,
        1,
        2,
        1,
        2,
        Grant(asked, 0),
        level_gpus=1.5,
        serving_gpus=2,
        price_per_gpu_hour=2.0,
        used_gpus=1.0,
    )
    return replace(ask, **changes)  # type: ignore[arg-type]


def pool_inputs(at_seconds: float = 0.0, *asks: Ask, on_grid: bool = True) -> PoolInputs:
    """So long after `START`."""
    offerings = tuple(OfferingInput(each.name, open=True, nodes=1, patience_seconds=300.0) for each in POOL.offerings)
    found = asks or (an_ask("chat/qwen"), an_ask("code/llama", "tools"))
    return PoolInputs(START + at_seconds, on_grid, found, (), offerings, DAY, node_lead_seconds=120.0)


def a_result(inputs: PoolInputs, granted: int = 2) -> PoolResult:
    """What some pool may decide, without the core."""
    refusal = Refusal(Limit.POOL_GPUS, 1, 16.0, (("code/llama", "tools", 9),))
    grants = tuple(Granted(ask.workload, Grant(granted, 0), refusal) for ask in inputs.asks)
    plan = PoolPlan(inputs.now_seconds, grants, 0, (), (), granted * len(grants), 4)
    return PoolResult(PoolState(tick_seconds=inputs.now_seconds), plan)
