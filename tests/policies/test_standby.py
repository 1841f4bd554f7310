"""How many nodes stand by: by the sum of demand, what members hold, notices, what is unknown, and limits."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.model import Grant
from policies.pool import Account, Ask, Granted, Limits, Pool, PoolInputs, PoolState, StandbyPhase
from policies.standby import MEMBER_REPLICAS, Z_TABLE, StandbyRule, deviations, holdings, quantile_gpus, standby
from tests.support.pool_worlds import (
    LEAD,
    ON_DEMAND,
    RESERVED,
    SEAT,
    a_pool,
    a_unit,
    an_ask,
    histories,
    moments,
    pool_inputs,
    pools,
)
from tests.support.worlds import START, TICK

BUSY = (an_ask("a/a", 10), an_ask("b/b", 10))


def settled(nodes: int = 0, level: float = 20.0) -> PoolState:
    """A pool whose demand has stood still."""
    return PoolState(
        tick_seconds=START - TICK,
        level=level,
        volatility=0.0,
        standby_peaks=((START - TICK, 0),),
        standby_nodes=nodes,
    )


def decided(
    pool: Pool, state: PoolState, inputs: PoolInputs, grants: tuple[Granted, ...] = ()
) -> tuple[int, StandbyRule]:
    nodes, reasons, _ = standby(pool, state, inputs, grants)
    return nodes, StandbyRule(reasons[0].rule)


def holding(*replicas: int, level: float = 10.0) -> tuple[Ask, ...]:
    return tuple(an_ask(f"m/m-{index}", count, level_gpus=level) for index, count in enumerate(replicas))


def test_the_table_is_met_and_is_linear_between() -> None:
    assert [deviations(lead) for lead, _ in Z_TABLE] == [z for _, z in Z_TABLE]
    assert deviations(5.0) == Z_TABLE[0][1]
    assert Z_TABLE[1][1] < deviations(150.0) < Z_TABLE[2][1] < deviations(600.0)


def test_bursts_that_do_not_coincide_share_nodes() -> None:
    one, all_six = holdings(BUSY[:1], ()), holdings(tuple(an_ask(f"m/{i}", 10) for i in range(6)), ())
    alone = quantile_gpus(10.0, 0.1, LEAD, one)[0] - 10.0
    together = quantile_gpus(60.0, 0.05, LEAD, all_six)[0] - 60.0
    assert together < 3.5 * alone


def test_it_is_the_quantile_of_the_sum_less_what_members_hold() -> None:
    nodes, reasons, after = standby(a_pool(most=20), settled(), pool_inputs(START, BUSY), ())
    numbers = dict(reasons[0].numbers)
    quantile, _ = quantile_gpus(20.0, 0.0, LEAD, holdings(BUSY, ()))
    assert numbers["needed_gpus"] == pytest.approx(quantile + 2 * MEMBER_REPLICAS, abs=1.0)
    assert nodes == numbers["needed_gpus"] - 20 > 0
    assert (after.level, after.tick_seconds, after.standby_nodes) == (20.0, START, nodes)


def test_what_members_hold_above_their_demand_counts() -> None:
    pool = a_pool(most=20)
    few, many = (decided(pool, settled(), pool_inputs(START, holding(count, count)))[0] for count in (8, 10))
    assert few - many == 4
    assert decided(pool, settled(), pool_inputs(START, holding(20, 20))) == (0, StandbyRule.SHARED)


def test_members_that_are_only_reported_and_a_pool_without_members_need_none() -> None:
    shadow = (an_ask("a/a", 10, shadow=True),)
    assert decided(a_pool(), settled(), pool_inputs(START, shadow))[0] == 0
    assert decided(a_pool(), settled(), pool_inputs(START))[0] == 0


def test_it_is_within_its_bounds() -> None:
    inputs = pool_inputs(START, BUSY)
    assert decided(a_pool(most=2), settled(), inputs) == (2, StandbyRule.MAXIMUM)
    assert decided(a_pool(most=0), settled(), inputs) == (0, StandbyRule.MAXIMUM)
    assert decided(a_pool(most=4, least=1), settled(), pool_inputs(START, holding(20, 20))) == (1, StandbyRule.MINIMUM)


def test_the_pools_limit_leaves_what_members_do_not_have() -> None:
    pool = a_pool(limits=Limits(gpus=21))
    inputs = pool_inputs(START, BUSY)
    assert decided(a_pool(), settled(), inputs)[0] > 2
    assert decided(pool, settled(), inputs) == (1, StandbyRule.POOL_LIMIT)
    granted = (Granted("a/a", Grant(11, 0)), Granted("b/b", Grant(10, 0)))
    assert decided(pool, settled(), inputs, granted) == (0, StandbyRule.POOL_LIMIT)
    beyond = (Granted("a/a", Grant(12, 0)), Granted("b/b", Grant(10, 0)))
    assert decided(pool, settled(), inputs, beyond) == (0, StandbyRule.POOL_LIMIT)


def test_nodes_that_wait_for_replicas_are_not_let_go_at_the_limit() -> None:
    pool = a_pool(limits=Limits(gpus=21))
    units = (a_unit(), a_unit(name="standby-1"))
    waiting = (replace(BUSY[0], held_replicas=11, unplaced_gpus=1), BUSY[1])
    assert decided(pool, settled(2), pool_inputs(START, waiting, units)) == (1, StandbyRule.POOL_LIMIT)


def test_the_limit_on_money_leaves_what_members_do_not_cost() -> None:
    hours = (pool_inputs().day.end_seconds - START) / 3600.0
    members, node = 20 * 2.0 * hours, 2.0 * hours
    for limit, nodes in ((members + 2.5 * node, 2), (members - 1.0, 0)):
        pool = a_pool(limits=Limits(usd_per_day=limit))
        assert decided(pool, settled(), pool_inputs(START, BUSY)) == (nodes, StandbyRule.MONEY)
    spent = replace(settled(), account=Account(day_usd=node))
    pool = a_pool(limits=Limits(usd_per_day=members + 2.5 * node))
    assert decided(pool, spent, pool_inputs(START, BUSY)) == (1, StandbyRule.MONEY)


def test_a_notice_is_demand_for_one_more_at_once() -> None:
    pool, inputs = a_pool(most=20), pool_inputs(START, BUSY)
    usual = decided(pool, settled(), inputs)[0]
    assert decided(pool, settled(), replace(inputs, leaving_nodes=2))[0] == usual + 2
    plenty = pool_inputs(START, holding(40, 40), leaving_nodes=2)
    assert decided(pool, settled(), plenty) == (2, StandbyRule.LEAVING)
    between = replace(plenty, on_grid=False)
    assert decided(pool, settled(), between) == (2, StandbyRule.LEAVING)
    assert decided(pool, settled(3), between) == (3, StandbyRule.BETWEEN_TICKS)


def test_between_ticks_nothing_is_remembered() -> None:
    state = settled(1)
    assert standby(a_pool(), state, pool_inputs(START, BUSY, on_grid=False), ())[2] is state


def test_it_is_held_for_a_minute_and_no_node_takes_the_place_of_a_replica() -> None:
    pool, state, counts = a_pool(most=20), settled(), []
    for tick in range(8):
        asks = BUSY if tick == 0 else holding(10, 10, level=5.0)
        inputs = pool_inputs(START + tick * TICK, asks)
        nodes, _, state = standby(pool, state, inputs, ())
        state = replace(state, level=20.0 if tick == 0 else 10.0)
        counts.append(nodes)
    assert counts[0] == counts[3] > counts[4] == counts[7]
    # Both workloads scale down at once: what was held stays, and nothing is asked for in place of their replicas.
    held = settled(1)
    held = replace(held, standby_peaks=((START - TICK, 30),))
    assert decided(pool, held, pool_inputs(START, holding(9, 9, level=2.0))) == (1, StandbyRule.HOLD)


def test_a_replica_that_takes_a_node_leaves_no_node_to_be_made_anew_by_the_hold() -> None:
    pool, state = a_pool(most=20), settled()
    nodes, _, state = standby(pool, state, pool_inputs(START, BUSY), ())
    grown = (an_ask("a/a", 11, level_gpus=10.0), BUSY[1])
    assert standby(pool, state, pool_inputs(START + TICK, grown), ())[0] == nodes - 1


def test_a_node_is_kept_until_the_replica_runs_on_it() -> None:
    pool = a_pool(most=20)
    units = tuple(a_unit(name=f"standby-{index}") for index in range(2))
    base = decided(pool, settled(2), pool_inputs(START, holding(20, 20), units))[0]
    waiting = (an_ask("a/a", 20, level_gpus=10.0, held_replicas=21, unplaced_gpus=1), holding(20)[0])
    assert decided(pool, settled(2), pool_inputs(START, waiting, units)) == (base + 1, StandbyRule.HANDOVER)
    pending = tuple(replace(unit, phase=StandbyPhase.REQUESTED, node=None) for unit in units)
    assert decided(pool, settled(2), pool_inputs(START, waiting, pending))[0] == base


def test_what_is_held_does_not_grow_while_a_replica_waits() -> None:
    """A level that stays unknown holds the count with the node that is awaited; that is not added again at each tick."""
    units = tuple(a_unit(name=f"standby-{index}") for index in range(3))
    waiting = replace(an_ask("a/a", 20), level_gpus=None, held_replicas=21, unplaced_gpus=1)
    pool, state, counts = a_pool(most=20), replace(settled(3), standby_peaks=()), []
    for tick in range(4):
        nodes, _, state = standby(pool, state, pool_inputs(START + tick * TICK, (waiting, *holding(40)), units), ())
        counts.append(nodes)
    assert counts == [3, 3, 3, 3]


@pytest.mark.parametrize("what", ["level", "standby"])
def test_what_is_unknown_holds(what: str) -> None:
    asks = holding(20, 20)
    if what == "level":
        asks = (replace(asks[0], level_gpus=None), asks[1])
    inputs = pool_inputs(START, asks, None if what == "standby" else ())
    nodes, reasons, after = standby(a_pool(), settled(3), inputs, ())
    assert (nodes, reasons[0].rule) == (3, StandbyRule.UNKNOWN)
    if what == "level":
        assert (after.level, after.levels) == (20.0, ())


def test_a_member_whose_level_is_unknown_needs_what_it_holds() -> None:
    known, unknown = BUSY, (replace(BUSY[0], level_gpus=None), BUSY[1])
    pool = a_pool(most=20)
    assert decided(pool, settled(), pool_inputs(START, known)) == decided(pool, settled(), pool_inputs(START, unknown))


def test_after_a_restart_nothing_goes_before_one_hold_has_passed() -> None:
    units = tuple(a_unit(name=f"standby-{index}") for index in range(3))
    state, counts = PoolState(), []
    for tick in range(6):
        inputs = pool_inputs(START + tick * TICK, holding(20, 20), units)
        nodes, _, state = standby(a_pool(), state, inputs, ())
        counts.append(nodes)
    assert counts == [3, 3, 3, 3, 0, 0]


def test_what_a_rule_keeps_a_flood_from_having_is_no_reason_for_a_node() -> None:
    pool, limited = a_pool(most=20), replace(SEAT, member="limited", max_gpus=10)
    calm = decided(pool, settled(), pool_inputs(START, (replace(BUSY[0], seat=limited), BUSY[1])))
    flood = replace(BUSY[0], level_gpus=100.0)
    assert decided(pool, settled(), pool_inputs(START, (flood, BUSY[1])))[0] == 20
    for seat in (limited, replace(limited, max_gpus=4), None):  # a rule's limit, less than it holds, and no rule
        assert decided(pool, settled(), pool_inputs(START, (replace(flood, seat=seat), BUSY[1])))[0] == calm[0]


def test_the_hold_after_a_restart_begins_once_it_is_known_what_stands_by() -> None:
    units = tuple(a_unit(name=f"standby-{index}") for index in range(3))
    state, counts = PoolState(), []
    for tick in range(7):
        inputs = pool_inputs(START + tick * TICK, holding(20, 20), None if tick < 2 else units)
        nodes, _, state = standby(a_pool(), state, inputs, ())
        counts.append(nodes)
    assert counts == [0, 0, 3, 3, 3, 3, 0]


def test_nodes_are_counted_by_the_smallest_offering() -> None:
    eight = a_pool(replace(RESERVED, gpus_per_node=8), replace(ON_DEMAND, gpus_per_node=8), most=20)
    one = decided(a_pool(most=20), settled(), pool_inputs(START, BUSY))[0]
    assert decided(eight, settled(), pool_inputs(START, BUSY, pool=eight))[0] == -(-one // 8)


@given(st.data())
def test_bounds_hold_and_unknown_never_lowers(data: st.DataObject) -> None:
    pool = data.draw(pools())
    unlimited = replace(pool, limits=Limits())
    state = PoolState()
    for inputs in data.draw(histories(pool)):
        grants = tuple(Granted(ask.workload, ask.asked) for ask in inputs.asks)
        nodes, reasons, after = standby(pool, state, inputs, grants)
        assert 0 <= nodes <= pool.standby.max_nodes
        assert reasons[0].nodes == nodes
        held = holdings(inputs.asks, grants)
        if pool.limits.gpus is not None:
            room = max(0, pool.limits.gpus - held.all_gpus) + held.awaiting_gpus
            size = min(each.gpus_per_node for each in pool.offerings)
            assert nodes <= -(-room // size)
        blind = replace(
            inputs,
            standby=None,
            asks=tuple(replace(ask, level_gpus=None) for ask in inputs.asks),
        )
        for unknown in (replace(inputs, standby=None), blind):
            assert standby(unlimited, state, unknown, grants)[0] >= min(state.standby_nodes, pool.standby.max_nodes)
        if not inputs.on_grid:
            assert after is state
            freely, _, _ = standby(unlimited, state, inputs, grants)
            assert freely >= min(state.standby_nodes, pool.standby.max_nodes)
        state = after


@given(st.data(), st.floats(0.0, 50.0))
def test_more_demand_never_gives_fewer_nodes(data: st.DataObject, more: float) -> None:
    pool = data.draw(pools())
    inputs = data.draw(moments(pool, START, known=True))
    if not inputs.asks:
        return
    first, *others = inputs.asks
    raised = replace(inputs, asks=(replace(first, level_gpus=(first.level_gpus or 0.0) + more), *others))
    for state in (PoolState(), settled(2, 5.0)):
        assert standby(pool, state, raised, ())[0] >= standby(pool, state, inputs, ())[0]
