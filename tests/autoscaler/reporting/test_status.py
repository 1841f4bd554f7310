from dataclasses import replace
from typing import Any

import pytest

from autoscaler.kube.client import Kube
from autoscaler.kube.errors import Unavailable
from autoscaler.kube.objects import Key
from autoscaler.reporting.report import PolicyReport
from autoscaler.reporting.status import StatusWriter, status_patch
from crds.v1alpha1.scalingpolicy import Status
from policies.explain import explain
from policies.fetches import Ability
from policies.model import Basis, Demand, Reason, Rule
from policies.residual import starting
from policies.supply import Role, Rung, Stage, StageName, Supply, Unit
from tests.autoscaler.kube.workloads import WORKLOAD
from tests.support.fake_api import HTML, FakeApi
from tests.support.fake_clock import FakeClock
from tests.support.worlds import COLD_START, a_fan, a_plan, a_supply

AT = 1_700_000_000.0
PLAN = a_plan(5, Reason(Rule.MINIMUM, 5.0), prepared=2, prepared_reasons=(Reason(Rule.HANDOVER, 2.0),), at_seconds=AT)
DEMAND = Demand(AT, Basis.WORK, 1.0, 4.26, 4.0, 3.4, 80.0, 2.0, 1.5)
SUPPLY = a_supply(("a",), starting=3, prepared=1, preparing=1, spec_replicas=4)
REPORT = PolicyReport(WORKLOAD, SUPPLY, DEMAND, PLAN)
SAYS = explain(PLAN)
CHAT = Key("ns", "chat")
PATH = "/apis/outrider.dev/v1alpha1/namespaces/ns/scalingpolicies/chat"


def patch(previous: dict[str, Any] | None = None, now_seconds: float = AT, **changes: Any) -> dict[str, Any]:
    about = {"metadata": {"generation": 5}, "status": previous or {}}
    return status_patch(replace(REPORT, **changes), about, now_seconds)


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
        "capabilities": None,
    }
    assert [(each["type"], each["status"], each["reason"]) for each in status["conditions"]] == [
        ("Ready", "True", "TargetFound"),
        ("Decided", "True", "Minimum"),
        ("MetricsRead", "Unknown", "TargetUnknown"),
    ]


def test_a_status_says_when_replicas_that_are_starting_are_expected_to_serve() -> None:
    replica = Unit("chat-1", Role.REPLICA, Rung.NODE_READY.passed, AT - 60.0)
    found = starting(Supply(1, (replica,)), COLD_START, AT)
    assert patch(starting=found)["message"].startswith(
        f"{SAYS} 1 replica is starting, and is expected to serve in about "
    )


@pytest.mark.parametrize(
    "status",
    [
        patch(),
        patch(plan=None, demand=None, supply=None),
        patch(demand=replace(DEMAND, replicas=None, waiting=None), state_problem="x" * 5000),
        patch(problem="spec.maxReplicas is missing."),
        patch(problem="x" * 50_000),
        patch(target_problem="Deployment chat: not found"),
        patch(capabilities=(Ability("ImagePrePull", StageName.IMAGE, False, "x" * 5000),)),
    ],
    ids=["whole", "unknown", "no demand", "invalid", "long", "no target", "a long reason"],
)
def test_the_crd_takes_every_status(status: dict[str, Any]) -> None:
    Status.model_validate({name: value for name, value in status.items() if value is not None})


async def test_what_works_is_shown_and_a_count_that_changes_is_no_news(api: FakeApi, kube: Kube) -> None:
    def with_sentence(sentence: str, works: bool = True) -> dict[str, Any]:
        return patch(capabilities=(Ability("ImagePrePull", StageName.IMAGE, works, sentence),))

    await api.put(PATH, {})
    writer = StatusWriter(kube, FakeClock())
    first = with_sentence("Kept on 1 of 2.")
    assert first["capabilities"] == [{"name": "ImagePrePull", "works": True, "message": "Kept on 1 of 2."}]
    assert await writer.write(CHAT, first)
    assert not await writer.write(CHAT, with_sentence("Kept on 2 of 2."))
    assert await writer.write(CHAT, with_sentence("Not allowed.", works=False))


def test_what_stands_in_the_way_is_the_message_and_the_last_decision_stays_shown() -> None:
    for reason, status in (
        ("Invalid", patch(problem="spec.maxReplicas is missing.", target_problem="hidden by the other")),
        ("TargetFailed", patch(target_problem="spec.maxReplicas is missing.")),
    ):
        assert status["observedGeneration"] == 5
        assert status["message"] == "spec.maxReplicas is missing."
        assert [(each["type"], each["status"], each["reason"]) for each in status["conditions"]] == [
            ("Ready", "False", reason)
        ]
        assert "desiredReplicas" not in status


