"""What is excluded from an invariant, and why. The table prints it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from policies.model import Signal
from policies.physics import QUEUE_FACTOR, SPEED_FACTOR
from tests.twin.faults import Fault, Spike, Stale, Times
from tests.twin.load import TICK_SECONDS
from tests.twin.pod import GAUGES
from tests.twin.schedule import Schedule

TWO_MINUTES = 8  # ticks


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
    """Whether the running or waiting requests are within what an engine may hold."""
    most = QUEUE_FACTOR * of.load.engine.max_concurrency
    shown = isinstance(fault, Stale) or (isinstance(fault, Spike) and fault.families[0] in GAUGES)
    return shown and 0.0 <= fault.magnitude <= most


def _possible_load(of: Schedule, fault: Fault) -> bool:
    """Whether counters jump by no more than is believed (`policies.signals`)."""
    return fault.magnitude * of.load.work_seconds <= SPEED_FACTOR * TICK_SECONDS


def _gauges_alone(of: Schedule, _: Fault) -> bool:
    """Whether demand is measured by gauges, or requests may wait, which only a gauge shows."""
    return of.load.signal is Signal.CONCURRENCY or of.load.shape == "bursty"


def _backlog(reason: str, *kinds: str) -> tuple[Exclusion, ...]:
    return tuple(
        Exclusion(invariant, kind, reason, lambda _of, fault: fault.length >= TWO_MINUTES)
        for kind in kinds
        for invariant in ("ceiling", "volatility", "level")
    )


EXCLUDED = (
    *(
        Exclusion(
            invariant,
            "counters reset",
            "counters that start again from the same numbers at every tick look as if they had stood still",
            lambda _of, fault: fault.period == 1 and fault.times is not Times.ONCE,
        )
        for invariant in ("capacity", "floor")
    ),
    *(
        Exclusion(
            "volatility",
            kind,
            "counters that all jump by what may come to a pod between two readings show load",
            _possible_load,
        )
        for kind in ("counter jump", "counter spike")
    ),
    *_backlog(
        "requests that come while nothing is decided wait, and have to be served later",
        "restart",
        "clock set back",
        "history shows less",
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
    *(
        Exclusion(
            "floor",
            kind,
            "a level that is known at some ticks only follows a rise more slowly",
            lambda _of, fault: fault.times is Times.REPEATED,
        )
        for kind in ("body cut", "body HTML", "body empty", "no answer")
    ),
    Exclusion(
        "volatility",
        "gauges frozen",
        "a queue that is shown at one reading and not at the next comes and goes",
        lambda _of, fault: fault.times is Times.REPEATED,
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
    *(
        Exclusion(
            invariant,
            "gauges stale",
            "the same queue on a pod that had one, until its counters have stood still for two minutes",
            _possible_queue,
        )
        for invariant in ("capacity", "volatility")
    ),
    Exclusion(
        "capacity",
        "clock set back",
        "set back by as little as two ticks, the growth of three ticks seems to be that of one",
        lambda _of, _fault: True,
    ),
    *(
        Exclusion(
            "ceiling",
            kind,
            "the same queue, where it or a fault beside it stays for good, asks for replicas that are held for good",
            lambda of, fault: math.isinf(of.end) and _possible_queue(of, fault),
        )
        for kind in ("gauge spike", "gauges stale")
    ),
)
