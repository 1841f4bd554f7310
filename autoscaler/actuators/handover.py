"""Making way for replicas that are refused: how many balloons still have to go, while the refusal lasts.

A ReplicaSet tries again after as long as it has been refused, so a balloon that went does not show at once. One for each
replica goes first; if that has not helped, all go. The same where preemption does not work, whatever keeps it from it: a
replica waits for a node beside a balloon that has one.
"""

from dataclasses import dataclass

from autoscaler.actuators.base import Refused
from autoscaler.kube.objects import Key

RETRY_SECONDS = 20.0  # after which those that went have not helped
STALLED_SECONDS = 30.0  # preemption takes a few
ALL = 1_000_000


@dataclass(slots=True)
class _Refusal:
    since_seconds: float
    replicas: int
    made_way: int = 0


class Handovers:
    """By policy, while its replicas are refused."""

    def __init__(self) -> None:
        self._refusals: dict[Key, _Refusal] = {}
        self._waiting: dict[Key, float] = {}  # since when replicas of a policy wait beside its balloons

    def note(self, policy: Key, refused: Refused | None, now_seconds: float) -> None:
        """Take whether replicas of a policy are refused now."""
        if refused is None:
            self._refusals.pop(policy, None)
        else:
            self._refusals.setdefault(policy, _Refusal(now_seconds, 0)).replicas = refused.replicas

    def wanted(self, policy: Key, now_seconds: float) -> int:
        """How many balloons still have to go for a policy."""
        refusal = self._refusals.get(policy)
        if refusal is None:
            return 0
        if now_seconds - refusal.since_seconds >= RETRY_SECONDS:
            return ALL
        return max(0, refusal.replicas - refusal.made_way)

    def stalled(self, policy: Key, waiting: int, now_seconds: float) -> int:
        """How many of the replicas that wait for a node, each beside a balloon that has one, have waited too long."""
        if not waiting:
            self._waiting.pop(policy, None)
            return 0
        since_seconds = self._waiting.setdefault(policy, now_seconds)
        return waiting if now_seconds - since_seconds >= STALLED_SECONDS else 0

    def made_way(self, policy: Key, balloons: int) -> None:
        """So many went."""
        if policy in self._refusals:
            self._refusals[policy].made_way += balloons
