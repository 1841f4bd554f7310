"""Sets the metrics of one decision, and of the replicas that are starting. Not here: what is set where it happens."""

import math
from collections import Counter

from autoscaler.reporting.report import PolicyReport
from autoscaler.telemetry import metrics
from policies.model import Demand, Inputs, Plan, Policy, StepResult, Verdict

_UNANSWERED = (Verdict.STARTING, Verdict.UNREAD)


def measure(policy: Policy, inputs: Inputs, result: StepResult) -> None:
    """Export what was decided, what it was decided on, and what was promised."""
    name = policy.name
    metrics.MIN_REPLICAS.labels(policy=name).set(policy.min_replicas)
    metrics.MAX_REPLICAS.labels(policy=name).set(policy.max_replicas)
    metrics.SLO_ATTAINMENT.labels(policy=name).set(policy.attainment)
    metrics.SLO_QUEUE_WAIT.labels(policy=name).set(policy.queue_wait_seconds)
    serving = () if inputs.supply is None else inputs.supply.ready
    metrics.SLO_PODS.served(name, serving, policy.queue_wait_seconds, inputs.now_seconds)
    metrics.FORECAST_PROVEN.labels(policy=name).set(0 if inputs.fan is None else int(inputs.fan.proven))
    _demand(name, result.demand)
    if result.plan is not None:
        _plan(name, result.plan)


def measure_starting(policy: str, report: PolicyReport) -> None:
    """Export how long the replicas that are starting still take: unknown without a supply, and where one's age is."""
    supply, left = report.supply, [each.left for each in report.starting]
    late = sum(each.is_late for each in report.starting)
    metrics.LATE_REPLICAS.labels(policy=policy).set(math.nan if supply is None else late)
    known = supply is not None and len(left) == supply.starting + supply.unplaced
    for quantile, seconds in (
        ("0.5", max([each.p50_seconds for each in left], default=0.0)),
        ("0.95", max([each.p95_seconds for each in left], default=0.0)),
    ):
        metrics.REMAINING_SECONDS.labels(policy=policy, quantile=quantile).set(seconds if known else math.nan)


def _demand(policy: str, demand: Demand) -> None:
    metrics.SIGNAL_UNKNOWN.labels(policy=policy).set(1 if demand.replicas is None else 0)
    metrics.DEMAND_REPLICAS.labels(policy=policy).set(_number(demand.replicas))
    metrics.COVERAGE.labels(policy=policy).set(demand.coverage)
    pods = Counter(reading.verdict for reading in demand.readings)
    for verdict in Verdict:
        metrics.POD_READINGS.labels(policy, verdict).set(pods[verdict])
    if pods.keys() - {Verdict.STARTING}:  # a pod that starts cannot answer yet
        answered = bool(pods.keys() - set(_UNANSWERED))
        metrics.SOURCE_ANSWERS.labels(policy=policy, source="pods").inc(int(answered))


def _plan(policy: str, plan: Plan) -> None:
    metrics.DESIRED_REPLICAS.labels(policy=policy).set(plan.desired_replicas)
    metrics.CURRENT_REPLICAS.labels(policy=policy).set(_number(plan.current_replicas))
    metrics.PREPARED_NODES.labels(policy=policy).set(plan.prepared_nodes)


def _number(known: float | None) -> float:
    return math.nan if known is None else known
