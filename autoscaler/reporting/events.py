"""Core Events on policies and pools: what `kubectl describe` shows. Losing one is no failure; flooding the API server is.

Not here: when something is worth an Event (`reporter`), and why a number was decided (`policies.explain`).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

import structlog

from autoscaler.clock import Clock
from autoscaler.kube import collection
from autoscaler.kube.client import Kube
from autoscaler.kube.errors import KubeError
from crds.kinds import GPU_POOL, SCALING_POLICY
from crds.notation.timestamps import timestamp
from crds.pool import GpuPool
from crds.v1alpha1.resource import API_VERSION
from crds.workload import Workload

QUIET_SECONDS = 60.0  # between two Events of one policy for one reason
BURST = 25.0  # Events at once, of all policies of a namespace
EVENTS_PER_SECOND = 1.0
BURST_OF_ALL = 100.0  # of all namespaces together; one that was quiet is not held back by the others
EVENTS_PER_SECOND_OF_ALL = 10.0
MESSAGE_LIMIT = 1024  # characters, as the API has it
NO_NAMESPACE = "default"  # where the API has the Events of objects without a namespace

_log = structlog.get_logger(__name__)


class EventReason(StrEnum):
    """Why an Event is written."""

    SCALED_UP = "ScaledUp"
    SCALED_DOWN = "ScaledDown"
    WOULD_SCALE = "WouldScale"
    PREPARED = "PreparingNode"
    RELEASED = "ReleasedNode"
    CAPPED = "BalloonCap"
    BALLOON_FAILED = "BalloonFailed"
    FETCH_FAILED = "FetchFailed"
    REPLICAS_REFUSED = "ReplicasRefused"
    TARGET_FAILED = "TargetFailed"
    STATE_REFUSED = "StateRefused"
    METRICS_UNREAD = "MetricsUnread"
    METRICS_READ = "MetricsRead"
    COLD_START_LEARNED = "ColdStartLearned"
    STAGE_SLOW = "ColdStartSlow"
    STAGE_FAST = "ColdStartFast"
    POOL_MISSING = "PoolMissing"
    POOL_REFUSED = "PoolRefused"
    POOL_GRANTED = "PoolGranted"
    STANDBY_HEDGED = "StandbyHedged"
    STANDBY_FAILED = "StandbyFailed"
    OFFERING_RESTS = "OfferingRests"
    OFFERING_RETURNED = "OfferingReturned"
    NODES_LEAVING = "NodesLeaving"


WARNINGS = (
    EventReason.CAPPED,
    EventReason.BALLOON_FAILED,
    EventReason.FETCH_FAILED,
    EventReason.REPLICAS_REFUSED,
    EventReason.TARGET_FAILED,
    EventReason.STATE_REFUSED,
    EventReason.METRICS_UNREAD,
    EventReason.STAGE_SLOW,
    EventReason.POOL_MISSING,
    EventReason.POOL_REFUSED,
    EventReason.STANDBY_FAILED,
    EventReason.OFFERING_RESTS,
    EventReason.NODES_LEAVING,
)

TEXTS: Mapping[EventReason, str] = {
    EventReason.SCALED_UP: "{explanation}",
    EventReason.SCALED_DOWN: "{explanation}",
    EventReason.WOULD_SCALE: "{explanation}",  # mode Shadow
    EventReason.PREPARED: "Preparing more nodes: {count}. {explanation}",
    EventReason.RELEASED: "Released {names}. {explanation}",
    EventReason.CAPPED: "Nodes not prepared, because a limit on balloons is reached: {count}. To allow more, raise --max-balloons or"
    " --max-balloons-per-namespace.",
    EventReason.BALLOON_FAILED: "{problem}",
    EventReason.FETCH_FAILED: "{problem}",  # of an image or of weights to a node
    EventReason.REPLICAS_REFUSED: "{refused}",
    EventReason.TARGET_FAILED: "{problem}",
    EventReason.METRICS_UNREAD: "{problem}",
    EventReason.METRICS_READ: "{message}",
    EventReason.COLD_START_LEARNED: "{message}",
    EventReason.STAGE_SLOW: "Pod {pod} started more slowly than others here: {stage} took {took}, where {p50} is usual, and at"
    " most {p95} in 19 of 20 starts.",
    EventReason.STAGE_FAST: "Pod {pod} started faster than others here: {stage} took {took}, where {p50} is usual.",
    EventReason.POOL_MISSING: "{problem}",
    EventReason.POOL_REFUSED: "{refused}",
    EventReason.POOL_GRANTED: "Pool {pool} grants what is asked for again.",
    EventReason.STANDBY_HEDGED: "Asking {offering} for a standby node, since {late} gave none in time; what was asked of it stays.",
    EventReason.STANDBY_FAILED: "{problem}",
    EventReason.OFFERING_RESTS: "{offering} had no node to give, so it is asked for none for {rest}.",
    EventReason.OFFERING_RETURNED: "{offering} has nodes again.",
    EventReason.NODES_LEAVING: "Nodes with replicas of members that were given notice: {count}. As many standby nodes are held for"
    " them, as far as the limits allow.",
    EventReason.STATE_REFUSED: "The saved state cannot be used: {problem}. The file is kept with .bad added to its name, and"
    " replicas are not lowered for the first {hold}.",
}


@dataclass(frozen=True, slots=True)
class _Subject:
    """What an Event is about."""

    kind: str
    namespace: str  # empty for an object without one
    name: str
    uid: str

    @classmethod
    def of(cls, about: Workload | GpuPool) -> Self:
        if isinstance(about, GpuPool):
            return cls(GPU_POOL.name, "", about.name, about.uid)
        return cls(SCALING_POLICY.name, about.namespace, about.name, about.uid)

    @property
    def key(self) -> str:
        """namespace/name; of a pool, its name alone."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @property
    def event_namespace(self) -> str:
        """Where its Events are."""
        return self.namespace or NO_NAMESPACE


