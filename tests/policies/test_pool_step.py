"""A pool's decision as a whole: what it carries over, refuses and repeats, whatever it is given."""

import math
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.codec import decode, encode
from policies.errors import CodecError, NotFiniteError
from policies.finite import require_pool_inputs, require_pool_state
from policies.model import Grant
from policies.pool import (
    Account,
    Limits,
    OfferingState,
    Pool,
    PoolInputs,
    PoolPlan,
    PoolResult,
    PoolState,
    StandbyPhase,
    Step,
    Usage,
)
from policies.pool_step import pool_step
from tests.support.pool_worlds import PATIENCE, SEAT, a_pool, a_unit, an_ask, histories, pool_inputs, pools, seeing
from tests.support.worlds import START, TICK

BUSY = (an_ask("a/a", 10), an_ask("b/b", 10))


def lived(pool: Pool, *ticks: PoolInputs, state: PoolState | None = None) -> PoolResult:
    result = PoolResult(state or PoolState(), PoolPlan(START, (), 0, (), (), 0, 0))
    for inputs in ticks:
        result = pool_step(pool, result.state, inputs)
    return result


def rich_state() -> PoolState:
    """A state every part of which has been used."""
    pool = a_pool()
    units = (a_unit(since=START - 60.0), a_unit("spot", StandbyPhase.REQUESTED, name="standby-1"))
    first = seeing(pool_inputs(START, BUSY, units), "spot", refused_seconds=START - 5.0)
    return lived(pool, first, pool_inputs(START + TICK, BUSY, units), pool_inputs(START + 2 * TICK, BUSY)).state


def test_members_standby_and_money_are_decided_together() -> None:
    result = lived(a_pool(), pool_inputs(START, BUSY))
    plan = result.plan
    assert [each.workload for each in plan.grants] == ["a/a", "b/b"]
    assert (plan.granted_gpus, plan.held_gpus) == (20, 20)
    assert plan.standby_nodes == sum(claim.nodes for claim in plan.claims) == result.state.standby_nodes > 0
    assert plan.claims == result.state.claims
    hours = (pool_inputs().day.end_seconds - START) / 3600.0
    assert plan.projected_usd == pytest.approx((20 * 2.0 + plan.standby_nodes * 2.0) * hours)


def test_what_stands_by_is_refused_to_nobody() -> None:
    """The limit on a day's money leaves room for growth or for standby: growth comes first."""
    hours = (pool_inputs().day.end_seconds - START) / 3600.0
    pool = a_pool(limits=Limits(usd_per_day=(20 * 2.0 + 3.0) * hours))
    asks = (replace(BUSY[0], asked=Grant(11, 0)), BUSY[1])
    units = (a_unit(),)
    plan = lived(pool, pool_inputs(START, asks, units)).plan
    granted = plan.granted("a/a")
    assert granted is not None
    assert granted.grant.replicas == 11


def test_a_stock_out_leads_to_the_next_offering_and_back() -> None:
    pool, state = a_pool(most=2), PoolState()
    seen: list[tuple[float, object]] = []
    claimed: dict[str, int] = {}
    asked: dict[tuple[str, int], float] = {}
    for tick in range(60):
        now = START + tick * TICK
        units = [
            a_unit(name, StandbyPhase.REQUESTED, name=f"{name}-{index}", since=asked[name, index])
            for name, count in claimed.items()
            for index in range(count)
            if name == "reserved" or now - asked[name, index] < 90.0
        ]
        units += [
            a_unit(name, name=f"{name}-{index}", since=asked[name, index] + 90.0)
            for name, count in claimed.items()
            for index in range(count)
            if name != "reserved" and now - asked[name, index] >= 90.0
        ]
        result = pool_step(pool, state, pool_inputs(now, BUSY, tuple(units), pool))
        state = result.state
        claimed = {claim.offering: claim.nodes for claim in result.plan.claims}
        for name, count in claimed.items():
            for index in range(count):
                asked.setdefault((name, index), now)
        story = tuple((claim.offering, claim.nodes, claim.step) for claim in result.plan.claims)
        if not seen or seen[-1][1] != story:
            seen.append((now - START, story))
    assert seen == [
        (0.0, (("reserved", 2, Step.FIRST),)),
        (PATIENCE, (("reserved", 2, Step.RESTING), ("spot", 1, Step.HEDGE))),
        (PATIENCE + 90.0, (("reserved", 1, Step.RESTING), ("spot", 2, Step.MORE))),
        (PATIENCE + 180.0, (("spot", 2, Step.MORE),)),
    ]


def test_between_ticks_the_state_stays() -> None:
    state = rich_state()
    later = pool_inputs(START + 100.0, BUSY, (a_unit(since=START),), on_grid=False, leaving_nodes=3)
    result = pool_step(a_pool(), state, later)
    assert result.state is state
    assert result.plan.standby_nodes >= max(3, state.standby_nodes)
    assert len(result.plan.grants) == 2


def test_while_it_is_unknown_what_stands_by_the_claims_stay() -> None:
    state = rich_state()
    assert state.claims
    result = pool_step(a_pool(), state, pool_inputs(START + 300.0, BUSY, None))
    assert result.plan.claims == result.state.claims == state.claims
    assert result.plan.standby_nodes >= state.standby_nodes


