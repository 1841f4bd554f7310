"""Which offerings are asked: in order, after rests and patience, with one node until the first has come."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.offerings import LEAST_REST_SECONDS, MOST_REST_SECONDS, claims, observed, rests
from policies.pool import Claim, OfferingState, Pool, PoolInputs, StandbyPhase, StandbyUnit, Step
from tests.support.pool_worlds import (
    LEAD,
    PATIENCE,
    RESERVED,
    SPOT,
    a_pool,
    a_unit,
    histories,
    pool_inputs,
    pools,
    seeing,
)
from tests.support.worlds import START, TICK

POOL = a_pool()
FRESH = observed(POOL, (), pool_inputs())
REQUESTED, READY = StandbyPhase.REQUESTED, StandbyPhase.READY


def named(states: tuple[OfferingState, ...]) -> dict[str, OfferingState]:
    return {state.name: state for state in states}


def some(count: int, offering: str, phase: StandbyPhase, since: float = START) -> tuple[StandbyUnit, ...]:
    return tuple(a_unit(offering, phase, name=f"{offering}-{phase}-{index}", since=since) for index in range(count))


def claimed(
    nodes: int,
    states: tuple[OfferingState, ...] = FRESH,
    inputs: PoolInputs | None = None,
    *,
    pool: Pool = POOL,
    room: int | None = None,
) -> list[tuple[str, int, Step]]:
    found = claims(pool, states, inputs or pool_inputs(), nodes, room)
    return [(claim.offering, claim.nodes, claim.step) for claim in found]


def test_the_first_is_asked_for_all() -> None:
    assert claimed(3) == [("reserved", 3, Step.FIRST)]
    assert claimed(0) == []


def test_what_an_offering_has_no_room_for_is_asked_of_the_next() -> None:
    inputs = seeing(pool_inputs(), "reserved", nodes=3)
    assert claimed(3, inputs=inputs) == [("reserved", 1, Step.FIRST), ("spot", 2, Step.MORE)]
    full = seeing(pool_inputs(), "reserved", nodes=4)
    assert claimed(3, inputs=full) == [("reserved", 0, Step.FULL), ("spot", 3, Step.FIRST)]


def test_nodes_of_its_own_are_not_those_of_others() -> None:
    units = some(3, "reserved", READY)
    assert claimed(4, inputs=pool_inputs(standby=units)) == [("reserved", 4, Step.FIRST)]


def test_a_closed_offering_is_passed_over_and_holds_none() -> None:
    inputs = seeing(pool_inputs(standby=some(2, "reserved", READY)), "reserved", open=False)
    assert claimed(2, inputs=inputs) == [("reserved", 0, Step.CLOSED), ("spot", 2, Step.FIRST)]


def test_an_offering_that_closes_before_a_node_would_come_is_asked_for_no_more() -> None:
    units = some(1, "reserved", READY)
    soon = seeing(pool_inputs(standby=units), "reserved", until_seconds=START + LEAD - 1.0)
    assert claimed(2, inputs=soon) == [("reserved", 1, Step.CLOSED), ("spot", 1, Step.FIRST)]
    late = seeing(pool_inputs(standby=units), "reserved", until_seconds=START + LEAD)
    assert claimed(2, inputs=late) == [("reserved", 2, Step.FIRST)]


def test_an_offering_that_is_not_seen_keeps_what_it_has() -> None:
    inputs = pool_inputs(standby=some(1, "reserved", READY))
    unseen = replace(inputs, offerings=inputs.offerings[1:])
    assert claimed(2, inputs=unseen) == [("reserved", 1, Step.CLOSED), ("spot", 1, Step.FIRST)]


def test_a_refusal_is_a_rest_of_three_minutes_that_doubles_up_to_half_an_hour() -> None:
    states, now, lengths = FRESH, START, []
    for _ in range(6):
        states = observed(POOL, states, seeing(pool_inputs(now), "reserved", refused_seconds=now))
        state = named(states)["reserved"]
        lengths.append((state.resting_until_seconds or 0.0) - now)
        assert rests(state, now)
        now = state.resting_until_seconds or 0.0
        assert not rests(state, now)
    assert lengths == [180.0, 360.0, 720.0, 1440.0, 1800.0, 1800.0]


def test_a_node_ends_a_rest_and_halves_the_next() -> None:
    resting = replace(FRESH[0], resting_until_seconds=START + 900.0, rest_seconds=1440.0, refused_seconds=START)
    inputs = seeing(pool_inputs(START + TICK), "reserved", nodes=1)
    state = named(observed(POOL, (resting, *FRESH[1:]), inputs))["reserved"]
    assert (state.resting_until_seconds, state.rest_seconds, state.landed_seconds) == (None, 720.0, START + TICK)
    again = named(observed(POOL, (state,), replace(inputs, now_seconds=START + 2 * TICK)))["reserved"]
    assert (again.rest_seconds, again.landed_seconds) == (720.0, START + TICK)


def test_the_first_look_at_an_offering_is_no_success() -> None:
    state = named(observed(POOL, (), seeing(pool_inputs(), "reserved", nodes=3)))["reserved"]
    assert (state.nodes, state.landed_seconds) == (3, None)


def test_refusals_within_a_rest_count_once() -> None:
    states = observed(POOL, FRESH, seeing(pool_inputs(START), "reserved", refused_seconds=START))
    again = observed(POOL, states, seeing(pool_inputs(START + 60.0), "reserved", refused_seconds=START + 50.0))
    assert again == states
    old = observed(POOL, again, seeing(pool_inputs(START + 195.0), "reserved", refused_seconds=START + 50.0))
    assert not rests(named(old)["reserved"], START + 195.0)


@pytest.mark.parametrize("refused", [START - 181.0, START + 61.0])
def test_a_refusal_of_long_ago_or_of_the_future_is_none(refused: float) -> None:
    assert observed(POOL, FRESH, seeing(pool_inputs(), "reserved", refused_seconds=refused)) == FRESH


def test_a_unit_that_is_refused_counts() -> None:
    units = some(1, "spot", StandbyPhase.REFUSED, START - 5.0)
    states = named(observed(POOL, FRESH, pool_inputs(standby=units)))
    assert states["spot"].resting_until_seconds == START - 5.0 + LEAST_REST_SECONDS
    assert states["reserved"] == FRESH[0]


@pytest.mark.parametrize(("phase", "is_late"), [(REQUESTED, True), (StandbyPhase.WAITING, False), (READY, False)])
def test_patience_is_for_what_the_offering_was_asked_for(phase: StandbyPhase, is_late: bool) -> None:
    units = some(1, "reserved", phase, START - PATIENCE)
    before = (replace(FRESH[0], nodes=1), *FRESH[1:])
    states = observed(POOL, before, pool_inputs(standby=units))
    assert rests(named(states)["reserved"], START) is is_late
    just = observed(POOL, before, pool_inputs(START - 1.0, standby=units))
    assert not rests(named(just)["reserved"], START - 1.0)


def test_a_claim_that_stays_has_its_patience_again_after_the_rest() -> None:
    units = some(1, "reserved", REQUESTED)
    states, rested = FRESH, []
    for tick in range(80):
        now = START + tick * TICK
        states = observed(POOL, states, pool_inputs(now, standby=units))
        rested.append(rests(named(states)["reserved"], now))
    changes = [tick * TICK for tick in range(1, 80) if rested[tick] != rested[tick - 1]]
    assert changes == [240.0, 420.0, 660.0, 1020.0]


def test_one_node_comes_and_another_is_refused_at_the_same_tick() -> None:
    units = (*some(1, "reserved", READY), *some(1, "reserved", StandbyPhase.REFUSED, START - 1.0))
    state = named(observed(POOL, FRESH, pool_inputs(standby=units)))["reserved"]
    assert rests(state, START)
    assert state.landed_seconds == START


def test_a_saved_rest_is_within_its_bounds() -> None:
    wrong = OfferingState("reserved", resting_until_seconds=START + 1e9, rest_seconds=-5.0)
    state = observed(POOL, (wrong,), pool_inputs())[0]
    assert state.resting_until_seconds == START + MOST_REST_SECONDS
    assert state.rest_seconds == LEAST_REST_SECONDS


def late(refused: float = START) -> tuple[OfferingState, ...]:
    """The first offering has refused and rests."""
    first = replace(FRESH[0], refused_seconds=refused, resting_until_seconds=refused + 180.0, rest_seconds=360.0)
    return (first, *FRESH[1:])


def test_the_next_is_asked_for_one_node_while_the_first_claim_stays() -> None:
    inputs = pool_inputs(START, standby=some(3, "reserved", REQUESTED))
    assert claimed(3, late(), inputs) == [("reserved", 3, Step.RESTING), ("spot", 1, Step.HEDGE)]


def test_once_that_one_has_come_the_next_is_asked_for_all_that_are_missing() -> None:
    units = (*some(3, "reserved", REQUESTED), *some(1, "spot", READY, START + 90.0))
    states = observed(POOL, late(), pool_inputs(START + 90.0, standby=units))
    inputs = pool_inputs(START + 90.0, standby=units)
    assert claimed(3, states, inputs) == [("reserved", 2, Step.RESTING), ("spot", 3, Step.MORE)]


def test_no_claim_stays_once_nothing_is_missing() -> None:
    units = (*some(3, "reserved", REQUESTED), *some(3, "spot", READY, START + 90.0))
    inputs = pool_inputs(START + 90.0, standby=units)
    assert claimed(3, late(), inputs) == [("reserved", 0, Step.RESTING), ("spot", 3, Step.MORE)]


def test_a_hedge_that_is_late_too_leads_to_the_next() -> None:
    states = tuple(
        replace(each, refused_seconds=START, resting_until_seconds=START + 180.0) if each.name != "on-demand" else each
        for each in FRESH
    )
    units = (*some(2, "reserved", REQUESTED), *some(1, "spot", REQUESTED))
    assert claimed(2, states, pool_inputs(standby=units)) == [
        ("reserved", 2, Step.RESTING),
        ("spot", 1, Step.RESTING),
        ("on-demand", 1, Step.HEDGE),
    ]


def test_an_offering_that_rests_without_a_claim_is_passed_over() -> None:
    assert claimed(3, late()) == [("reserved", 0, Step.RESTING), ("spot", 3, Step.FIRST)]


def test_after_the_rest_the_first_is_asked_again_and_the_hedge_stays() -> None:
    units = (*some(3, "reserved", REQUESTED), *some(1, "spot", REQUESTED, START + 10.0))
    assert claimed(3, late(), pool_inputs(START + 180.0, standby=units)) == [
        ("reserved", 3, Step.FIRST),
        ("spot", 1, Step.HEDGE),
    ]


def test_without_room_for_both_the_late_claim_goes() -> None:
    inputs = pool_inputs(START, standby=some(1, "reserved", REQUESTED))
    assert claimed(1, late(), inputs, room=1) == [("reserved", 0, Step.RESTING), ("spot", 1, Step.HEDGE)]


def test_the_pools_room_is_in_gpus() -> None:
    pool = a_pool(replace(RESERVED, gpus_per_node=8), replace(SPOT, gpus_per_node=2))
    states = observed(pool, (), pool_inputs(pool=pool))
    inputs = pool_inputs(pool=pool)
    assert claimed(3, states, inputs, pool=pool, room=11) == [("reserved", 1, Step.FIRST), ("spot", 1, Step.MORE)]
    assert claimed(3, states, inputs, pool=pool, room=-5) == [("reserved", 0, Step.FULL), ("spot", 0, Step.FULL)]


def test_what_leaves_is_asked_for_anew() -> None:
    units = (*some(1, "reserved", READY), *some(1, "reserved", StandbyPhase.LEAVING))
    assert claimed(2, inputs=pool_inputs(standby=units)) == [("reserved", 2, Step.FIRST)]


@given(st.data(), st.integers(0, 8), st.none() | st.integers(0, 40))
def test_claims_stay_within_their_limits(data: st.DataObject, nodes: int, room: int | None) -> None:
    pool = data.draw(pools())
    states: tuple[OfferingState, ...] = ()
    for inputs in data.draw(histories(pool, known=True)):
        states = observed(pool, states, inputs)
        for state in states:
            assert LEAST_REST_SECONDS <= state.rest_seconds <= MOST_REST_SECONDS
            assert (state.resting_until_seconds or 0.0) <= inputs.now_seconds + MOST_REST_SECONDS
        found = claims(pool, states, inputs, nodes, room)
        check(pool, inputs, found, nodes, room)
        # What is decided for nodes that all come is decided again.
        if all(unit.phase is READY for unit in inputs.standby or ()):
            assert claims(pool, states, inputs, nodes, room) == found


def check(pool: Pool, inputs: PoolInputs, found: tuple[Claim, ...], nodes: int, room: int | None) -> None:
    units, sizes = inputs.standby or (), {each.name: each.gpus_per_node for each in pool.offerings}
    by_name = {claim.offering: claim for claim in found}
    assert [each.name for each in pool.offerings if each.name in by_name] == [claim.offering for claim in found]
    assert len(by_name) == len(found)
    if room is not None:
        assert sum(claim.nodes * sizes[claim.offering] for claim in found) <= room
    placed = {name: sum(u.offering == name and u.node is not None for u in units) for name in sizes}
    pending = {
        name: sum(u.offering == name and u.node is None and u.phase is not StandbyPhase.LEAVING for u in units)
        for name in sizes
    }
    new_hedges = 0
    for offering, seen in zip(pool.offerings, inputs.offerings, strict=True):
        claim = by_name.get(offering.name, Claim(offering.name, 0, Step.FIRST))
        assert 0 <= claim.nodes <= nodes
        if offering.max_nodes is not None and claim.nodes:
            assert claim.nodes <= offering.max_nodes - max(0, seen.nodes - placed[offering.name])
        if not seen.open:
            assert claim == Claim(offering.name, 0, Step.CLOSED)
        if claim.step is Step.HEDGE:
            assert claim.nodes <= placed[offering.name] + max(1, pending[offering.name])
            new_hedges += claim.nodes > placed[offering.name] + pending[offering.name]
    assert new_hedges <= 1
