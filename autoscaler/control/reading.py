"""Watches whether a policy's metrics can be read: which pods do not count, for how long, and what their source reported.

Not here: the sentences (`reporting.readings`), and what a reading is worth (`policies`).
"""

import math
from weakref import WeakKeyDictionary

from autoscaler.clock import Clock
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.kube.objects import Key
from autoscaler.reporting.readings import Fault, Readings
from autoscaler.sources.errors import SourceError
from autoscaler.sources.prometheus import Prometheus
from autoscaler.sources.scrape import Scraper
from policies.model import Verdict
from policies.signals import FAULTS
from policies.supply import Role, Supply

LASTING_SECONDS = 30.0  # two grid steps: a pod that is just ready, or one slow answer, is no fault

_SOURCE = (Verdict.UNREAD, Verdict.STALE)  # the source says why


class ReadingWatch:
    """Offers each runtime how its sources stand."""

    def __init__(self, scraper: Scraper, prometheus: Prometheus | None, clock: Clock) -> None:
        self._scraper = scraper
        self._prometheus = prometheus
        self._clock = clock
        self._since: WeakKeyDictionary[PolicyRuntime, dict[str, float]] = WeakKeyDictionary()

    async def run(self, runtime: PolicyRuntime) -> None:
        """Look at one policy's pods."""
        now_seconds = self._clock.now()
        if runtime.transport_due_seconds == -math.inf:  # the policy was edited just now: the pods are asked soon
            return
        supply = runtime.supply(now_seconds)
        if supply is None:
            runtime.offer_readings(None)
            return
        found = self._faults(runtime, supply)
        before = self._since.get(runtime, {})
        since = self._since[runtime] = {pod: before.get(pod, now_seconds) for pod in found}
        lasting = [pod for pod in sorted(found) if now_seconds - since[pod] >= LASTING_SECONDS]
        unanswered = self._prometheus.unanswered if self._prometheus else None
        runtime.offer_readings(
            Readings(
                ready=len(supply.ready),
                faults=tuple(found[pod] for pod in lasting),
                problem=str(runtime.transport)
                if isinstance(runtime.transport, SourceError)
                else _unselected(runtime, supply),
                prometheus_problem=str(unanswered) if unanswered else "",
            )
        )

    def _faults(self, runtime: PolicyRuntime, supply: Supply) -> dict[str, Fault]:
        demand = runtime.result.demand if runtime.result else None
        verdicts = {each.pod: each.verdict for each in (demand.readings if demand else ())}
        for pod in supply.ready:
            if self._key(runtime, pod) not in self._scraper.latest and pod not in runtime.filled:
                verdicts[pod] = Verdict.UNREAD
        return {pod: self._fault(runtime, pod, verdict) for pod, verdict in verdicts.items() if verdict in FAULTS}

    def _fault(self, runtime: PolicyRuntime, pod: str, verdict: Verdict) -> Fault:
        problem = self._scraper.problems.get(self._key(runtime, pod)) if verdict in _SOURCE else None
        return Fault(pod, verdict, str(problem), problem.kind) if problem else Fault(pod, verdict)

    @staticmethod
    def _key(runtime: PolicyRuntime, pod: str) -> Key:
        return Key(runtime.workload.namespace, pod)


def _unselected(runtime: PolicyRuntime, supply: Supply) -> str:
    wanted = runtime.workload.endpoint.pod_labels
    if not wanted or not supply.spec_replicas or any(unit.role is Role.REPLICA for unit in supply.units):
        return ""
    named = ", ".join(f"{name}={value}" for name, value in wanted)
    return f"no pod of the target has the labels {named}; correct spec.metrics.podSelector"
