"""What GPUs were for and what they cost: by workload, over restarts, days and what is not known."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.account import (
    AHEAD_SECONDS,
    HANDOVER_SECONDS,
    LONGEST_GAP_SECONDS,
    MOST_WORKLOADS,
    OTHERS,
    accounted,
    members_usd_per_hour,
    projected_usd,
)
from policies.codec import decode, encode
from policies.model import Grant
from policies.pool import Account, Day, Granted, Pool, PoolInputs, StandbyPhase, StandbyUnit, Usage
from tests.support.pool_worlds import DAY, a_pool, a_unit, an_ask, histories, pool_inputs, pools
from tests.support.worlds import START, TICK

HOUR = 3600.0


def after(*ticks: PoolInputs, account: Account | None = None) -> Account:
    found = accounted(a_pool(), account or Account(), replace(ticks[0], now_seconds=ticks[0].now_seconds - TICK))
    for inputs in ticks:
        found = accounted(a_pool(), found, inputs)
    return found


def test_a_workload_pays_for_what_serves_and_starts() -> None:
    ask = an_ask(replicas=4, serving_gpus=2, starting_gpus=1, unplaced_gpus=1, used_gpus=1.5)
    found = after(pool_inputs(START, (ask,)))
    usage = Usage(serving=30.0, starting=15.0, used=22.5, usd=3 * 2.0 * TICK / HOUR)
    assert dict(found.workloads)["chat/qwen"] == found.total == usage
    assert found.day_usd == pytest.approx(usage.usd)


def test_no_more_is_used_than_serves() -> None:
    assert after(pool_inputs(START, (an_ask(replicas=2, used_gpus=9.0),))).total.used == 30.0


def test_nodes_that_a_member_prepares_count_as_starting() -> None:
    found = after(pool_inputs(START, (an_ask(replicas=1, gpus_per_replica=2, held_prepared=1),)))
    assert (found.total.serving, found.total.starting) == (30.0, 30.0)


def standing(now: float, *units: StandbyUnit, on: tuple[tuple[str, str], ...] = ()) -> PoolInputs:
    return pool_inputs(now, standby=units, replicas_on=on)


UNIT = a_unit(since=START - 900.0)
NODE = UNIT.node or ""


def test_standby_is_open_while_it_stands_and_costs_at_once() -> None:
    found = after(standing(START, UNIT), standing(START + TICK, UNIT))
    ((node, seconds, usd),) = found.open_standby
    assert (node, seconds) == (NODE, 30.0)
    assert usd == pytest.approx(2.0 * 30.0 / HOUR)
    assert found.total.usd == pytest.approx(2.0 * 30.0 / HOUR)
    assert found.total.standby == found.total.wasted == 0.0


def test_standby_is_used_by_the_workload_that_takes_its_node() -> None:
    before = after(standing(START, UNIT))
    found = accounted(a_pool(), before, standing(START + TICK, on=((NODE, "chat/qwen"), ("another", "x/y"))))
    assert found.open_standby == ()
    assert dict(found.workloads) == {"chat/qwen": Usage(standby=15.0, usd=before.open_standby[0][2])}
    assert (found.total.standby, found.total.wasted) == (15.0, 0.0)


def test_two_that_take_one_node_share_its_standby() -> None:
    on = ((NODE, "a/a"), (NODE, "b/b"), (NODE, "b/b"))
    found = accounted(a_pool(), after(standing(START, UNIT)), standing(START + TICK, on=on))
    assert [(name, usage.standby) for name, usage in found.workloads] == [("a/a", 7.5), ("b/b", 7.5)]


def test_a_replica_that_is_seen_within_a_minute_took_it_still() -> None:
    found = accounted(a_pool(), after(standing(START, UNIT)), standing(START + TICK))
    assert found.ended_standby == ((NODE, START + TICK),)
    found = accounted(a_pool(), found, standing(START + TICK + HANDOVER_SECONDS - 1.0, on=((NODE, "chat/qwen"),)))
    assert (found.total.standby, found.open_standby, found.ended_standby) == (15.0, (), ())


def test_standby_that_nobody_takes_is_wasted() -> None:
    found = accounted(a_pool(), after(standing(START, UNIT)), standing(START + TICK))
    assert found.total.wasted == 0.0
    found = accounted(a_pool(), found, standing(START + TICK + HANDOVER_SECONDS))
    assert (found.total.wasted, found.open_standby, found.ended_standby) == (15.0, (), ())


def test_another_unit_on_the_same_node_goes_on() -> None:
    found = accounted(a_pool(), after(standing(START, UNIT)), standing(START + TICK))
    later = a_unit(name="standby-1", since=START, node=NODE)
    found = accounted(a_pool(), found, standing(START + 2 * TICK, later))
    assert [(node, seconds) for node, seconds, _ in found.open_standby] == [(NODE, 30.0)]
    assert found.ended_standby == ()


@pytest.mark.parametrize("phase", [StandbyPhase.WAITING, StandbyPhase.REQUESTED, StandbyPhase.REFUSED])
def test_what_has_no_node_costs_nothing(phase: StandbyPhase) -> None:
    assert after(standing(START, a_unit(phase=phase))).total == Usage()


def test_a_unit_counts_from_its_request_at_the_earliest() -> None:
    young = a_unit(since=START - 5.0)
    assert after(standing(START, young)).open_standby[0][1] == 5.0


def test_unknown_standby_goes_on_and_nothing_is_wasted() -> None:
    before = after(standing(START, UNIT))
    found = accounted(a_pool(), before, pool_inputs(START + 300.0, standby=None))
    assert found.open_standby[0][1] == 15.0 + 300.0
    assert found.total.usd - before.total.usd == pytest.approx(4.0 * 300.0 / HOUR)  # at the dearest that there is
    assert found.total.wasted == 0.0


def test_nodes_that_nobody_holds_are_idle_and_cost_money() -> None:
    inputs = standing(START, UNIT, on=())
    inputs = replace(
        inputs,
        asks=(an_ask(replicas=1),),
        other_gpus=1,
        offerings=tuple(replace(each, nodes=2 if each.name == "reserved" else 1) for each in inputs.offerings),
    )
    found = after(inputs)
    assert found.total.idle == 15.0  # 4 GPUs: one of a replica, one standing by, one of others
    price = (2 * 2.0 + 1.0 + 4.0) / 4
    assert found.total.usd == pytest.approx((2.0 + 2.0 + price) * TICK / HOUR)


def test_a_restart_goes_on_with_what_was_spent() -> None:
    before = after(pool_inputs(START, (an_ask(),)))
    again = decode(Account, encode(before))
    assert again == before
    found = accounted(a_pool(), again, pool_inputs(START + HOUR, (an_ask(),)))
    assert found.day_usd == pytest.approx(before.day_usd + 4 * 2.0)


def test_the_gap_of_a_restart_counts_for_a_day_at_most() -> None:
    before = after(pool_inputs(START, (an_ask(replicas=1),)))
    found = accounted(a_pool(), before, pool_inputs(START + 40 * 86_400.0, (an_ask(replicas=1),)))
    assert found.total.serving == pytest.approx(15.0 + LONGEST_GAP_SECONDS)


def test_a_clock_that_goes_back_counts_nothing_twice() -> None:
    before = after(pool_inputs(START, (an_ask(),)))
    back = accounted(a_pool(), before, pool_inputs(START - 30.0, (an_ask(),)))
    assert (back.total, back.at_seconds) == (before.total, START)
    assert accounted(a_pool(), back, pool_inputs(START, (an_ask(),))).total == before.total


def test_a_time_from_the_far_future_is_not_believed() -> None:
    wrong = replace(after(pool_inputs(START, (an_ask(),))), at_seconds=START + AHEAD_SECONDS + 1.0)
    found = accounted(a_pool(), wrong, pool_inputs(START, (an_ask(),)))
    assert found.at_seconds == START
    assert found.day_usd == wrong.day_usd


def test_a_new_day_begins_with_its_own_part_of_the_tick() -> None:
    midnight = DAY.end_seconds
    before = after(pool_inputs(midnight - 10.0, (an_ask(),)))
    tomorrow = Day("2025-10-10", midnight, midnight + 86_400.0)
    found = accounted(a_pool(), before, pool_inputs(midnight + 5.0, (an_ask(),), day=tomorrow))
    assert found.day_usd == pytest.approx(4 * 2.0 * 5.0 / HOUR)
    assert found.day == "2025-10-10"
    assert found.total.usd == pytest.approx(before.total.usd + 4 * 2.0 * 15.0 / HOUR)


def test_another_time_zone_forgets_nothing_that_was_spent() -> None:
    before = after(pool_inputs(START, (an_ask(),)))
    elsewhere = Day("2025-10-10", START - 3 * HOUR, START + 21 * HOUR)
    found = accounted(a_pool(), before, pool_inputs(START + TICK, (an_ask(),), day=elsewhere))
    assert found.day_usd == pytest.approx(2 * before.day_usd)


@pytest.mark.parametrize(("day", "usd"), [(DAY.name, 7.0), ("2025-10-08", 0.0)])
def test_what_is_restored_without_a_time_counts_on_its_own_day(day: str, usd: float) -> None:
    found = accounted(a_pool(), Account(day=day, day_usd=7.0), pool_inputs(START, (an_ask(),)))
    assert found.day_usd == usd


def test_the_projection_goes_on_to_the_end_of_the_day() -> None:
    inputs = pool_inputs(DAY.end_seconds - 2 * HOUR)
    assert projected_usd(Account(day_usd=10.0), inputs, 3.0) == pytest.approx(16.0)
    assert projected_usd(Account(day_usd=10.0), replace(inputs, now_seconds=DAY.end_seconds + 60.0), 3.0) == 10.0


def test_members_cost_what_they_hold_or_are_granted() -> None:
    asks = (an_ask("a/a", 4), an_ask("b/b", 2, gpus_per_replica=8, held_prepared=1), an_ask("c/c", 1, shadow=True))
    assert members_usd_per_hour(asks) == 2.0 * (4 + 24 + 1)
    grants = (Granted("a/a", Grant(6, 0)), Granted("b/b", Grant(2, 0)), Granted("c/c", Grant(9, 9)))
    assert members_usd_per_hour(asks, grants) == 2.0 * (6 + 16 + 1)


def test_workloads_that_ask_no_longer_are_bounded_and_lose_nothing() -> None:
    many = tuple((f"space/gone-{index:04d}", Usage(serving=1.0, usd=float(index))) for index in range(MOST_WORKLOADS))
    found = Account(workloads=many)
    for tick in range(3):
        asks = tuple(an_ask(f"new/{tick}-{index}", 1) for index in range(5))
        found = accounted(a_pool(), found, pool_inputs(START + tick * TICK, asks))
        assert len(found.workloads) <= MOST_WORKLOADS
        assert {ask.workload for ask in asks} <= dict(found.workloads).keys()
    assert dict(found.workloads)[OTHERS].serving > 5.0
    assert sum(usage.serving for _, usage in found.workloads) == pytest.approx(
        MOST_WORKLOADS + found.total.serving, abs=1e-6
    )


def standby_seconds(pool: Pool, before: Account, inputs: PoolInputs) -> float:
    """GPU-seconds of standby at a tick with known standby, counted apart from the account."""
    dt = 0.0 if before.at_seconds is None else min(inputs.now_seconds - before.at_seconds, LONGEST_GAP_SECONDS)
    size = {each.name: each.gpus_per_node for each in pool.offerings}
    return sum(
        size[unit.offering] * min(dt, inputs.now_seconds - unit.requested_seconds)
        for unit in inputs.standby or ()
        if unit.node is not None
    )


@given(st.data())
def test_gpu_seconds_are_conserved(data: st.DataObject) -> None:
    """Used, wasted and open standby are all that ever stood by; money is that of the workloads and of what is left."""
    pool = data.draw(pools())
    account, stood = Account(), 0.0
    for inputs in data.draw(histories(pool, known=True)):
        stood += standby_seconds(pool, account, inputs)
        before, account = account, accounted(pool, account, inputs)
        opened = sum(seconds for _, seconds, _ in account.open_standby)
        assert account.total.standby + account.total.wasted + opened == pytest.approx(stood)
        assert sum(usage.standby for _, usage in account.workloads) == pytest.approx(account.total.standby)
        assert sum(usage.serving for _, usage in account.workloads) == pytest.approx(account.total.serving)
        assert sum(usage.usd for _, usage in account.workloads) <= account.total.usd + 1e-6
        for name in ("serving", "starting", "standby", "wasted", "idle", "used", "usd"):
            assert getattr(account.total, name) >= getattr(before.total, name)
        assert 0.0 <= account.day_usd <= account.total.usd + 1e-6
        assert {node for node, _ in account.ended_standby} <= {node for node, _, _ in account.open_standby}


@given(st.data())
def test_unknown_standby_never_lowers_what_was_spent(data: st.DataObject) -> None:
    pool = data.draw(pools())
    account = Account()
    for inputs in data.draw(histories(pool)):
        blind = accounted(pool, account, replace(inputs, standby=None))
        assert blind.total.usd >= account.total.usd
        assert blind.total.wasted == account.total.wasted
        account = accounted(pool, account, inputs)
