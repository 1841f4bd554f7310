"""KEDA's Prometheus trigger and the HPA behind it, on a metric of vLLM: the seeds' reactive ScaledObject, and a tuned one."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from policies.model import PodSample
from replay.contenders.contender import Periodic
from replay.contenders.view import View
from replay.sim.agenda import aligned
from replay.sim.hpa import SYNC_PHASE_SECONDS, SYNC_SECONDS, Behavior, Hpa, HpaPolicy, Rules, Unit

PROMETHEUS_SECONDS = 15.0  # its scrape interval
PROMETHEUS_PHASE_SECONDS = 3.0

# +2 pods / 60 s, -1 pod / 120 s, windows 30 s and 300 s.
REACTIVE = Behavior(
    up=Rules(30.0, (HpaPolicy(Unit.PODS, 2, 60.0),)), down=Rules(300.0, (HpaPolicy(Unit.PODS, 1, 120.0),))
)
# Up as fast as the HPA goes; down after 300 s, which is the HPA's default. Tolerance 5 % instead of 10 %.
TUNED = Behavior(
    up=Rules(0.0, (HpaPolicy(Unit.PERCENT, 100, 15.0), HpaPolicy(Unit.PODS, 4, 15.0)), tolerance=0.05),
    down=Rules(300.0, (HpaPolicy(Unit.PERCENT, 100, 15.0),), tolerance=0.05),
)


@dataclass
class HpaOnMetric:
    """A ScaledObject with one Prometheus trigger of metricType AverageValue. `metric` is summed over all pods.

    `scheduled` are the replicas that its cron triggers ask for at a time.
    """

    name: str
    metric: Callable[[PodSample], float]
    target: float  # of the metric, per replica
    behavior: Behavior
    min_replicas: int
    max_replicas: int
    scheduled: Callable[[float], int] = lambda _now: 0

    def attach(self, view: View) -> Sequence[Periodic]:
        """Take control of a cluster."""
        self._view = view
        self._usage: float | None = None
        self._hpa = Hpa(self.min_replicas, self.max_replicas, self.behavior)
        start = view.now_seconds
        return (
            Periodic(aligned(start, PROMETHEUS_SECONDS, PROMETHEUS_PHASE_SECONDS), PROMETHEUS_SECONDS, self._scrape),
            Periodic(aligned(start, SYNC_SECONDS, SYNC_PHASE_SECONDS), SYNC_SECONDS, self._sync),
        )

    def _scrape(self, _now_seconds: float) -> None:
        self._usage = total(self.metric, self._view.samples())

    def _sync(self, now_seconds: float) -> None:
        # Of several metrics the HPA takes the one that asks for most: the same as the larger of two usages.
        usage = None if self._usage is None else max(self._usage, self.scheduled(now_seconds) * self.target)
        follow(self._view, self._hpa, now_seconds, usage, self.target)


def follow(view: View, hpa: Hpa, now_seconds: float, usage: float | None, target: float) -> None:
    """One sync of the HPA, and what it writes to the scale target. `usage` is its metric; None where it has none."""
    status = sum(1 for pod in view.pods() if not pod.terminating)
    view.scale(hpa.sync(now_seconds, view.spec_replicas, status, usage, target))


def total(metric: Callable[[PodSample], float], samples: Iterable[PodSample]) -> float | None:
    """The sum over the pods; None where Prometheus would have no series at all."""
    values = [metric(sample) for sample in samples]
    return sum(values) if values else None


def reactive(min_replicas: int, max_replicas: int, scheduled: Callable[[float], int] = lambda _now: 0) -> HpaOnMetric:
    """`sum(vllm:num_requests_waiting)`, 10 waiting per replica."""
    return HpaOnMetric(
        "reactive", lambda pod: pod.waiting or 0.0, 10.0, REACTIVE, min_replicas, max_replicas, scheduled
    )


def tuned(
    target: float, min_replicas: int, max_replicas: int, scheduled: Callable[[float], int] = lambda _now: 0
) -> HpaOnMetric:
    """`sum(vllm:num_requests_running + vllm:num_requests_waiting)`, `target` in flight per replica."""
    return HpaOnMetric(
        f"HPA {target:g} in flight",
        lambda pod: (pod.running or 0.0) + (pod.waiting or 0.0),
        target,
        TUNED,
        min_replicas,
        max_replicas,
        scheduled,
    )
