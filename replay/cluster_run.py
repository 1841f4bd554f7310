"""Runs one contender against one simulated cluster of several workloads."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from replay.contenders.cluster_view import ClusterView
from replay.contenders.contender import Periodic
from replay.driver import Outcome, play_duties
from replay.scenario.cluster import ClusterScenario
from replay.sim.cluster import Cluster
from replay.sim.views import ClusterScore


class ClusterContender(Protocol):
    """What scales all workloads of a cluster."""

    def attach(self, view: ClusterView) -> Sequence[Periodic]:
        """Take control of a cluster; of two that are due together, the first in the list acts first."""


@dataclass(frozen=True, slots=True)
class ClusterOutcome:
    """One contender's run. Workloads are by name, and each one's attainment is that of its own SLO."""

    score: ClusterScore
    workloads: Mapping[str, Outcome]

    @property
    def macro(self) -> float:
        """The mean of the workloads' attainments, each counting the same."""
        return sum(each.attainment for each in self.workloads.values()) / len(self.workloads)

    @property
    def worst(self) -> float:
        """The least of the workloads' attainments."""
        return min(each.attainment for each in self.workloads.values())


def run(
    scenario: ClusterScenario,
    contender: ClusterContender,
    slo_wait_seconds: Mapping[str, float],
    progress: Callable[[float], None] = lambda _share: None,
    look: Callable[[Cluster], None] = lambda _cluster: None,
) -> ClusterOutcome:
    """Play the scenario to its end. `slo_wait_seconds` is by workload; `progress` is called with the share that is done.

    `look` is called with the cluster at the end: what a benchmark asks of it is no contender's business.
    """
    cluster = Cluster(scenario)
    duties = list(contender.attach(ClusterView(cluster, [each.name for each in scenario.workloads])))
    play_duties(cluster, duties, scenario.start_seconds, scenario.duration_seconds, progress)
    look(cluster)
    score = cluster.score()
    return ClusterOutcome(
        score,
        {
            name: Outcome(each, cluster.workload(name).share_within(slo_wait_seconds[name]))
            for name, each in score.workloads
        },
    )
