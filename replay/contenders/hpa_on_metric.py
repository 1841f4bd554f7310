"""KEDA's Prometheus trigger and the HPA behind it, on a metric of vLLM."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from crds.schedules import windows
from crds.workload import Workload
from replay.contenders.contender import Periodic
from replay.contenders.view import View
from replay.sim.agenda import aligned
from replay.sim.hpa import SYNC_PHASE_SECONDS, SYNC_SECONDS, Behavior, Hpa, HpaPolicy, Rules, Unit

PROMETHEUS_SECONDS = 15.0  # its scrape interval
PROMETHEUS_PHASE_SECONDS = 3.0

# Up as fast as the HPA goes; down after 300 s, which is the HPA's default. Tolerance 5 % instead of 10 %.
UP_AT_ONCE = Behavior(
    up=Rules(0.0, (HpaPolicy(Unit.PERCENT, 100, 15.0), HpaPolicy(Unit.PODS, 4, 15.0)), tolerance=0.05),
    down=Rules(300.0, (HpaPolicy(Unit.PERCENT, 100, 15.0),), tolerance=0.05),
)

# A query, evaluated right after each scrape; None: no series. It may remember what was scraped before.
Metric = Callable[[View], float | None]


def sum_of(*gauges: str) -> Metric:
    """The sum of these fields of a PodSample over all pods."""
    return lambda view: view.readings().total(*gauges)


@dataclass
class HpaOnMetric:
    """A ScaledObject with one Prometheus trigger of metricType AverageValue.

    The bounds are those of the workload's policy, and a cron trigger stands for each of its schedules.
    """

    workload: Workload
    metric: Metric
    target: float  # of the metric, per replica
    behavior: Behavior

    def attach(self, view: View) -> Sequence[Periodic]:
        """Take control of a cluster."""
        policy, start = self.workload.policy, view.now_seconds
        self._view = view
        self._usage: float | None = None
        self._hpa = Hpa(policy.min_replicas, policy.max_replicas, self.behavior)
        return (
            Periodic(aligned(start, PROMETHEUS_SECONDS, PROMETHEUS_PHASE_SECONDS), PROMETHEUS_SECONDS, self._scrape),
            Periodic(aligned(start, SYNC_SECONDS, SYNC_PHASE_SECONDS), SYNC_SECONDS, self._sync),
        )

    def _scrape(self, _now_seconds: float) -> None:
        self._usage = self.metric(self._view)

    def _sync(self, now_seconds: float) -> None:
        # Of several metrics the HPA takes the one that asks for most: the same as the larger of two usages.
        usage = None if self._usage is None else max(self._usage, scheduled(self.workload, now_seconds) * self.target)
        follow(self._view, self._hpa, now_seconds, usage, self.target)


def scheduled(workload: Workload, now_seconds: float) -> int:
    """What the cron triggers of a workload's schedules ask for: they begin on time, not ahead of it."""
    open_now = windows(workload.schedules, now_seconds, 1.0)
    return max((window.min_replicas for window in open_now), default=0)


def follow(view: View, hpa: Hpa, now_seconds: float, usage: float | None, target: float) -> None:
    """One sync of the HPA, and what it writes to the scale target. `usage` is its metric; None where it has none."""
    view.scale(hpa.sync(now_seconds, view.spec_replicas, view.status_replicas, usage, target))
