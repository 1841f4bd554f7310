"""The HPA's arithmetic for one External metric of type AverageValue, and its sync period.

Follows kube-controller-manager: computed in thousandths; inside the tolerance it answers with the pods that exist, else
with ceil(usage / target); then the stabilization windows, then the policies, then the bounds. Without a `Behavior` the
older rules hold: down after five minutes, up to max(2 * current, 4) at a time.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

SYNC_SECONDS = 15.0  # --horizontal-pod-autoscaler-sync-period
SYNC_PHASE_SECONDS = 5.0  # not in step with the scrapes
TOLERANCE = 0.1  # --horizontal-pod-autoscaler-tolerance
LONGEST_PERIOD_SECONDS = 1800.0


class Unit(StrEnum):
    """What a policy's value counts."""

    PODS = "Pods"
    PERCENT = "Percent"


class Select(StrEnum):
    """Which of several policies counts: the one that changes most, least, or none."""

    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


@dataclass(frozen=True, slots=True)
class HpaPolicy:
    """A limit on change: pods or percent of them per period."""

    unit: Unit
    value: int
    period_seconds: float


@dataclass(frozen=True, slots=True)
class Rules:
    """One direction of a behavior. `tolerance=None` leaves the cluster's."""

    stabilization_seconds: float
    policies: tuple[HpaPolicy, ...]
    select: Select = Select.MAX
    tolerance: float | None = None


@dataclass(frozen=True, slots=True)
class Behavior:
    """Both directions; by default what the API server fills in where a behavior is given at all."""

    up: Rules = Rules(0.0, (HpaPolicy(Unit.PODS, 4, 15.0), HpaPolicy(Unit.PERCENT, 100, 15.0)))
    down: Rules = Rules(300.0, (HpaPolicy(Unit.PERCENT, 100, 15.0),))


@dataclass
class Hpa:
    """One HorizontalPodAutoscaler with its memory."""

    min_replicas: int
    max_replicas: int
    behavior: Behavior | None = None
    tolerance: float = TOLERANCE
    _recommendations: list[tuple[float, int]] = field(default_factory=list)
    _changes: list[tuple[float, int]] = field(default_factory=list)  # (time, replicas added)

    def sync(
        self, now_seconds: float, spec_replicas: int, status_replicas: int, usage: float | None, target: float
    ) -> int:
        """One reconcile: the new spec.replicas. `usage=None` is a failed fetch, which changes nothing.

        `status_replicas` counts the pods that exist, ready or not. At 0 replicas the HPA is disabled.
        """
        if not self._recommendations:
            self._recommendations.append((now_seconds, spec_replicas))
        if spec_replicas == 0:
            return 0
        if not self.min_replicas <= spec_replicas <= self.max_replicas:
            desired = min(max(spec_replicas, self.min_replicas), self.max_replicas)
        elif usage is None:
            return spec_replicas
        else:
            proposal = self._proposal(status_replicas, usage, target)
            desired = self._normalized(now_seconds, spec_replicas, proposal)
        if desired != spec_replicas:
            kept = _since(self._changes, now_seconds - LONGEST_PERIOD_SECONDS)
            self._changes = [*kept, (now_seconds, desired - spec_replicas)]
        return desired

    def _proposal(self, status_replicas: int, usage: float, target: float) -> int:
        usage_milli, target_milli = round(usage * 1000), round(target * 1000)
        if status_replicas > 0:
            ratio = usage_milli / (target_milli * status_replicas)
            down, up = self._tolerances()
            if 1.0 - down <= ratio <= 1.0 + up:
                return status_replicas
        return -(-usage_milli // target_milli)

    def _tolerances(self) -> tuple[float, float]:
        rules = (self.behavior.down, self.behavior.up) if self.behavior else (None, None)
        down, up = (self.tolerance if rule is None or rule.tolerance is None else rule.tolerance for rule in rules)
        return down, up

    def _normalized(self, now_seconds: float, current: int, proposal: int) -> int:
        if self.behavior is None:
            return self._plain(now_seconds, current, proposal)
        up, down = self.behavior.up, self.behavior.down
        recent = self._recommendations
        lowest = min([proposal, *(n for _, n in _since(recent, now_seconds - up.stabilization_seconds))])
        highest = max([proposal, *(n for _, n in _since(recent, now_seconds - down.stabilization_seconds))])
        longest_seconds = max(up.stabilization_seconds, down.stabilization_seconds)
        self._recommendations = [*_since(recent, now_seconds - longest_seconds), (now_seconds, proposal)]
        stable = min(max(current, lowest), highest)
        if stable > current:
            ceiling = max(self._limit(up, now_seconds, current, growing=True), current)
            return min(stable, ceiling, self.max_replicas)
        floor = min(self._limit(down, now_seconds, current, growing=False), current)
        return max(stable, floor, self.min_replicas)

    def _plain(self, now_seconds: float, current: int, proposal: int) -> int:
        """Without a behavior. Here, unlike there, a recommendation of just five minutes' age still counts."""
        kept = [entry for entry in self._recommendations if entry[0] >= now_seconds - 300.0]
        self._recommendations = [*kept, (now_seconds, proposal)]
        highest = max(n for _, n in self._recommendations)
        return max(min(highest, self.max_replicas, max(2 * current, 4)), self.min_replicas)

    def _limit(self, rules: Rules, now_seconds: float, current: int, *, growing: bool) -> int:
        """How far the policies let it go, from what there was when each one's period began."""
        if rules.select is Select.DISABLED:
            return current
        limits: list[int] = []
        for policy in rules.policies:
            start = current - sum(n for _, n in _since(self._changes, now_seconds - policy.period_seconds))
            change = policy.value if growing else -policy.value
            if policy.unit is Unit.PODS:
                limits.append(start + change)
            else:
                limit = start * (1 + change / 100)
                limits.append(math.ceil(limit) if growing else int(limit))
        most = rules.select is Select.MAX
        return max(limits) if most is growing else min(limits)


def _since(entries: Iterable[tuple[float, int]], cutoff_seconds: float) -> list[tuple[float, int]]:
    return [entry for entry in entries if entry[0] > cutoff_seconds]
