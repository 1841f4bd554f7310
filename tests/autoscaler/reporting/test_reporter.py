"""One turn of reporting: the status as it stands, and an Event only where replicas moved since the turn before."""

from dataclasses import dataclass, replace

import pytest
from structlog.testing import capture_logs

from autoscaler.kube.client import Kube
from autoscaler.kube.store import Store
from autoscaler.reporting.events import Events
from autoscaler.reporting.readings import Fault, Readings
from autoscaler.reporting.report import PolicyReport
from autoscaler.reporting.reporter import Reporter
from autoscaler.reporting.status import StatusWriter
from autoscaler.telemetry.metrics import REGISTRY
from policies.model import Mode, Plan, Reason, Rule, Verdict
from tests.autoscaler.kube.workloads import WORKLOAD, policy_object
from tests.support.fake_api import HTML, FakeApi
from tests.support.fake_clock import FakeClock
from tests.support.worlds import a_plan, a_supply

PATH = "/apis/outrider.dev/v1alpha1/namespaces/ns/scalingpolicies/chat"


def plan(replicas: int) -> Plan:
    return a_plan(replicas, Reason(Rule.MINIMUM, float(replicas)), at_seconds=1_700_000_000.0)


@dataclass
class Policy:
    """A runtime that reports what a test sets."""

    now: PolicyReport

    def report(self, now_seconds: float) -> PolicyReport:
        return self.now


async def a_reporter(api: FakeApi, kube: Kube) -> tuple[Reporter, Store]:
    await api.put(PATH, policy_object(WORKLOAD))
    clock, policies = FakeClock(), Store()
    policies.replace([policy_object(WORKLOAD)])
    return Reporter(policies, StatusWriter(kube, clock), Events(kube, clock), clock), policies


def events(api: FakeApi) -> list[tuple[str, str]]:
    return [(body["reason"], body["message"]) for body in api.bodies if body.get("kind") == "Event"]


async def test_replicas_that_moved_are_an_event_that_names_both_numbers(api: FakeApi, kube: Kube) -> None:
    reporter, _ = await a_reporter(api, kube)
    policy = Policy(PolicyReport(WORKLOAD))
    for replicas in (None, 3, 3, 5, 4):
        policy.now = replace(policy.now, plan=None if replicas is None else plan(replicas))
        await reporter.run(policy)
    assert [(reason, message.partition(":")[0]) for reason, message in events(api)] == [
        ("ScaledUp", "Grows from 3 to 5 replicas"),
        ("ScaledDown", "Shrinks from 5 to 4 replicas"),
    ]
    assert api.objects[PATH]["status"]["desiredReplicas"] == 4


async def test_an_event_of_mode_shadow_says_what_would_be_done(api: FakeApi, kube: Kube) -> None:
    reporter, _ = await a_reporter(api, kube)
    for replicas in (3, 5):
        shadow = replace(plan(replicas), mode=Mode.SHADOW, current_replicas=4)
        await reporter.run(Policy(PolicyReport(WORKLOAD, plan=shadow)))
    assert events(api) == [("WouldScale", "Would grow to 5 replicas (4 run): minReplicas is 5.")]


async def test_an_event_says_once_why_metrics_cannot_be_read_and_that_they_are_again(api: FakeApi, kube: Kube) -> None:
    reporter, _ = await a_reporter(api, kube)
    refused = Fault("a", Verdict.UNREAD, "its certificate is not accepted", "tls")
    with capture_logs() as logs:
        for readings in (
            Readings(2),
            Readings(2, (refused,)),
            Readings(2, (refused, Fault("b", Verdict.UNREAD))),
            None,
            Readings(2, (Fault("a", Verdict.STUCK),)),  # another reason, within a minute of the last Event
            Readings(2),
        ):
            await reporter.run(Policy(PolicyReport(WORKLOAD, readings=readings)))
    assert events(api) == [
        (
            "MetricsUnread",
            "1 of 2 pods does not count. a: its metrics cannot be read: its certificate is not accepted.",
        ),
        ("MetricsRead", "The metrics of all 2 ready pods are read."),
    ]
    assert [log["event"] for log in logs] == ["metrics.unread", "metrics.read"]


@pytest.mark.parametrize(("replicas", "reasons"), [(4, []), (6, ["ScaledUp"]), (3, ["ScaledDown"])])
async def test_the_first_event_in_mode_active_compares_with_what_ran(
    replicas: int, reasons: list[str], api: FakeApi, kube: Kube
) -> None:
    """Mode Shadow would have run 6 replicas, and 4 ran."""
    reporter, _ = await a_reporter(api, kube)
    for now in (replace(plan(6), mode=Mode.SHADOW), plan(replicas)):
        await reporter.run(Policy(PolicyReport(WORKLOAD, plan=replace(now, current_replicas=4))))
    assert [reason for reason, _ in events(api)] == reasons


async def test_a_status_that_cannot_be_written_costs_no_event(api: FakeApi, kube: Kube) -> None:
    reporter, _ = await a_reporter(api, kube)
    await reporter.run(Policy(PolicyReport(WORKLOAD, plan=plan(3))))
    api.standing.append(("PATCH", HTML))
    await reporter.run(Policy(PolicyReport(WORKLOAD, plan=plan(5))))
    assert [reason for reason, _ in events(api)] == ["ScaledUp"]


async def test_why_a_status_cannot_be_written_is_logged_once(api: FakeApi, kube: Kube) -> None:
    reporter, _ = await a_reporter(api, kube)
    api.standing.append(("PATCH", HTML))
    with capture_logs() as logs:
        for replicas in (3, 5, 4):
            await reporter.run(Policy(PolicyReport(WORKLOAD, plan=plan(replicas))))
        assert [each["event"] for each in logs] == ["status.not_written"]
        api.standing.clear()
        await reporter.run(Policy(PolicyReport(WORKLOAD, plan=plan(3))))
        api.standing.append(("PATCH", HTML))
        await reporter.run(Policy(PolicyReport(WORKLOAD, plan=plan(5))))
    assert len(logs) == 2


async def test_a_policy_that_is_gone_is_not_reported_and_leaves_no_series(api: FakeApi, kube: Kube) -> None:
    reporter, policies = await a_reporter(api, kube)
    held = {"policy": "ns/chat", "state": "prepared"}
    policy = Policy(PolicyReport(WORKLOAD, supply=a_supply((), prepared=2, spec_replicas=3), plan=plan(3)))
    await reporter.run(policy)
    assert REGISTRY.get_sample_value("outrider_balloons", held) == 2
    policies.drop(policy_object(WORKLOAD))
    reporter.forget("ns/chat")
    await reporter.run(policy)
    assert REGISTRY.get_sample_value("outrider_balloons", held) is None
    assert len(api.requests) == 1
