"""Core Events on policies: what `kubectl describe` shows. Losing one is no failure; flooding the API server is.

Not here: when something is worth an Event (`reporter`), and why a number was decided (`policies.explain`).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from autoscaler.clock import Clock
from autoscaler.kube import collection
from autoscaler.kube.client import Kube
from autoscaler.kube.errors import KubeError
from crds.kinds import SCALING_POLICY
from crds.notation.timestamps import timestamp
from crds.v1alpha1.resource import API_VERSION
from crds.workload import Workload

QUIET_SECONDS = 60.0  # between two Events of one policy for one reason
BURST = 25.0  # Events at once, of all policies together
EVENTS_PER_SECOND = 1.0
MESSAGE_LIMIT = 1024  # characters, as the API has it


class EventReason(StrEnum):
    """Why an Event is written."""

    SCALED_UP = "ScaledUp"
    SCALED_DOWN = "ScaledDown"
    WOULD_SCALE = "WouldScale"
    PREPARED = "PreparingNode"
    RELEASED = "ReleasedNode"
    CAPPED = "BalloonCap"
    BALLOON_FAILED = "BalloonFailed"
    REPLICAS_REFUSED = "ReplicasRefused"
    TARGET_FAILED = "TargetFailed"
    STATE_REFUSED = "StateRefused"


WARNINGS = (
    EventReason.CAPPED,
    EventReason.BALLOON_FAILED,
    EventReason.REPLICAS_REFUSED,
    EventReason.TARGET_FAILED,
    EventReason.STATE_REFUSED,
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
    EventReason.REPLICAS_REFUSED: "{refused}",
    EventReason.TARGET_FAILED: "{problem}",
    EventReason.STATE_REFUSED: "The saved state cannot be used: {problem}. The file is kept with .bad added to its name, and"
    " replicas are not lowered for the first {hold}.",
}


@dataclass
class _Series:
    """One policy's Events for one reason: those held back are counted in the next that is written."""

    sent_seconds: float | None = None
    held_back: int = 0
    first_seconds: float = 0.0


@dataclass
class Events:
    """Writes Events: one per policy and reason a minute, at most 25 at once and one a second of all together."""

    kube: Kube
    clock: Clock
    _series: dict[tuple[str, EventReason], _Series] = field(default_factory=dict)
    _tokens: float = BURST
    _filled_seconds: float | None = None

    async def emit(self, workload: Workload, reason: EventReason, **values: object) -> bool:
        """Write an Event, its text filled with `values`, unless it is held back. Whether it was written; never raises."""
        now_seconds = self.clock.now()
        series = self._series.setdefault((workload.policy.name, reason), _Series())
        if not series.held_back:
            series.first_seconds = now_seconds
        too_soon = series.sent_seconds is not None and now_seconds - series.sent_seconds < QUIET_SECONDS
        if too_soon or not self._take(now_seconds):
            series.held_back += 1
            return False
        event = _event(workload, reason, TEXTS[reason].format(**values), series, now_seconds)
        series.sent_seconds, series.held_back = now_seconds, 0
        try:
            await self.kube.create(collection.events(workload.namespace).path, event)
        except KubeError:
            return False
        return True

    def forget(self, policy: str) -> None:
        """Forget a policy that is gone."""
        for key in [key for key in self._series if key[0] == policy]:
            del self._series[key]

    def _take(self, now_seconds: float) -> bool:
        passed_seconds = now_seconds - (self._filled_seconds if self._filled_seconds is not None else now_seconds)
        self._filled_seconds = now_seconds
        self._tokens = min(BURST, self._tokens + passed_seconds * EVENTS_PER_SECOND)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


def _event(
    workload: Workload, reason: EventReason, message: str, series: _Series, now_seconds: float
) -> dict[str, object]:
    unique = hashlib.sha256(f"{workload.uid} {reason} {now_seconds!r}".encode()).hexdigest()[:16]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{workload.name[:236]}.{unique}", "namespace": workload.namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": SCALING_POLICY.name,
            "namespace": workload.namespace,
            "name": workload.name,
            "uid": workload.uid,
        },
        "type": "Warning" if reason in WARNINGS else "Normal",
        "reason": reason.value,
        "message": message[:MESSAGE_LIMIT],
        "count": series.held_back + 1,
        "firstTimestamp": timestamp(series.first_seconds),
        "lastTimestamp": timestamp(now_seconds),
        "source": {"component": "outrider"},
        "reportingComponent": "outrider",
    }
