"""The core among pods that come, go, restart and lie, clocks that jump, and policies that change under way.

Each takes 0.2 to 0.5 s in the default run, whose 20 lives are few already.
"""

import math
from dataclasses import dataclass, fields, is_dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from policies.codec import decode, encode
from policies.demand import observe
from policies.engine import restarted, step, urgent
from policies.explain import explain
from policies.log import decision_line, header_line, redecide, state_line
from policies.model import Fan, Inputs, PodSample, Policy, State, StepResult, Window
from policies.supply import Supply
from tests.policies.test_properties import policies
from tests.support.worlds import COLD_START, START, a_supply

NAMES = [f"qwen-{index}" for index in range(4)]
HUGE = 1e12

counts = st.one_of(st.none(), st.floats(0, 300), st.floats(0, HUGE))
ages = st.one_of(st.floats(0, 20), st.sampled_from([-7200.0, -10.0, 0.0, 29.9, 30.1, 7200.0]))
# Clocks that stand still, run, jump ahead by hours, and go back (a change of leader).
steps_seconds = st.one_of(
    st.just(15.0), st.just(15.0), st.sampled_from([0.0, 0.5, 60.0, 3600.0, 86_400.0, -20.0, -3600.0])
)


# What is drawn in every turn is made once: Hypothesis checks each strategy that it has not seen. Times are relative to the turn.
names = st.sampled_from(NAMES)
some_names = st.lists(names, unique=True, max_size=4)
begun = st.one_of(st.none(), st.sampled_from([-86_400.0, -100.0, -10.0, 50.0]))
upto_5, upto_6, upto_7, upto_9, upto_60 = (st.integers(0, most) for most in (5, 6, 7, 9, 60))
upto_50 = st.floats(0, 50)
windows = st.lists(
    st.builds(Window, st.just("fair"), st.just(60.0), st.sampled_from([0.0, 600.0]), upto_60), max_size=2
)


@st.composite
def samples(draw: st.DrawFn) -> PodSample:
    return PodSample(
        pod=draw(names),
        at_seconds=-draw(ages),
        started_seconds=draw(begun),
        asleep=draw(upto_9) == 0,
        **{field.name: draw(counts) for field in fields(PodSample)[3:-2]},
    )


@st.composite
def supplies(draw: st.DrawFn) -> Supply:
    return a_supply(
        tuple(draw(some_names)),
        spec_replicas=draw(upto_60),
        starting=draw(upto_6),
        unplaced=draw(upto_6),
        prepared=draw(upto_6),
        preparing=draw(upto_6),
    )


@st.composite
def fans(draw: st.DrawFn) -> Fan:
    low, spread, growth = draw(upto_50), draw(upto_50), draw(upto_50)
    values = ((low, low + spread), (low + growth, low + growth + spread))
    return Fan(-draw(ages), (60.0, 600.0), (0.5, 0.99), values, "profile", draw(st.booleans()))


worlds = st.builds(
    Inputs,
    now_seconds=st.just(0.0),
    on_grid=st.booleans(),
    samples=st.lists(samples(), max_size=5).map(tuple),
    supply=st.one_of(st.none(), supplies()),
    cold_start=st.just(COLD_START),
    fan=st.one_of(st.none(), fans()),
    windows=windows.map(tuple),
)


def at(now: float, seen: Inputs) -> Inputs:
    """What was drawn, at that moment."""
    started = [None if each.started_seconds is None else now + each.started_seconds for each in seen.samples]
    return replace(
        seen,
        now_seconds=now,
        samples=tuple(
            replace(each, at_seconds=now + each.at_seconds, started_seconds=start)
            for each, start in zip(seen.samples, started, strict=True)
        ),
        fan=seen.fan and replace(seen.fan, as_of_seconds=now + seen.fan.as_of_seconds),
        windows=tuple(
            replace(each, start_seconds=now + each.start_seconds, end_seconds=now + each.end_seconds)
            for each in seen.windows
        ),
    )


@dataclass(frozen=True)
class Turn:
    """One decision of a wild life. `restart`: the process ended before it."""

    policy: Policy
    inputs: Inputs
    restart: bool


