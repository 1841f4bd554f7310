"""What the controller writes is what the status of the CRD takes."""

from typing import Any

import pytest

from autoscaler.reporting.report import PolicyReport
from autoscaler.reporting.status import refused_patch, status_patch
from crds.kinds import SCALING_POLICY
from crds.v1alpha1.scalingpolicy import Status
from crds.workload import Workload
from policies.model import Basis, Demand, Plan, Reason, Rule
from policies.supply import Supply
from tests.support.worlds import a_plan, a_supply

POLICY = {
    "apiVersion": "outrider.dev/v1alpha1",
    "kind": "ScalingPolicy",
    "metadata": {"name": "chat", "generation": 3},
    "spec": {"target": {"name": "chat-vllm"}, "maxReplicas": 24},
}
DEMAND = Demand(1.8e9, Basis.WORK, 1.0, 2.3456789, 2.1, 3.0, 7.0, 1.5, 0.8)
PLAN = a_plan(
    4, Reason(Rule.MINIMUM, 4.0), prepared=1, prepared_reasons=(Reason(Rule.HANDOVER, 1.0),), at_seconds=1.8e9
)
SUPPLY = a_supply(("a", "b"), starting=1, prepared=1, spec_replicas=3)


def written(patch: dict[str, Any]) -> Status:
    """The status after a merge patch on an empty one: null removes a field."""
    return Status.model_validate({name: value for name, value in patch.items() if value is not None})


@pytest.mark.parametrize("demand", [DEMAND, None], ids=["known", "unknown"])
@pytest.mark.parametrize("plan", [PLAN, None], ids=["decided", "undecided"])
@pytest.mark.parametrize("supply", [SUPPLY, None], ids=["seen", "unseen"])
def test_a_status_fits(plan: Plan | None, demand: Demand | None, supply: Supply | None) -> None:
    workload = SCALING_POLICY.resolve(POLICY)
    assert isinstance(workload, Workload)
    report = PolicyReport(workload, supply, demand, plan, state_problem="x" * 3000)
    status = written(status_patch(report, POLICY, now_seconds=1.8e9))
    assert status.observed_generation == 3
    assert [condition.type for condition in status.conditions or ()] == ["Ready", "Decided", "MetricsRead"]


def test_a_refusal_fits() -> None:
    assert written(refused_patch(POLICY, "Invalid", "spec.maxReplicas is missing", 1.8e9)).message
