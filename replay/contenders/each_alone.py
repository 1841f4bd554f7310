"""Several workloads on one cluster, each scaled by a contender of its own that knows nothing of the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from policies.pool import Claim, StandbyPhase, Step
from replay.contenders.cluster_view import ClusterView
from replay.contenders.contender import Contender, Periodic
from replay.contenders.standby import StandbyNodes
from replay.sim.agenda import aligned

STANDBY_SECONDS = 15.0
STANDBY_PHASE_SECONDS = 7.0


@dataclass
class EachAlone:
    """One contender for each workload of the cluster, and beside them `standby` nodes at all times.

    Standby nodes come from the first offering in which no create was refused for `RETRY_SECONDS`; those that exist elsewhere
    count as well. With `fills`, images and weights of all workloads are fetched onto them.
    """

    contenders: Mapping[str, Contender]
    standby: int = 0
    fills: bool = False

    def attach(self, view: ClusterView) -> Sequence[Periodic]:
        """Take control of a cluster."""
        self._view, start = view, view.now_seconds
        self._nodes = StandbyNodes(view)
        duties = [duty for name, each in self.contenders.items() for duty in each.attach(view.workloads[name])]
        if self.standby:
            first = aligned(start, STANDBY_SECONDS, STANDBY_PHASE_SECONDS)
            duties.append(Periodic(first, STANDBY_SECONDS, self._hold))
        return duties

    def _hold(self, now_seconds: float) -> None:
        offerings = self._view.offerings()
        able = [
            each.name
            for each in offerings
            if each.refused_seconds is None or now_seconds - each.refused_seconds > RETRY_SECONDS
        ] or [offerings[-1].name]
        there = {each.name: 0 for each in offerings}
        for unit in self._view.standby():
            if unit.node is not None or unit.offering == able[0]:
                there[unit.offering] += unit.phase is not StandbyPhase.LEAVING
        missing = self.standby - sum(there.values())
        there[able[0]] = max(0, there[able[0]] + missing)
        self._nodes.hold([Claim(name, nodes, Step.FIRST) for name, nodes in there.items()])
        if self.fills:
            self._nodes.fill(dict.fromkeys(self.contenders, True))


RETRY_SECONDS = 180.0
