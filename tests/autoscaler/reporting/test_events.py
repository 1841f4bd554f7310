from dataclasses import replace

from structlog.testing import capture_logs

from autoscaler.kube.client import Kube
from autoscaler.reporting.events import TEXTS, EventReason, Events
from tests.autoscaler.kube.workloads import WORKLOAD, workload
from tests.support.fake_api import HTML, FakeApi, status
from tests.support.fake_clock import FakeClock


async def test_an_event_names_its_policy_and_says_why(api: FakeApi, kube: Kube) -> None:
    assert await Events(kube, FakeClock()).emit(WORKLOAD, EventReason.SCALED_UP, explanation="3 to 5 replicas")
    assert api.requests == ["POST /api/v1/namespaces/ns/events"]
    event = api.bodies[0]
    assert event["involvedObject"]["uid"] == WORKLOAD.uid
    assert (event["type"], event["reason"], event["message"], event["count"]) == (
        "Normal",
        "ScaledUp",
        "3 to 5 replicas",
        1,
    )


async def test_one_reason_of_one_policy_is_written_once_a_minute_and_counts_what_it_held_back(
    api: FakeApi, kube: Kube
) -> None:
    clock = FakeClock()
    events = Events(kube, clock)
    sent = []
    for _ in range(9):
        sent.append(await events.emit(WORKLOAD, EventReason.CAPPED, count=2))
        await clock.advance(15)
    assert sent == [True, False, False, False, True, False, False, False, True]
    assert [event["count"] for event in api.bodies] == [1, 4, 4]
    assert [event["type"] for event in api.bodies] == ["Warning"] * 3
    assert api.bodies[1]["firstTimestamp"] == "2023-11-14T22:13:35Z"
    assert api.bodies[1]["lastTimestamp"] == "2023-11-14T22:14:20Z"
    assert len({event["metadata"]["name"] for event in api.bodies}) == 3


async def test_other_reasons_and_other_policies_are_counted_apart(api: FakeApi, kube: Kube) -> None:
    events = Events(kube, FakeClock())
    assert await events.emit(WORKLOAD, EventReason.SCALED_UP, explanation="")
    assert await events.emit(WORKLOAD, EventReason.SCALED_DOWN, explanation="")
    assert await events.emit(workload("another"), EventReason.SCALED_UP, explanation="")


async def test_a_namespace_that_was_quiet_is_not_held_back_by_the_others(api: FakeApi, kube: Kube) -> None:
    clock = FakeClock()
    events = Events(kube, clock)
    loud = [replace(workload(f"chat-{i}"), namespace=f"loud-{i % 10}") for i in range(300)]
    loud = [replace(each, policy=replace(each.policy, name=f"{each.namespace}/{each.name}")) for each in loud]
    written = sum([await events.emit(each, EventReason.SCALED_UP, explanation="") for each in loud])
    assert written == 100
    assert await events.emit(WORKLOAD, EventReason.TARGET_FAILED, problem="gone")
    await clock.advance(10)
    written = sum([await events.emit(each, EventReason.SCALED_DOWN, explanation="") for each in loud])
    assert written == 110, "100 for the ten seconds, and one of each of the ten, whose own buckets are full again"
    await clock.advance(3600)
    assert await events.emit(WORKLOAD, EventReason.TARGET_FAILED, problem="gone")
    assert set(events._of_namespace) == {WORKLOAD.namespace}


async def test_those_of_a_namespace_are_limited(api: FakeApi, kube: Kube) -> None:
    clock = FakeClock()
    events = Events(kube, clock)
    policies = [workload(f"chat-{i}") for i in range(40)]
    assert sum([await events.emit(each, EventReason.SCALED_UP, explanation="") for each in policies]) == 25
    await clock.advance(10)
    assert sum([await events.emit(each, EventReason.SCALED_UP, explanation="") for each in policies]) == 10
    events.forget("ns/chat-0")
    await clock.advance(1)
    assert await events.emit(policies[0], EventReason.SCALED_UP, explanation="")


async def test_losing_an_event_is_no_failure(api: FakeApi, kube: Kube) -> None:
    api.standing.append(("events", HTML))
    assert not await Events(kube, FakeClock()).emit(WORKLOAD, EventReason.SCALED_UP, explanation="")


def test_every_reason_has_a_text() -> None:
    assert set(TEXTS) == set(EventReason)


async def test_why_events_cannot_be_written_is_logged_once_for_a_namespace(api: FakeApi, kube: Kube) -> None:
    events = Events(kube, FakeClock())
    api.standing.append(("POST", status(403, "Forbidden", "events is forbidden")))
    with capture_logs() as logs:
        for policy in (WORKLOAD, workload("another")):
            assert not await events.emit(policy, EventReason.SCALED_UP, explanation="")
        [logged] = logs
        assert "events is forbidden" in logged["error"]
        api.standing.clear()
        assert await events.emit(workload("third"), EventReason.SCALED_UP, explanation="")
    assert len(logs) == 1
