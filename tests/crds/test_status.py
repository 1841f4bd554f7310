"""What the controller writes is what the status of the CRD takes."""

from typing import Any

import pytest

from autoscaler.reporting.status import refused_patch, status_patch
from crds.resolve import resolve
from crds.v1alpha1 import Status
from crds.workload import Workload
from policies.model import Basis, Demand, Plan, Reason, Rule, Supply

POLICY = {
    "apiVersion": "outrider.dev/v1alpha1",
    "kind": "ScalingPolicy",
    "metadata": {"name": "chat", "generation": 3},
    "spec": {"target": {"name": "chat-vllm"}, "maxReplicas": 24},
}
DEMAND = Demand(1.8e9, Basis.WORK, 1.0, 2.3456789, 2.1, 3.0, 7.0, 1.5, 0.8)
PLAN = Plan(1.8e9, 4, 1, (Reason(Rule.REACTIVE, 4.0),), (Reason(Rule.LEAD, 1.0),))
SUPPLY = Supply(3, ("a", "b"), 1, 0, 1, 0)


def written(patch: dict[str, Any]) -> Status:
    """The status after a merge patch on an empty one: null removes a field."""
    return Status.model_validate({name: value for name, value in patch.items() if value is not None})


@pytest.mark.parametrize("demand", [DEMAND, None], ids=["known", "unknown"])
@pytest.mark.parametrize("plan", [PLAN, None], ids=["decided", "undecided"])
@pytest.mark.parametrize("supply", [SUPPLY, None], ids=["seen", "unseen"])
def test_a_status_fits(plan: Plan | None, demand: Demand | None, supply: Supply | None) -> None:
    workload = resolve(POLICY)
    assert isinstance(workload, Workload)
    patch = status_patch(workload, plan, demand, supply, sentence="x" * 3000, previous={}, now_seconds=1.8e9)
    status = written(patch)
    assert status.observed_generation == 3
    assert [condition.type for condition in status.conditions or ()] == ["Ready", "Decided"]


def test_a_refusal_fits() -> None:
    assert written(refused_patch(3, "Invalid", "spec.maxReplicas is missing", {}, 1.8e9)).message
