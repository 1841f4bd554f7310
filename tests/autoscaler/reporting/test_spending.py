"""GPU-seconds and cost as counters, of workloads without a pool and of a pool with its members."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from autoscaler.reporting.spending import Meter, count_pool
from autoscaler.telemetry.metrics import REGISTRY, forget, forget_pool
from policies.engine import step
from policies.model import Inputs, State, StepResult
from policies.pool import PoolState, StandbyPhase, StandbyUnit
from policies.pool_step import pool_step
from tests.support.pool_logs import POOL, START, an_ask, pool_inputs
from tests.support.worlds import Fleet, a_policy

MODEL = "org/model-8b"
MODELS = {"chat/qwen": MODEL, "code/llama": MODEL}
POLICY = replace(a_policy(), price_per_gpu_hour=3.6, gpus_per_replica=2)


@pytest.fixture(autouse=True)
def _uncounted() -> Iterator[None]:
    yield
    forget("chat/qwen")
    forget("code/llama")
    forget_pool("h100")


def seconds(rung: str, basis: str = "allocation", policy: str = "chat/qwen") -> float | None:
    labels = {
        "namespace": policy.partition("/")[0],
        "policy": policy,
        "model_name": MODEL,
        "rung": rung,
        "cost_basis": basis,
    }
    return REGISTRY.get_sample_value("outrider_gpu_seconds_total", labels)


def usd(basis: str = "allocation", policy: str = "chat/qwen") -> float | None:
    labels = {"namespace": policy.partition("/")[0], "policy": policy, "model_name": MODEL, "cost_basis": basis}
    return REGISTRY.get_sample_value("outrider_cost_usd_total", labels)


def decisions(count: int) -> Iterator[tuple[Inputs, StepResult]]:
    fleet, state = Fleet(), State()
    for _ in range(count):
        inputs = fleet.tick(1.0)
        result = step(POLICY, state, inputs)
        state = result.state
        yield inputs, result


def test_a_workload_is_counted_from_its_second_decision_on() -> None:
    meter, expected = Meter(), 0.0
    for number, (inputs, result) in enumerate(decisions(10)):
        meter.decided(POLICY, inputs, result, is_pooled=False, model_name=MODEL)
        assert inputs.supply is not None
        expected += 15.0 * 2 * len(inputs.supply.ready) if number else 0.0
    assert seconds("serving") == pytest.approx(expected)
    assert usd() == pytest.approx(expected * 3.6 / 3600.0)
    busy = seconds("serving", "usage")
    assert busy is not None
    assert 0.0 < busy < expected
    assert usd("usage") == pytest.approx(busy * 3.6 / 3600.0)


def test_an_unknown_cluster_counts_as_what_ran_before() -> None:
    meter = Meter()
    first, second = decisions(2)
    meter.decided(POLICY, *first, is_pooled=False, model_name=MODEL)
    meter.decided(POLICY, replace(second[0], supply=None), second[1], is_pooled=False, model_name=MODEL)
    assert first[0].supply is not None
    assert seconds("serving") == pytest.approx(15.0 * 2 * len(first[0].supply.ready))


def test_a_member_of_a_pool_is_counted_by_the_pool_alone() -> None:
    meter = Meter()
    for inputs, result in decisions(3):
        meter.decided(POLICY, inputs, result, is_pooled=True, model_name=MODEL)
        meter.decided(POLICY, replace(inputs, on_grid=False), result, is_pooled=False, model_name=MODEL)
    assert seconds("serving") is None


def test_a_pool_counts_its_members_and_the_standby_that_they_took() -> None:
    """A node of eight GPUs stands by for a minute, and code/llama takes it."""
    unit = StandbyUnit("h100-1", "reserved", StandbyPhase.READY, START - 60.0, START - 60.0, "node-1")
    asks, state = (an_ask("chat/qwen"), an_ask("code/llama", used_gpus=0.5)), PoolState()
    held = [replace(pool_inputs(15.0 * tick, *asks), standby=(unit,)) for tick in range(5)]
    taken = replace(pool_inputs(75.0, *asks), replicas_on=(("node-1", "code/llama"),))
    for inputs in (*held, replace(held[-1], on_grid=False), taken):
        result = pool_step(POOL, state, inputs)
        count_pool(POOL, inputs, state.account, result.state.account, MODELS)
        state = result.state
    assert seconds("serving") == pytest.approx(2 * 75.0)
    assert seconds("standby") == 0.0
    assert seconds("standby", policy="code/llama") == pytest.approx(8 * 60.0)
    assert seconds("serving", "usage", "code/llama") == pytest.approx(0.5 * 75.0)
    spent = dict(state.account.workloads)
    assert usd(policy="code/llama") == pytest.approx(spent["code/llama"].usd)
    of_pool = REGISTRY.get_sample_value("outrider_pool_gpu_seconds_total", {"pool": "h100", "rung": "standby"})
    assert of_pool == pytest.approx(8 * 60.0)
    assert REGISTRY.get_sample_value("outrider_pool_cost_usd_total", {"pool": "h100"}) == pytest.approx(
        state.account.total.usd
    )


def test_an_account_that_was_lost_lowers_no_counter() -> None:
    inputs = pool_inputs(0.0)
    states = [PoolState()]
    for tick in range(3):
        states.append(pool_step(POOL, states[-1], pool_inputs(15.0 * tick)).state)
    count_pool(POOL, inputs, states[-1].account, PoolState().account, {})
    assert REGISTRY.get_sample_value("outrider_pool_cost_usd_total", {"pool": "h100"}) == 0.0


def test_a_target_with_another_model_leaves_no_series_of_the_one_before() -> None:
    meter = Meter()
    first, second, third = decisions(3)
    meter.decided(POLICY, *first, is_pooled=False, model_name=MODEL)
    meter.decided(POLICY, *second, is_pooled=False, model_name=MODEL)
    assert usd()
    meter.decided(POLICY, *third, is_pooled=False, model_name="another")
    assert usd() is None
    of = {"namespace": "chat", "policy": "chat/qwen", "model_name": "another", "cost_basis": "allocation"}
    assert REGISTRY.get_sample_value("outrider_cost_usd_total", of)
