"""The numbered invariants of the core, over any history that Hypothesis can think of."""

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from policies.codec import decode, encode
from policies.engine import restarted, step
from policies.ladder import hold_seconds
from policies.model import Inputs, Policy, Signal, State, StepResult, Verdict
from tests.support.worlds import COLD_START, Fleet, Moment, a_policy, a_supply, an_input, moments, rates, waits

histories = st.lists(moments(), min_size=1, max_size=25)
policies = st.builds(
    a_policy,
    signal=st.sampled_from(Signal),
    min_replicas=st.integers(1, 3),
    max_replicas=st.integers(3, 40),
    hold_seconds=st.sampled_from([None, 60.0, 300.0]),
    scale_up_replicas_per_minute=st.sampled_from([None, 1, 5]),
    scale_down_percent_per_minute=st.sampled_from([10.0, 25.0, 100.0]),
    max_prepared_nodes=st.integers(0, 4),
    attainment=st.sampled_from([0.9, 0.99, 0.999]),
)


def lived(policy: Policy, history: list[Moment]) -> tuple[State, list[tuple[Inputs, StepResult]], Fleet]:
    fleet, state, steps = Fleet(), State(), []
    for moment in history:
        inputs = an_input(fleet, moment)
        result = step(policy, state, inputs)
        state = result.state
        steps.append((inputs, result))
    return state, steps, fleet


@given(policies, histories)
def test_p1_bounds_hold(policy: Policy, history: list[Moment]) -> None:
    _, steps, _ = lived(policy, history)
    for _, result in steps:
        if result.plan is not None:
            assert policy.min_replicas <= result.plan.desired_replicas <= policy.max_replicas
            assert 0 <= result.plan.prepared_nodes <= policy.max_prepared_nodes


@given(policies, histories, rates, waits, st.floats(0, 30), st.floats(0, 30))
def test_p2_more_demand_never_gives_fewer_replicas(
    policy: Policy, history: list[Moment], rate: float, waiting: float, more_rate: float, more_waiting: float
) -> None:
    state, _, fleet = lived(policy, history)
    other = replace(fleet)
    known = step(policy, state, fleet.tick(rate, waiting))
    assume(known.demand.coverage == 1.0)  # what is not known holds more than what is needed
    less = known.plan
    # What waits more has arrived as well.
    extra = more_rate + more_waiting * fleet.pods / 15.0
    result = step(policy, state, other.tick(rate + extra, waiting + more_waiting))
    more = result.plan
    assert less is not None
    assert more is not None
    least = less.desired_replicas
    if any(reading.verdict is Verdict.IMPOSSIBLE for reading in result.demand.readings):
        least = min(least, state.decided.replicas or 0)  # more than the pods can do is not believed, and lowers nothing
    assert more.desired_replicas >= least


@given(policies, histories, st.sampled_from(["no supply", "no samples", "one missing", "stale", "asleep", "no gauges"]))
def test_p3_unknown_never_lowers(policy: Policy, history: list[Moment], fault: str) -> None:
    state, steps, fleet = lived(policy, history)
    before = steps[-1][1].plan
    if before is None:
        return
    inputs = fleet.tick(0.0)
    first, *others = inputs.samples
    broken = {
        "no supply": replace(inputs, supply=None),
        "no samples": replace(inputs, samples=()),
        "one missing": replace(inputs, samples=tuple(others)),
        "stale": replace(inputs, samples=(replace(first, at_seconds=fleet.now - 31.0), *others)),
        "asleep": replace(inputs, samples=(replace(first, asleep=True), *others)),
        "no gauges": replace(inputs, samples=(replace(first, waiting=None), *others)),
    }
    after = step(policy, state, broken[fault]).plan
    assert after is not None
    assert after.desired_replicas >= before.desired_replicas


@given(policies, histories)
def test_p4_nothing_is_released_inside_the_hold(policy: Policy, history: list[Moment]) -> None:
    """Whatever falls at a tick was not asked for at any earlier tick within the hold."""
    _, steps, _ = lived(policy, history)
    window = hold_seconds(policy, COLD_START)
    asked: list[tuple[float, int]] = []
    for inputs, result in steps:
        if result.plan is None:
            continue
        recent = [n for at, n in asked if at > inputs.now_seconds - window]
        assert result.plan.desired_replicas >= min(max(recent, default=0), policy.max_replicas) or (
            policy.scale_up_replicas_per_minute is not None
        )
        asked.append((inputs.now_seconds, result.state.decided.peaks[-1][1]))


@given(policies, histories, rates)
def test_p5_a_fixed_point_is_idempotent(policy: Policy, history: list[Moment], rate: float) -> None:
    """The same inputs at the same moment, applied to the state that they led to, change nothing."""
    state, _, fleet = lived(policy, history)
    inputs = fleet.tick(rate)
    once = step(policy, state, inputs)
    twice = step(policy, once.state, inputs)
    assert once.plan is not None
    assert twice.plan is not None
    assert (twice.plan.desired_replicas, twice.plan.prepared_nodes) == (
        once.plan.desired_replicas,
        once.plan.prepared_nodes,
    )


@given(policies, histories, histories)
def test_p6_a_restart_from_the_encoded_state_gives_the_same_future(
    policy: Policy, past: list[Moment], future: list[Moment]
) -> None:
    state, _, fleet = lived(policy, past)
    again, fleet_again = decode(State, encode(state)), replace(fleet)
    assert again == state
    for moment in future:
        here = step(policy, state, an_input(fleet, moment))
        there = step(policy, again, an_input(fleet_again, moment))
        assert encode(here.plan) == encode(there.plan)
        state, again = here.state, there.state


@given(policies, histories, rates, waits)
def test_p7_an_event_between_ticks_only_raises_and_moves_no_filter(
    policy: Policy, history: list[Moment], rate: float, waiting: float
) -> None:
    state, steps, fleet = lived(policy, history)
    before = steps[-1][1].plan
    result = step(policy, state, replace(fleet.tick(rate, waiting), on_grid=False))
    assert result.state.filters == state.filters
    assert result.state.capacity == state.capacity
    if before is not None and result.plan is not None:
        assert result.plan.desired_replicas >= before.desired_replicas
        room = policy.max_replicas - result.plan.desired_replicas
        assert result.plan.prepared_nodes >= min(before.prepared_nodes, room)


@given(policies, st.integers(1, 20))
def test_p8_after_a_restart_without_a_state_nothing_falls_within_a_hold(policy: Policy, running: int) -> None:
    fleet, state = Fleet(pods=running), restarted(policy, COLD_START, State(), Fleet().now)
    while fleet.now + 15.0 < Fleet().now + hold_seconds(policy, COLD_START):
        result = step(policy, state, fleet.tick(0.0, supply=a_supply(running, prepared=1)))
        assert result.plan is not None
        assert result.plan.desired_replicas >= min(running, policy.max_replicas)
        state = result.state


@given(policies, histories)
def test_p9_every_value_survives_its_codec(policy: Policy, history: list[Moment]) -> None:
    _, steps, _ = lived(policy, history)
    assert decode(Policy, encode(policy)) == policy
    for inputs, result in steps[-3:]:
        assert decode(Inputs, encode(inputs)) == inputs
        assert decode(StepResult, encode(result)) == result