@dataclass
class _Series:
    """One policy's or pool's Events for one reason: those held back are counted in the next that is written."""

    sent_seconds: float | None = None
    held_back: int = 0
    first_seconds: float = 0.0


@dataclass
class _Bucket:
    """Fills at a rate, up to a size; each Event takes one."""

    size: float
    per_second: float
    held: float
    filled_seconds: float

    def fill(self, now_seconds: float) -> float:
        """What it holds now."""
        passed_seconds, self.filled_seconds = now_seconds - self.filled_seconds, now_seconds
        self.held = min(self.size, self.held + passed_seconds * self.per_second)
        return self.held


@dataclass
class Events:
    """Writes Events: one per policy or pool and reason a minute; at most 25 at once and 1/s in a namespace, 100 and 10/s in all."""

    kube: Kube
    clock: Clock
    _series: dict[tuple[str, EventReason], _Series] = field(default_factory=dict)
    _of_namespace: dict[str, _Bucket] = field(default_factory=dict)  # those that are not full
    _of_all: _Bucket = field(init=False)
    _unwritten: set[str] = field(default_factory=set)  # namespaces where none could be written, which was logged

    def __post_init__(self) -> None:
        self._of_all = _Bucket(BURST_OF_ALL, EVENTS_PER_SECOND_OF_ALL, BURST_OF_ALL, self.clock.now())

    async def emit(self, about: Workload | GpuPool, reason: EventReason, **values: object) -> bool:
        """Write an Event, its text filled with `values`, unless it is held back. Whether it was written; never raises."""
        now_seconds, subject = self.clock.now(), _Subject.of(about)
        namespace = subject.event_namespace
        series = self._series.setdefault((subject.key, reason), _Series())
        if not series.held_back:
            series.first_seconds = now_seconds
        too_soon = series.sent_seconds is not None and now_seconds - series.sent_seconds < QUIET_SECONDS
        if too_soon or not self._take(namespace, now_seconds):
            series.held_back += 1
            return False
        event = _event(subject, reason, TEXTS[reason].format(**values), series, now_seconds)
        series.sent_seconds, series.held_back = now_seconds, 0
        try:
            await self.kube.create(collection.events(namespace).path, event)
        except KubeError as error:
            if namespace not in self._unwritten:
                self._unwritten.add(namespace)
                _log.warning("event.not_written", about=subject.key, error=str(error))
            return False
        self._unwritten.discard(namespace)
        return True

    def forget(self, policy: str) -> None:
        """Forget a policy (namespace/name) or a pool (its name) that is gone."""
        for key in [key for key in self._series if key[0] == policy]:
            del self._series[key]

    def _take(self, namespace: str, now_seconds: float) -> bool:
        others = {name: each for name, each in self._of_namespace.items() if each.fill(now_seconds) < each.size}
        own = others.get(namespace) or _Bucket(BURST, EVENTS_PER_SECOND, BURST, now_seconds)
        self._of_namespace = others | {namespace: own}
        if own.held < 1.0 or (own.held < own.size and self._of_all.fill(now_seconds) < 1.0):
            return False
        own.held -= 1.0
        self._of_all.held = max(0.0, self._of_all.held - 1.0)
        return True


def _event(
    subject: _Subject, reason: EventReason, message: str, series: _Series, now_seconds: float
) -> dict[str, object]:
    unique = hashlib.sha256(f"{subject.uid} {reason} {now_seconds!r}".encode()).hexdigest()[:16]
    about = {
        "apiVersion": API_VERSION,
        "kind": subject.kind,
        "namespace": subject.namespace,
        "name": subject.name,
        "uid": subject.uid,
    }
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{subject.name[:236]}.{unique}", "namespace": subject.event_namespace},
        "involvedObject": {name: value for name, value in about.items() if value},
        "type": "Warning" if reason in WARNINGS else "Normal",
        "reason": reason.value,
        "message": message[:MESSAGE_LIMIT],
        "count": series.held_back + 1,
        "firstTimestamp": timestamp(series.first_seconds),
        "lastTimestamp": timestamp(now_seconds),
        "source": {"component": "outrider"},
        "reportingComponent": "outrider",
    }