@st.composite
def lives(draw: st.DrawFn) -> list[Turn]:
    now, turns = START, []
    policy = draw(policies)
    for _ in range(draw(st.integers(1, 8))):
        now += draw(steps_seconds)
        if draw(upto_5) == 0:
            policy = draw(policies)
        turns.append(Turn(policy, at(now, draw(worlds)), draw(upto_7) == 0))
    return turns


def lived(life: list[Turn]) -> list[tuple[Turn, State, StepResult]]:
    """Every turn, the state before it, and its result."""
    state, steps = State(), []
    for turn in life:
        if turn.restart:
            state = restarted(turn.policy, COLD_START, decode(State, encode(state)), turn.inputs.now_seconds)
        result = step(turn.policy, state, turn.inputs)
        steps.append((turn, state, result))
        state = result.state
    return steps


def numbers(value: object) -> list[float]:
    if is_dataclass(value):
        return [number for field in fields(value) for number in numbers(getattr(value, field.name))]
    if isinstance(value, tuple):
        return [number for item in value for number in numbers(item)]
    return [value] if isinstance(value, float) else []


@given(lives())
def test_p1_bounds_hold_whatever_is_observed(life: list[Turn]) -> None:
    for turn, before, result in lived(life):
        if (plan := result.plan) is None:
            continue
        policy = turn.policy
        assert policy.min_replicas <= plan.desired_replicas <= policy.max_replicas
        assert 0 <= plan.prepared_nodes <= policy.max_prepared_nodes
        supply = turn.inputs.supply
        if supply is not None:  # what awaits its replica is that replica's own node
            held = (
                before.decided.prepared if before.decided.replicas is not None else supply.prepared + supply.preparing
            )
            awaited = min(held, max(0, plan.desired_replicas - supply.placed))
            assert plan.desired_replicas + plan.prepared_nodes - awaited <= policy.max_replicas


@given(lives())
def test_p3_without_a_whole_view_nothing_falls_but_to_the_maximum(life: list[Turn]) -> None:
    for turn, before, result in lived(life):
        inputs, was = turn.inputs, before.decided.replicas
        whole = inputs.on_grid and inputs.supply is not None and result.demand.coverage >= 1.0
        if result.plan is not None and was is not None and not whole:
            assert result.plan.desired_replicas >= min(was, turn.policy.max_replicas)


@given(lives())
def test_p9_every_state_is_finite_small_and_survives_its_codec(life: list[Turn]) -> None:
    for _, _, result in lived(life):
        assert all(math.isfinite(number) for number in numbers(result.state))
        assert all(math.isfinite(number) for number in numbers((result.plan, result.demand)))
        assert decode(State, encode(result.state)) == result.state


@given(lives())
def test_p10_every_plan_can_be_explained_and_redecided(life: list[Turn]) -> None:
    lines, states, policy = [header_line("x")], None, None
    for turn, before, result in lived(life):
        if before is not states or turn.policy != policy:
            lines.append(state_line(turn.policy, before))
        policy, states = turn.policy, result.state
        lines.append(decision_line(turn.policy, turn.inputs, result))
        assert result.plan is None or explain(result.plan).endswith(".")
    assert all(item.matches for item in redecide(line + "\n" for line in lines))


@given(lives())
def test_p11_an_urgent_event_raises(life: list[Turn]) -> None:
    """What wakes the loop between two ticks changes the plan, or it would wake it at every sample."""
    for turn, before, result in lived(life):
        limited = turn.policy.scale_up_replicas_per_minute is not None
        plan, was = result.plan, before.decided.replicas
        if plan is None or was is None or limited:
            continue
        if urgent(turn.policy, before, observe(turn.policy, before, turn.inputs), turn.inputs):
            assert plan.desired_replicas > was


@given(lives())
def test_p12_the_filters_know_only_the_pods_that_serve_or_were_seen(life: list[Turn]) -> None:
    for _, _, result in lived(life):
        marks = [mark.reading.pod for mark in result.state.filters.marks]
        assert marks == sorted(set(marks))
        assert len(result.state.filters.arrivals) <= len(life)
        assert len(marks) <= len(NAMES)
