"""What one decision shows in the metrics: what was seen of each pod, what was decided, and what was promised."""

import math
from collections.abc import Iterator

import pytest

from autoscaler.reporting.measures import measure, measure_starting
from autoscaler.reporting.report import PolicyReport
from autoscaler.telemetry import metrics
from policies.model import Basis, Demand, Inputs, Reading, State, StepResult, Verdict
from policies.residual import starting
from policies.supply import Role, Rung, Supply, Unit
from tests.autoscaler.kube.workloads import WORKLOAD
from tests.support.worlds import COLD_START, a_plan, a_policy, a_supply

POLICY = a_policy(min_replicas=2, max_replicas=8, queue_wait_seconds=3.0, attainment=0.99)


@pytest.fixture(autouse=True)
def _no_series_before_or_after() -> Iterator[None]:
    metrics.forget(POLICY.name)
    yield
    metrics.forget(POLICY.name)


def exported(metric: str, **labels: str) -> float | None:
    return metrics.REGISTRY.get_sample_value(metric, {"policy": POLICY.name, **labels})


def decided(*verdicts: Verdict, coverage: float = 1.0, supply: Supply | None = None, planned: bool = True) -> None:
    """One decision, on so many pods."""
    readings = tuple(Reading(f"qwen-{index}", verdict) for index, verdict in enumerate(verdicts))
    demand = Demand(0.0, Basis.UNKNOWN, coverage, None, None, None, None, None, 0.0, readings)
    inputs = Inputs(now_seconds=0.0, on_grid=True, samples=(), supply=supply, cold_start=COLD_START)
    measure(POLICY, inputs, StepResult(State(), a_plan(4) if planned else None, demand))


def test_pods_are_counted_by_verdict_and_every_verdict_is_there() -> None:
    decided(Verdict.COUNTED, Verdict.COUNTED, Verdict.STUCK, coverage=2 / 3)
    found = {verdict: exported("outrider_pod_readings", verdict=verdict) for verdict in Verdict}
    assert found == {**dict.fromkeys(Verdict, 0.0), Verdict.COUNTED: 2.0, Verdict.STUCK: 1.0}
    assert exported("outrider_coverage_ratio") == pytest.approx(2 / 3)
    decided(Verdict.COUNTED)
    assert exported("outrider_pod_readings", verdict=Verdict.STUCK) == 0.0


def test_limits_and_promises_are_there_before_the_first_decision() -> None:
    decided(planned=False, coverage=0.0)
    assert exported("outrider_min_replicas") == 2
    assert exported("outrider_max_replicas") == 8
    assert exported("outrider_slo_attainment_ratio") == 0.99
    assert exported("outrider_slo_queue_wait_seconds") == 3
    assert exported("outrider_signal_unknown") == 1
    assert math.isnan(exported("outrider_demand_replicas") or 0.0)
    assert exported("outrider_desired_replicas") is None


def test_pods_that_serve_are_joined_to_the_promise() -> None:
    decided(supply=a_supply(2, starting=1))
    for pod in ("chat/qwen-0", "chat/qwen-1"):
        assert exported("outrider_slo_pod_info", target_pod=pod, le="5.0") == 1


@pytest.mark.parametrize(
    ("verdicts", "answers"),
    [
        ((), None),
        ((Verdict.STARTING,), None),
        ((Verdict.STARTING, Verdict.UNREAD), 0),
        ((Verdict.UNREAD, Verdict.STALE), 1),
        ((Verdict.COUNTED,), 1),
    ],
)
def test_a_source_is_asked_where_a_pod_can_answer(verdicts: tuple[Verdict, ...], answers: int | None) -> None:
    decided(*verdicts)
    assert exported("outrider_source_answers_total", source="pods") == answers


def test_a_source_that_worked_once_has_worked() -> None:
    for verdict in (Verdict.UNREAD, Verdict.COUNTED, Verdict.UNREAD):
        decided(verdict)
    assert exported("outrider_source_answers_total", source="pods") == 1


def test_a_policy_that_is_gone_leaves_no_series() -> None:
    decided(Verdict.COUNTED, supply=a_supply(1))
    metrics.forget(POLICY.name)
    left = [
        sample
        for family in metrics.REGISTRY.collect()
        for sample in family.samples
        if POLICY.name in sample.labels.values()
    ]
    assert left == []


def test_replicas_that_are_starting_have_what_is_left_of_the_last_and_how_many_are_late() -> None:
    def left() -> list[float | None]:
        name = "outrider_coldstart_remaining_seconds"
        return [exported(name, quantile=each) for each in ("0.5", "0.95")] + [exported("outrider_late_replicas")]

    measure_starting(POLICY.name, PolicyReport(WORKLOAD))
    assert all(math.isnan(each or 0.0) for each in left())
    measure_starting(POLICY.name, PolicyReport(WORKLOAD, supply=a_supply(2)))
    assert left() == [0.0, 0.0, 0.0]
    units = [Unit(f"{since}", Role.REPLICA, Rung.NODE_READY.passed, since) for since in (0.0, 9_900.0, 9_990.0)]
    supply = Supply(3, tuple(units))
    found = starting(supply, COLD_START, 10_000.0)
    measure_starting(POLICY.name, PolicyReport(WORKLOAD, supply=supply, starting=found))
    median, high, late = left()
    assert late == 1.0
    assert median == max(each.left.p50_seconds for each in found)
    assert high == max(each.left.p95_seconds for each in found)


def test_what_a_replica_of_unknown_age_still_takes_is_unknown() -> None:
    """Zero would say that none is starting."""
    supply = Supply(1, (Unit("qwen-0", Role.REPLICA, Rung.NODE_READY.passed),))
    report = PolicyReport(WORKLOAD, supply=supply, starting=starting(supply, COLD_START, 10_000.0))
    measure_starting(POLICY.name, report)
    assert math.isnan(exported("outrider_coldstart_remaining_seconds", quantile="0.5") or 0.0)