def test_a_pool_without_offerings_or_members_decides() -> None:
    empty = replace(a_pool(), offerings=())
    plan = lived(empty, pool_inputs(START, BUSY, pool=empty)).plan
    assert plan.claims == ()
    assert lived(a_pool(), pool_inputs(START)).plan.standby_nodes == 0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("level", r"state\.level is"),
        ("volatility", r"state\.volatility is"),
        ("levels", r"state\.levels\[0\]\[1\] is"),
        ("offerings", r"state\.offerings\[0\]\.rest_seconds is"),
        ("total", r"state\.account\.total\.usd is"),
        ("workloads", r"state\.account\.workloads\[0\]\[1\]\.wasted is"),
        ("open", r"state\.account\.open_standby\[0\]\[2\] is"),
        ("ended", r"state\.account\.ended_standby\[0\]\[1\] is"),
    ],
)
def test_a_state_with_what_is_no_number_is_refused(where: str, message: str, value: float) -> None:
    states = {
        "level": PoolState(level=value),
        "volatility": PoolState(volatility=value),
        "levels": PoolState(levels=((START, value),)),
        "offerings": PoolState(offerings=(OfferingState("reserved", rest_seconds=value),)),
        "total": PoolState(account=Account(total=Usage(usd=value))),
        "workloads": PoolState(account=Account(workloads=(("a/a", Usage(wasted=value)),))),
        "open": PoolState(account=Account(open_standby=(("node", 1.0, value),))),
        "ended": PoolState(account=Account(ended_standby=(("node", value),))),
    }
    with pytest.raises(NotFiniteError, match=message):
        pool_step(a_pool(), states[where], pool_inputs(START, BUSY))


def test_every_number_of_inputs_and_state_is_looked_at() -> None:
    units, state = (a_unit(),), rich_state()
    inputs = seeing(pool_inputs(START, BUSY, units), "spot", refused_seconds=START, until_seconds=START + 9.0)
    state = replace(
        state,
        offerings=(OfferingState("spot", START, 180.0, START, START, 1),),
        account=replace(state.account, ended_standby=(("node", START),), open_standby=(("node", 1.0, 1.0),)),
    )
    for place in range(_numbers(inputs)):
        with pytest.raises(NotFiniteError):
            require_pool_inputs(_broken(inputs, place))
    for place in range(_numbers(state)):
        with pytest.raises(NotFiniteError):
            require_pool_state(_broken(state, place))


def _numbers(value: object) -> int:
    if isinstance(value, float):
        return 1
    if isinstance(value, tuple):
        return sum(map(_numbers, value))
    return sum(_numbers(getattr(value, each.name)) for each in fields(value)) if is_dataclass(value) else 0


def _broken(value: Any, place: int) -> Any:
    """The value with NaN in place of its number at `place`."""
    if isinstance(value, float):
        return math.nan
    names = [each.name for each in fields(value)] if is_dataclass(value) else []
    items = [getattr(value, name) for name in names] if names else list(value)
    for index, item in enumerate(items):
        if place < _numbers(item):
            items[index] = _broken(item, place)
            break
        place -= _numbers(item)
    return replace(value, **dict(zip(names, items, strict=True))) if names else tuple(items)


def test_a_saved_state_with_what_is_no_number_is_refused() -> None:
    text = encode(rich_state()).replace('"rest_seconds":180.0', '"rest_seconds":NaN', 1)
    with pytest.raises(CodecError, match=r"PoolState\.offerings\[0\]\.rest_seconds: a finite number was expected"):
        decode(PoolState, text)


def test_an_older_state_is_read_with_its_defaults() -> None:
    assert decode(PoolState, '{"standby_nodes":2,"account":{"day":"2025-10-09","day_usd":3}}') == PoolState(
        standby_nodes=2, account=Account(day="2025-10-09", day_usd=3.0)
    )


@given(st.data())
def test_any_history_is_decided_finitely_and_again_from_its_encoded_state(data: st.DataObject) -> None:
    """Never NaN; every value survives its codec; a restart from the encoded state gives the same future."""
    pool = data.draw(pools())
    assert decode(Pool, encode(pool)) == pool
    state = again = PoolState()
    for inputs in data.draw(histories(pool)):
        result = pool_step(pool, state, inputs)
        assert decode(PoolInputs, encode(inputs)) == inputs
        assert decode(PoolResult, encode(result)) == result
        assert encode(pool_step(pool, again, inputs)) == encode(result)
        assert decode(PoolState, encode(result.state)) == result.state
        shuffled = replace(inputs, asks=inputs.asks[::-1])
        assert pool_step(pool, state, shuffled).plan.grants == result.plan.grants
        assert {each.workload for each in result.plan.grants} == {ask.workload for ask in inputs.asks}
        assert 0 <= result.plan.standby_nodes <= pool.standby.max_nodes
        assert math.isfinite(result.plan.projected_usd or 0.0)
        state, again = result.state, decode(PoolState, encode(result.state))


@given(st.data())
def test_the_same_moment_again_changes_no_count(data: st.DataObject) -> None:
    pool = data.draw(pools())
    state = PoolState()
    for inputs in data.draw(histories(pool)):
        once = pool_step(pool, state, inputs)
        twice = pool_step(pool, once.state, inputs)
        assert twice.plan.standby_nodes == once.plan.standby_nodes
        assert twice.state.account.total.usd == once.state.account.total.usd
        state = once.state


def test_a_seat_and_its_ask_survive_their_codec() -> None:
    inputs = pool_inputs(START, (an_ask(seat=replace(SEAT, max_gpus=4, weight=2.0)), an_ask("b/b", seat=None)))
    assert decode(PoolInputs, encode(inputs)) == inputs
