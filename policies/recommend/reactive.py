"""The fast path: as soon as the queue or the last 30 s say that capacity is short, ask for what they show."""

from policies.demand import DRAIN_SECONDS
from policies.model import Demand, Policy, Reason, Rule

QUEUE_WAIT_SHARE = 0.2  # of the SLO: the mean wait at which the queue speaks
OVERLOAD = 1.1  # recent demand over the replicas that serve


def reactive(policy: Policy, demand: Demand, ready: int) -> Reason | None:
    """Recent demand plus what waits, drained within 60 s; None while neither the queue nor recent demand is too much."""
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
