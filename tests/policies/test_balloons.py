"""What a plan's prepared nodes are for, which balloons go, and who may have how many."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.balloons import Claim, Held, Moves, count_awaited, count_wanted, fair_share, plan_moves
from policies.model import Plan, Reason, Rule
from policies.supply import Supply
from tests.support import worlds
from tests.support.worlds import a_supply


def a_plan(desired: int, prepared: int, *reasons: tuple[Rule, int]) -> Plan:
    why = tuple(Reason(rule, float(value)) for rule, value in reasons)
    return worlds.a_plan(desired, prepared=prepared, prepared_reasons=why)


def placed(count: int) -> Supply:
    return a_supply(0, starting=count)


@pytest.mark.parametrize(
    ("plan", "supply", "count"),
    [
        (a_plan(3, 2, (Rule.PREPARED, 2)), placed(1), 0),  # for later, whatever comes now
        (a_plan(3, 2, (Rule.HANDOVER, 2), (Rule.PREPARED, 0)), placed(1), 2),
        (a_plan(3, 2, (Rule.HANDOVER, 2), (Rule.PREPARED, 1)), placed(1), 1),
        (a_plan(3, 2, (Rule.HANDOVER, 2), (Rule.PREPARED_HOLD, 1), (Rule.PREPARED, 0)), placed(1), 1),
        (a_plan(3, 2, (Rule.HANDOVER, 2), (Rule.PREPARED, 0)), placed(2), 1),  # one has arrived since
        (a_plan(3, 2, (Rule.RESTARTED, 2), (Rule.PREPARED, 0)), placed(1), 2),
        (a_plan(1, 2, (Rule.RESTARTED, 2), (Rule.PREPARED, 0)), placed(1), 0),
        (a_plan(3, 2, (Rule.UNKNOWN, 2)), placed(1), 0),
        (a_plan(3, 2, (Rule.HANDOVER, 2), (Rule.PREPARED, 0)), None, 0),
    ],
)
def test_what_is_prepared_only_for_replicas_on_their_way(plan: Plan, supply: Supply | None, count: int) -> None:
    assert count_awaited(plan, supply) == count


@pytest.mark.parametrize(
    ("plan", "supply", "count"),
    [
        (a_plan(3, 2, (Rule.HANDOVER, 2), (Rule.PREPARED, 0)), placed(1), 2),
        (a_plan(3, 2, (Rule.HANDOVER, 2), (Rule.PREPARED, 0)), placed(2), 1),
        (a_plan(3, 2, (Rule.HANDOVER, 2), (Rule.PREPARED, 0)), placed(3), 0),  # both took the place of a balloon
        (a_plan(3, 2, (Rule.HANDOVER, 2), (Rule.PREPARED, 1)), placed(3), 1),
        (a_plan(3, 2, (Rule.HANDOVER, 2), (Rule.PREPARED_HOLD, 1), (Rule.PREPARED, 0)), placed(3), 1),
        (a_plan(3, 2, (Rule.PREPARED_LIMIT, 2), (Rule.HANDOVER, 3), (Rule.PREPARED, 1)), placed(1), 2),
        (a_plan(3, 2, (Rule.HANDOVER, 2), (Rule.UNKNOWN, 2), (Rule.PREPARED, 0)), placed(3), 2),
        (a_plan(3, 2, (Rule.PREPARED, 2)), placed(3), 2),
        (a_plan(3, 2, (Rule.HANDOVER, 2), (Rule.PREPARED, 0)), None, 2),
    ],
)
def test_what_was_kept_for_replicas_goes_once_they_have_a_node(plan: Plan, supply: Supply | None, count: int) -> None:
    assert count_wanted(plan, supply) == count


def a_held(slot: int, *, placed: bool = True, prepared: bool = True, stuck: bool = False) -> Held:
    return Held(slot, float(slot), placed, prepared, stuck=stuck)


def test_those_of_most_use_make_way_for_replicas_that_are_refused() -> None:
    held = [a_held(0, placed=False, prepared=False), a_held(1, prepared=False), a_held(2)]
    one, two, all_three = (plan_moves(held, 3, 0, 3, None, 9.0, refused_replicas=count) for count in (1, 2, 9))
    assert (one.delete, two.delete, all_three.delete) == ((2,), (1, 2), (0, 1, 2))
    assert not one.create_slots + two.create_slots + all_three.create_slots


def test_one_that_gets_no_pod_goes_and_its_slot_is_free() -> None:
    assert plan_moves([a_held(0, stuck=True), a_held(1)], 2, 0, 2, 2, 9.0) == Moves((0,), (0,))
    assert plan_moves([a_held(0, stuck=True), a_held(1)], 2, 0, 2, None, 9.0) == Moves((0,))


def fair_shares(claims: dict[str, dict[str, Claim]], cap: int, cap_per_namespace: int) -> dict[tuple[str, str], int]:
    return {
        (space, name): fair_share(claims, space, name, cap, cap_per_namespace)
        for space in claims
        for name in claims[space]
    }


@pytest.mark.parametrize(
    ("wanted", "cap", "shares"),
    [
        ({"a": {"x": 9}}, 10, {"a": {"x": 5}}),
        ({"a": {"x": 9, "y": 9}}, 10, {"a": {"x": 3, "y": 2}}),
        ({"a": {"x": 9, "y": 1}}, 10, {"a": {"x": 4, "y": 1}}),
        ({"a": {"x": 9}, "b": {"x": 9}}, 10, {"a": {"x": 5}, "b": {"x": 5}}),
        ({"a": {"x": 9}, "b": {"x": 9}, "c": {"x": 1}}, 10, {"a": {"x": 5}, "b": {"x": 4}, "c": {"x": 1}}),
        ({"a": {str(each): 1 for each in range(9)}, "b": {"x": 2}}, 4, {"a": {"0": 1, "1": 1}, "b": {"x": 2}}),
        ({"a": {"x": 2}}, 0, {}),
        ({}, 10, {}),
    ],
)
def test_a_cap_is_shared_among_namespaces_and_then_among_policies(
    wanted: dict[str, dict[str, int]], cap: int, shares: dict[str, dict[str, int]]
) -> None:
    claims = {space: {name: Claim(count, 0) for name, count in of.items()} for space, of in wanted.items()}
    found = fair_shares(claims, cap, 5)
    assert {at: share for at, share in found.items() if share} == {
        (space, name): share for space, of in shares.items() for name, share in of.items()
    }


def test_what_cannot_be_divided_stays_where_it_is_held() -> None:
    assert fair_shares({"a": {"x": Claim(1, 0)}, "b": {"x": Claim(1, 1)}}, 1, 5) == {("a", "x"): 0, ("b", "x"): 1}


claims = st.dictionaries(
    st.sampled_from("abcd"),
    st.dictionaries(st.sampled_from("xyz"), st.builds(Claim, st.integers(0, 9), st.integers(0, 9)), min_size=1),
)


@given(claims, st.integers(0, 20), st.integers(0, 8))
def test_shares_fill_the_caps_and_none_could_be_fairer(
    claims: dict[str, dict[str, Claim]], cap: int, cap_per_namespace: int
) -> None:
    shares = fair_shares(claims, cap, cap_per_namespace)
    of = {space: sum(shares[space, name] for name in names) for space, names in claims.items()}
    wanted = {space: sum(each.wanted for each in names.values()) for space, names in claims.items()}
    assert sum(of.values()) == min(cap, sum(min(cap_per_namespace, count) for count in wanted.values()))
    for space, names in claims.items():
        assert of[space] <= cap_per_namespace
        if of[space] < min(cap_per_namespace, wanted[space]):
            assert all(other <= of[space] + 1 for other in of.values())
        for name, claim in names.items():
            assert 0 <= shares[space, name] <= claim.wanted
            if shares[space, name] < claim.wanted:
                assert all(shares[space, other] <= shares[space, name] + 1 for other in names)
