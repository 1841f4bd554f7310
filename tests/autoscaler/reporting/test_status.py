from dataclasses import replace
from typing import Any

import pytest

from autoscaler.kube.client import Kube
from autoscaler.kube.errors import Unavailable
from autoscaler.reporting.status import StatusWriter, refused_patch, status_patch
from crds.v1alpha1.scalingpolicy import Status
from policies.model import Basis, Demand, Plan, Reason, Rule, Supply
from tests.autoscaler.kube.workloads import WORKLOAD
from tests.support.fake_api import HTML, FakeApi
from tests.support.fake_clock import FakeClock

AT = 1_700_000_000.0
PLAN = Plan(AT, 5, 2, (Reason(Rule.FORECAST, 5.0),), (Reason(Rule.LEAD, 2.0),))
DEMAND = Demand(AT, Basis.WORK, 1.0, 4.26, 4.0, 3.4, 80.0, 2.0, 1.5)
SUPPLY = Supply(4, ("a",), 3, 0, 1, 1)
SAYS = "5 replicas: the forecast asks for 5."
PATH = "/apis/outrider.dev/v1alpha1/namespaces/ns/scalingpolicies/chat"


def patch(
    plan: Plan | None = PLAN, demand: Demand | None = DEMAND, supply: Supply | None = SUPPLY, **more: Any
) -> dict[str, Any]:
    return status_patch(WORKLOAD, plan, demand, supply, **{"sentence": SAYS, "previous": {}, "now_seconds": AT, **more})


def test_a_status_says_what_was_seen_and_decided() -> None:
    status = patch()
    assert {name: value for name, value in status.items() if name != "conditions"} == {
        "observedGeneration": 4,
        "mode": "Active",
        "desiredReplicas": 5,
        "currentReplicas": 4,
        "preparedNodes": 2,
        "demandReplicas": "4.3",
        "waitingRequests": 3,
        "lastDecisionTime": "2023-11-14T22:13:20Z",
        "message": SAYS,
    }
    assert [(each["type"], each["status"], each["reason"]) for each in status["conditions"]] == [
        ("Ready", "True", "TargetFound"),
        ("Decided", "True", "Forecast"),
    ]


@pytest.mark.parametrize(
    "status",
    [
        patch(),
        patch(plan=None, demand=None, supply=None),
        patch(demand=replace(DEMAND, replicas=None, waiting=None), sentence="x" * 5000),
        refused_patch(4, "Invalid", "spec.maxReplicas is missing.", {}, AT),
    ],
    ids=["whole", "unknown", "no demand", "refused"],
)
def test_the_crd_takes_every_status(status: dict[str, Any]) -> None:
    Status.model_validate({name: value for name, value in status.items() if value is not None})


def test_what_is_unknown_is_taken_away_not_zero() -> None:
    status = patch(plan=None, demand=None, supply=None)
    for name in ("desiredReplicas", "currentReplicas", "demandReplicas", "waitingRequests", "lastDecisionTime"):
        assert status[name] is None


def test_a_condition_keeps_its_time_while_its_status_is_the_same() -> None:
    first = patch()
    later = patch(previous=first, now_seconds=AT + 60)
    assert later["conditions"] == first["conditions"]
    lost = patch(supply=None, previous=first, now_seconds=AT + 60)
    assert [each["lastTransitionTime"] for each in lost["conditions"]] == [
        "2023-11-14T22:14:20Z",
        "2023-11-14T22:13:20Z",
    ]


async def test_a_status_is_written_when_it_says_something_new_or_every_30_s(api: FakeApi, kube: Kube) -> None:
    clock = FakeClock()
    writer = StatusWriter(kube, clock)
    await api.put(PATH, {})
    assert await writer.write("ns", "chat", patch())
    assert api.requests == [f"PATCH {PATH}/status"]
    assert api.objects[PATH]["status"]["desiredReplicas"] == 5
    same = patch(plan=replace(PLAN, at_seconds=AT + 15), demand=replace(DEMAND, replicas=4.27), sentence="5 again")
    assert not await writer.write("ns", "chat", same)
    assert await writer.write("ns", "chat", patch(supply=None))
    assert "currentReplicas" not in api.objects[PATH]["status"]
    await clock.advance(29)
    assert not await writer.write("ns", "chat", patch(supply=None))
    await clock.advance(1)
    assert await writer.write("ns", "chat", patch(supply=None))
    writer.forget("ns", "chat")
    assert await writer.write("ns", "chat", patch(supply=None))


async def test_a_failed_write_is_due_again(api: FakeApi, kube: Kube) -> None:
    await api.put(PATH, {})
    writer = StatusWriter(kube, FakeClock())
    api.faults.append(("PATCH", HTML))
    with pytest.raises(Unavailable):
        await writer.write("ns", "chat", patch())
    assert await writer.write("ns", "chat", patch())
