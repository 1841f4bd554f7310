"""What is excluded from an invariant, and why. The table prints it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from policies.model import Signal
from policies.physics import QUEUE_FACTOR
from policies.series import WAITING
from tests.twin.faults import Fault, Spike
from tests.twin.schedule import Schedule


@dataclass(frozen=True)
class Exclusion:
    """Faults whose schedules are not held to an invariant."""

    invariant: str
    kind: str
    reason: str
    when: Callable[[Schedule, Fault], bool]

    def covers(self, of: Schedule, invariant: str) -> bool:
        """Whether a breach of this invariant is excused."""
        return invariant == self.invariant and any(each.kind == self.kind and self.when(of, each) for each in of.faults)


def _possible_queue(of: Schedule, fault: Fault) -> bool:
    """Whether the waiting requests are within what an engine may hold."""
    most = QUEUE_FACTOR * of.load.engine.max_concurrency
    return isinstance(fault, Spike) and WAITING in fault.families and 0.0 <= fault.magnitude <= most


def _gauges_alone(of: Schedule, _: Fault) -> bool:
    """Whether demand is measured by gauges."""
    return of.load.signal is Signal.CONCURRENCY


def _backlog(reason: str, *kinds: str) -> tuple[Exclusion, ...]:
    return tuple(
        Exclusion(invariant, kind, reason, lambda _of, _fault: True)
        for kind in kinds
        for invariant in ("ceiling", "volatility", "level")
    )


EXCLUDED = (
    Exclusion(
        "capacity",
        "counters reset",
        "counters that start again from the same numbers at every tick look as if they had stood still",
        lambda _of, _fault: True,
    ),
    *_backlog(
        "requests that come while nothing is decided wait, and have to be served later",
        "clock set back",
        "machine paused",
    ),
    Exclusion(
        "capacity",
        "gauge spike",
        "an engine on which requests wait while few run is short of KV cache: that is its capacity",
        _possible_queue,
    ),
    Exclusion(
        "floor",
        "gauges frozen",
        "gauges that stand still while requests come and go are those of clients that each send the next request when "
        "one is answered",
        _gauges_alone,
    ),
    Exclusion(
        "volatility",
        "clients hang up",
        "the share of clients that hang up is learned over half a minute, in which the level moves",
        lambda _of, _fault: True,
    ),
    Exclusion(
        "volatility",
        "gauge spike",
        "a queue that an engine can hold, on a pod whose counters move, is load for as long as it is shown",
        _possible_queue,
    ),
    Exclusion(
        "ceiling",
        "gauge spike",
        "the same queue, where it stays for good, asks for replicas for good",
        lambda of, fault: math.isinf(fault.end) and _possible_queue(of, fault),
    ),
)
