"""The reactive rule: as soon as the queue or the last 30 s show that capacity is short, ask for what they need."""

from policies.demand import DRAIN_SECONDS
from policies.model import Demand, Policy, Reason, Rule

QUEUE_WAIT_SHARE = 0.2  # of the SLO: the mean wait above which the queue counts
OVERLOAD = 1.1  # recent demand over serving replicas, above which it counts


def reactive(policy: Policy, demand: Demand, ready: int) -> Reason | None:
    """Recent demand plus the waiting requests, drained within 60 s; None while neither is too high."""
    if demand.waiting is None or demand.recent_replicas is None:
        return None
    queue_seconds = demand.waiting * demand.work_seconds / max(ready, 1)
    if queue_seconds <= QUEUE_WAIT_SHARE * policy.queue_wait_seconds and demand.recent_replicas <= OVERLOAD * ready:
        return None
    asked = demand.recent_replicas + demand.waiting * demand.work_seconds / DRAIN_SECONDS
    numbers = (
        ("waiting_requests", demand.waiting),
        ("queue_seconds", queue_seconds),
        ("recent", demand.recent_replicas),
    )
    return Reason(Rule.REACTIVE, asked, numbers)