def test_a_refused_state_is_named_after_the_decision() -> None:
    assert patch(state_problem="it is torn")["message"] == (
        f"{SAYS} The saved state cannot be used: it is torn. The file is kept with .bad added to its name, and replicas are "
        "not lowered for the first 2 min 5 s."
    )


def test_a_decision_from_what_was_last_known_says_that_demand_is_unknown() -> None:
    unknown = replace(DEMAND, replicas=None, waiting=None)
    assert patch(demand=unknown)["message"] == f"{SAYS} Demand is unknown now, so nothing is scaled down."
    unknown_now = Reason(Rule.UNKNOWN, 5.0)
    for reasons in ((unknown_now,), (Reason(Rule.MINIMUM, 5.0), unknown_now)):
        held = a_plan(5, *reasons, at_seconds=AT)
        assert patch(demand=unknown, plan=held)["message"] == explain(held)


def test_what_is_unknown_is_taken_away_not_zero() -> None:
    status = patch(plan=None, demand=None, supply=None)
    for name in ("desiredReplicas", "currentReplicas", "demandReplicas", "waitingRequests", "lastDecisionTime"):
        assert status[name] is None


@pytest.mark.parametrize(("proven", "status"), [(True, "True"), (False, "False")])
def test_the_status_says_whether_the_forecast_is_used_and_why(proven: bool, status: str) -> None:
    fan = replace(a_fan(AT, 4.0, proven=proven), note="no fit yet")
    condition = patch(fan=fan)["conditions"][-1]
    assert (condition["type"], condition["status"]) == ("ForecastUsed", status)
    assert condition["message"] == f"The profile forecast is {'' if proven else 'not '}used: no fit yet."


def test_the_status_says_what_a_start_takes_and_what_cannot_be_seen_of_it() -> None:
    given = WORKLOAD.cold_start
    [*_, none_yet] = patch(cold_start=given, unseen=("nodes",))["conditions"]
    assert (none_yet["type"], none_yet["status"], none_yet["reason"]) == ("ColdStartMeasured", "False", "NoStartSeen")
    assert none_yet["message"].startswith("Until a start is measured, a replica is expected to take ")
    assert none_yet["message"].endswith(
        " Nodes cannot be read, so what only they show is taken from spec.coldStart or the profile."
    )
    [*_, measured] = patch(cold_start=replace(given, warmup=Stage(20.0, 30.0)))["conditions"]
    assert (measured["status"], measured["reason"]) == ("True", "StartsSeen")
    assert "then warm-up 20 s; spec.coldStart or the profile expects " in measured["message"]


def test_a_condition_keeps_its_time_while_its_status_is_the_same() -> None:
    first = patch()
    later = patch(previous=first, now_seconds=AT + 60)
    assert later["conditions"] == first["conditions"]
    lost = patch(supply=None, previous=first, now_seconds=AT + 60)
    assert [each["lastTransitionTime"] for each in lost["conditions"]] == [
        "2023-11-14T22:14:20Z",
        "2023-11-14T22:13:20Z",
        "2023-11-14T22:13:20Z",
    ]


async def test_a_status_is_written_when_it_says_something_new_or_every_30_s(api: FakeApi, kube: Kube) -> None:
    clock = FakeClock()
    writer = StatusWriter(kube, clock)
    await api.put(PATH, {})
    assert await writer.write(CHAT, patch())
    assert api.requests == [f"PATCH {PATH}/status"]
    assert api.objects[PATH]["status"]["desiredReplicas"] == 5
    same = patch(plan=replace(PLAN, at_seconds=AT + 15), demand=replace(DEMAND, replicas=4.27))
    assert not await writer.write(CHAT, same)
    assert await writer.write(CHAT, patch(supply=None))
    assert "currentReplicas" not in api.objects[PATH]["status"]
    await clock.advance(29)
    assert not await writer.write(CHAT, patch(supply=None))
    await clock.advance(1)
    assert await writer.write(CHAT, patch(supply=None))
    writer.forget(str(CHAT))
    assert await writer.write(CHAT, patch(supply=None))


async def test_a_failed_write_is_due_again(api: FakeApi, kube: Kube) -> None:
    await api.put(PATH, {})
    writer = StatusWriter(kube, FakeClock())
    api.faults.append(("PATCH", HTML))
    with pytest.raises(Unavailable):
        await writer.write(CHAT, patch())
    assert await writer.write(CHAT, patch())
