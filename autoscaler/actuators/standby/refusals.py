"""What the node autoscalers say in Events of standby pods: that no node can be had for one, or that one is on its way."""

from collections.abc import Collection
from dataclasses import dataclass

from autoscaler.kube.causes import brief
from autoscaler.kube.objects import Object, seconds

_MOST = 1000  # pods that are remembered
_COMING = ("Nominated", "TriggeredScaleUp")  # of Karpenter, and of the Cluster Autoscaler
_KARPENTER = "Failed to schedule pod"  # how its FailedScheduling begins; the scheduler's own says nothing of new nodes


@dataclass(frozen=True, slots=True)
class Refusal:
    """A node that cannot be had."""

    at_seconds: float
    cause: str


class Refusals:
    """By the uid of the pod, the last that was said of it."""

    def __init__(self) -> None:
        self._last: dict[str, Refusal | None] = {}

    def saw(self, event: Object, now_seconds: float) -> None:
        """Take an Event."""
        about = str((event.get("involvedObject") or {}).get("uid") or "")
        reason, message = event.get("reason"), str(event.get("message") or "")
        refused = reason == "NotTriggerScaleUp" or (reason == "FailedScheduling" and message.startswith(_KARPENTER))
        if not about or not (refused or reason in _COMING):
            return
        at_seconds = seconds(event.get("lastTimestamp") or event.get("eventTime")) or now_seconds
        self._last.pop(about, None)
        self._last[about] = Refusal(at_seconds, brief(message)) if refused else None
        while len(self._last) > _MOST:
            del self._last[next(iter(self._last))]

    def of(self, pod_uid: str) -> Refusal | None:
        """Why no node can be had for a pod, if that is what was said last."""
        return self._last.get(pod_uid)

    def keep(self, pod_uids: Collection[str]) -> None:
        """Forget all but these pods."""
        self._last = {uid: last for uid, last in self._last.items() if uid in pod_uids}
