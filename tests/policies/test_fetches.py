"""What is fetched first, and how much at a time."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.fetches import Ability, Fetch, Limits, ahead, candidates, choose, probability_needed, worth
from policies.supply import StageName

NODES = st.sampled_from(["a", "b", "c"])
BYTES = st.floats(0, 1e12)
FETCHES = st.lists(
    st.builds(Fetch, st.sampled_from(["x", "y"]), st.uuids().map(str), NODES, st.floats(0, 1e6), BYTES),
    max_size=20,
    unique_by=lambda fetch: fetch.name,
)
LIMITS = st.builds(Limits, st.integers(0, 8), st.integers(0, 3), st.integers(0, 30))
UNDER_WAY = st.dictionaries(NODES, st.integers(0, 3))
TENANTS = {"x": 2, "y": 0}
ROOM = st.dictionaries(NODES, st.floats(-1e12, 1e12))


def in_order(wanted: list[Fetch]) -> list[Fetch]:
    return sorted(wanted, key=lambda each: (-each.worth, each.namespace, each.name))


@given(FETCHES, UNDER_WAY, st.integers(0, 30), ROOM, LIMITS)
def test_no_limit_is_passed(
    wanted: list[Fetch], under_way: dict[str, int], held: int, room: dict[str, float], limits: Limits
) -> None:
    begun = choose([in_order(wanted)], under_way, TENANTS, held, room, limits)
    assert set(begun) <= set(wanted)
    assert not begun or sum(under_way.values()) + len(begun) <= limits.parallel
    assert not begun or held + len(begun) <= limits.held
    for node in "abc":
        here = [each for each in begun if each.node == node]
        assert not here or under_way.get(node, 0) + len(here) <= limits.parallel_per_node
        assert sum(each.bytes_ for each in here) <= max(0.0, room.get(node, math.inf)) * (1 + 1e-9)


@given(FETCHES, UNDER_WAY, ROOM, LIMITS)
def test_what_is_worth_more_is_passed_over_for_want_of_room_on_its_node_alone(
    wanted: list[Fetch], under_way: dict[str, int], room: dict[str, float], limits: Limits
) -> None:
    begun = choose([in_order(wanted)], under_way, {}, 0, room, limits)
    left_out = [each for each in wanted if each not in begun]
    for each in left_out:
        others = [other for other in begun if other.worth < each.worth]
        before = [other for other in begun if other.worth >= each.worth and other.node == each.node]
        used = sum(other.bytes_ for other in before)
        full = under_way.get(each.node, 0) + len(before) >= limits.parallel_per_node
        assert not others or full or used + each.bytes_ > room.get(each.node, math.inf) * (1 - 1e-9) or used > 0


@given(FETCHES, UNDER_WAY, st.integers(0, 30), ROOM, LIMITS, st.randoms())
def test_the_order_in_which_they_are_given_does_not_count(
    wanted: list[Fetch], under_way: dict[str, int], held: int, room: dict[str, float], limits: Limits, rng: Random
) -> None:
    mixed = list(wanted)
    rng.shuffle(mixed)
    cut = rng.randint(0, len(mixed))
    assert choose(map(in_order, (mixed[:cut], mixed[cut:])), under_way, TENANTS, held, room, limits) == choose(
        [in_order(wanted)], under_way, TENANTS, held, room, limits
    )


@given(FETCHES, UNDER_WAY, st.integers(0, 30), ROOM, LIMITS)
def test_what_is_no_candidate_would_not_be_chosen_alone(
    wanted: list[Fetch], under_way: dict[str, int], held: int, room: dict[str, float], limits: Limits
) -> None:
    one_each = list({each.node: each for each in wanted}.values())
    few = candidates(one_each, room, limits)
    assert choose([few], under_way, {}, held, room, limits) == choose(
        [in_order(one_each)], under_way, {}, held, room, limits
    )


def test_a_namespace_whose_fetches_hang_leaves_some_to_others() -> None:
    def wanted(namespace: str, worth: float) -> list[Fetch]:
        return in_order([Fetch(namespace, f"{at}", f"{namespace}-{at}", worth, 1.0) for at in range(16)])

    limits, under_way, tenants = Limits(16, 2, 200), dict[str, int](), {"greedy": 0, "other": 0, "third": 0}
    for namespace, most in (("greedy", 8), ("other", 4), ("third", 2)):
        begun = choose([wanted("greedy", 9.0), wanted(namespace, 1.0)], under_way, tenants, 0, {}, limits)
        assert [each.namespace for each in begun] == [namespace] * most
        under_way |= {each.node: 1 for each in begun}
        tenants[namespace] = most
    assert len(choose([wanted("only", 1.0)], {}, {"only": 0}, 0, {}, limits)) == 16


def test_a_fetch_is_worth_its_chance_times_its_cost_for_each_byte() -> None:
    assert worth(0.5, 200.0, 4, 10.0) == 40.0
    assert worth(0.5, 200.0, 4, 20.0) < worth(0.5, 200.0, 4, 10.0)
    assert worth(1.0, 200.0, 1, 0.0) == 200.0, "what is on the node already costs nothing"


@given(st.floats(0.01, 100), st.floats(0, 2), st.integers(1, 100), st.floats(1, 3600))
def test_a_chance_is_a_chance(level: float, volatility: float, replicas: int, lead: float) -> None:
    found = probability_needed(level, volatility, replicas, replicas, lead)
    assert 0.0 <= found <= 1.0
    assert found <= probability_needed(level * 1.1, volatility, replicas, replicas, lead) + 1e-12
    assert probability_needed(level, volatility, replicas + 1, replicas + 1, lead) <= found + 1e-12


@pytest.mark.parametrize(("level", "replicas", "decided"), [(None, 3, 3), (math.nan, 3, 3), (1.0, 3, 4), (1.0, 0, 0)])
def test_what_is_decided_or_unknown_is_needed(level: float | None, replicas: int, decided: int) -> None:
    assert probability_needed(level, 0.05, replicas, decided, 300.0) == 1.0


def test_half_of_the_demand_that_is_at_the_limit_passes_it() -> None:
    assert probability_needed(4.0, 0.05, 4, 4, 300.0) == pytest.approx(0.5)
    assert probability_needed(0.0, 0.05, 4, 4, 300.0) == 0.0


def test_only_what_works_begins_ahead_of_a_replica() -> None:
    def means(name: str, stage: StageName, works: bool) -> Ability:
        return Ability(name, stage, works, "")

    assert ahead([]) == ()
    assert ahead([means("PreparedNodes", StageName.NODE, True)]) == ()
    assert ahead([means("Weights", StageName.WEIGHTS, True), means("ImagePrePull", StageName.IMAGE, True)]) == (
        StageName.IMAGE,
        StageName.WEIGHTS,
    )
    assert ahead([means("Weights", StageName.WEIGHTS, True), means("ImagePrePull", StageName.IMAGE, False)]) == (
        StageName.WEIGHTS,
    )
