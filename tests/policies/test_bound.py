"""Where sums over the pods show that nothing is urgent, a full observation finds the same."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from policies import engine
from policies.bound import Sums, by_concurrency, by_work, is_by_work, sums
from policies.decider import Decider
from policies.demand import observe
from policies.model import Basis, Inputs, PodSample, Policy, Signal, State
from policies.supply import Role
from tests.policies.test_chaos import Turn, lived, lives
from tests.support.worlds import COLD_START, START, TICK, a_policy, a_sample, a_supply

POLICY = a_policy(max_replicas=200)


def calm(policy: Policy, state: State, inputs: Inputs) -> bool:
    ready = None if inputs.supply is None else len(inputs.supply.ready)
    return engine.calm(policy, state, sums_of(state, inputs), ready, inputs.now_seconds)


def sums_of(state: State, inputs: Inputs) -> Sums:
    """Over the newest sample of each pod of the target."""
    newest: dict[str, PodSample] = {}
    for each in inputs.samples:
        if each.pod not in newest or each.at_seconds > newest[each.pod].at_seconds:
            newest[each.pod] = each
    supply = inputs.supply
    pods = newest if supply is None else [unit.name for unit in supply.units if unit.role is Role.REPLICA]
    return sums(state.filters, [newest[pod] for pod in pods if pod in newest])


@given(lives())
def test_what_is_urgent_is_never_calm(life: list[Turn]) -> None:
    for turn, before, _ in lived(life):
        inputs = replace(turn.inputs, on_grid=False)
        if engine.urgent(turn.policy, before, observe(turn.policy, before, inputs), inputs):
            assert not calm(turn.policy, before, inputs)


@given(lives())
def test_the_bound_is_no_less_than_what_is_observed(life: list[Turn]) -> None:
    for turn, before, _ in lived(life):
        inputs = replace(turn.inputs, on_grid=False)
        seen = observe(turn.policy, before, inputs).demand
        if seen.waiting is None or seen.recent_replicas is None:
            continue
        shown, now = sums_of(before, inputs), inputs.now_seconds
        bounds = [each(turn.policy, before, shown, now) for each in (by_work, by_concurrency)]
        bound = next(each for each in bounds if each.basis is seen.basis)
        assert seen.basis is Basis.WORK or not is_by_work(turn.policy, before, shown, now)
        assert bound.waiting is not None
        assert bound.recent_replicas is not None
        assert bound.waiting >= seen.waiting
        assert bound.work_seconds >= seen.work_seconds * (1 - 1e-12)
        assert bound.recent_replicas >= seen.recent_replicas * (1 - 1e-12)


fleets = st.lists(st.tuples(st.floats(0.0, 30.0), st.floats(0.0, 40.0), st.floats(0.0, 32.0)), min_size=1, max_size=6)


@settings(deadline=None)
@given(st.lists(fleets, min_size=2, max_size=8), st.sampled_from([2.0, 6.0, 14.0]), st.sampled_from(Signal))
def test_what_is_urgent_is_never_calm_in_a_fleet_without_faults(
    history: list[list[tuple[float, float, float]]], since_seconds: float, signal: Signal
) -> None:
    """Pods that come, go and serve: (arrivals per second, waiting, running) of each until the next tick."""
    policy = replace(POLICY, signal=signal)
    state, arrived = State(), [500.0] * 6
    for step, fleet in enumerate(history):
        for on_grid in (False, True):
            at = START + step * TICK + (TICK if on_grid else since_seconds)
            span = at - (START + step * TICK)
            samples = tuple(
                a_sample(f"qwen-{pod}", at, arrived[pod] + span * rate, waiting, running)
                for pod, (rate, waiting, running) in enumerate(fleet)
            )
            inputs = Inputs(at, on_grid, samples, a_supply(len(fleet)), COLD_START)
            seen = observe(policy, state, inputs)
            if engine.urgent(policy, state, seen, inputs):
                assert not calm(policy, state, inputs)
            if on_grid:
                state = engine.settle(proposal := engine.propose(policy, state, seen, inputs), proposal.asked).state
        arrived = [total + TICK * fleet[pod][0] if pod < len(fleet) else total for pod, total in enumerate(arrived)]


def a_state_of_two_pods() -> State:
    """Two pods at half their load, after five minutes."""
    decider = Decider(POLICY, Unforecast())
    for tick in range(20):
        decider.decide(inputs_at(START + tick * TICK, on_grid=True))
    return decider.state


def test_a_fleet_at_half_its_load_is_calm_and_one_that_is_overrun_is_not() -> None:
    state = a_state_of_two_pods()
    at = START + 19 * TICK + 2.0
    assert calm(POLICY, state, inputs_at(at, on_grid=False))
    assert not calm(POLICY, state, inputs_at(at, on_grid=False, waiting=100.0))


def test_a_number_that_is_not_finite_is_never_calm() -> None:
    state = a_state_of_two_pods()
    at = START + 19 * TICK + 2.0
    assert not calm(POLICY, state, inputs_at(at, on_grid=False, waiting=float("inf")))


class Unforecast:
    def backfill(self, points: object) -> None: ...

    def observe(self, at_seconds: float, demand: float | None) -> None: ...

    def fan(self, now_seconds: float) -> None:
        return None


def inputs_at(at: float, *, on_grid: bool, waiting: float = 0.0) -> Inputs:
    arrived = 500.0 + 0.5 * (at - START)
    samples = tuple(a_sample(f"qwen-{pod}", at, arrived, waiting, 12.0) for pod in range(2))
    return Inputs(at, on_grid, samples, a_supply(2), COLD_START)
