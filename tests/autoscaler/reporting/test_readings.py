"""The condition MetricsRead: what it names, in which words, and that every verdict has its own."""

import pytest

from autoscaler.reporting.readings import ADVICE, Fault, Readings, metrics_read
from policies.explain import VERDICTS
from policies.model import Verdict
from policies.signals import FAULTS

REFUSED = "https://10.0.0.1:8000/metrics answered with 401 Unauthorized: (no body)"
UNREAD = f"its metrics cannot be read: {REFUSED}"
STUCK = "its queue has not moved for minutes, so it is not counted as load; restart it unless it still serves"
MIXED_UP = (
    "its numbers are beyond what an engine can do, or contradict each other; compare its /metrics with what it serves; a proxy"
    " may mix up several engines"
)
UNANSWERED = "http://p:9090 answered with 403 Forbidden"
IDLE = Fault("chat-0", Verdict.UNREAD, REFUSED, "status")


@pytest.mark.parametrize(
    ("readings", "status", "reason", "message"),
    [
        (
            None,
            "Unknown",
            "TargetUnknown",
            "The target's pods are not known, so it is not known whether they can be read.",
        ),
        (Readings(0), "Unknown", "NoPods", "No pod is ready, so there are no metrics to read yet."),
        (Readings(1), "True", "AllPods", "The metrics of the ready pod are read."),
        (Readings(7), "True", "AllPods", "The metrics of all 7 ready pods are read."),
        (
            Readings(1, (IDLE,)),
            "False",
            "Unread",
            f"1 of 1 pod does not count. chat-0: {UNREAD}.",
        ),
        (
            Readings(9, tuple(Fault(f"chat-{i}", Verdict.UNREAD, REFUSED, "status") for i in range(5))),
            "False",
            "Unread",
            f"5 of 9 pods do not count. chat-0: {UNREAD}; chat-1: the same; chat-2: the same; and 2 more.",
        ),
        (
            Readings(2, (Fault("a", Verdict.STUCK), Fault("b", Verdict.IMPOSSIBLE))),
            "False",
            "Stuck",
            f"2 of 2 pods do not count. a: {STUCK}; b: {MIXED_UP}.",
        ),
        (
            Readings(3, (IDLE,), problem="Secret token has no key token"),
            "False",
            "NotReadable",
            "No metrics of the pods can be read: Secret token has no key token.",
        ),
        (
            Readings(3, prometheus_problem=UNANSWERED),
            "False",
            "PrometheusFailed",
            f"Prometheus has not answered since the start: {UNANSWERED}. Pods that can be scraped still count.",
        ),
    ],
)
def test_the_condition_says_what_is_wrong(readings: Readings | None, status: str, reason: str, message: str) -> None:
    found = metrics_read(readings)
    assert (found.type, found.status, found.reason, found.message) == ("MetricsRead", status, reason, message)


def test_every_verdict_has_a_clause_and_every_fault_says_what_to_do() -> None:
    assert set(VERDICTS) == set(Verdict)
    by_source = {Verdict.UNREAD, Verdict.STALE}
    assert set(ADVICE) == FAULTS - by_source
