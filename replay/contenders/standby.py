"""Standby nodes of a simulated cluster: made and let go as a plan says, with the members' images and weights on them."""

from collections.abc import Mapping, Sequence
from itertools import count

from policies.pool import Claim, StandbyPhase, StandbyUnit
from replay.contenders.cluster_view import ClusterView

DEADLINE_SECONDS = 1800.0
_FIRST_TO_GO = (
    StandbyPhase.REFUSED,
    StandbyPhase.WAITING,
    StandbyPhase.REQUESTED,
    StandbyPhase.STARTING,
    StandbyPhase.READY,
)


class StandbyNodes:
    """Holds as many as are claimed, and has the workloads' images and weights fetched onto them."""

    def __init__(self, view: ClusterView) -> None:
        self._view = view
        self._names = (f"standby-{number}" for number in count())

    def hold(self, claims: Sequence[Claim]) -> None:
        """Bring each offering to its number of nodes. Of those that go, the ones without a node go first."""
        units: dict[str, list[StandbyUnit]] = {claim.offering: [] for claim in claims}
        for unit in self._view.standby():
            if unit.phase is not StandbyPhase.LEAVING:
                units.setdefault(unit.offering, []).append(unit)
        wanted = {claim.offering: claim.nodes for claim in claims}
        for offering, held in units.items():
            missing = wanted.get(offering, 0) - len(held)
            held.sort(key=lambda unit: (_FIRST_TO_GO.index(unit.phase), -unit.requested_seconds))
            for unit in held[: max(0, -missing)]:
                self._view.delete_standby(unit.name)
            for _ in range(missing):
                self._view.create_standby(next(self._names), offering, DEADLINE_SECONDS)

    def fill(self, workloads: Mapping[str, bool]) -> None:
        """Have the images of these fetched onto each node, the first of them first, with the weights where it says so."""
        for unit in self._view.standby():
            if unit.node is not None and unit.phase in (StandbyPhase.STARTING, StandbyPhase.READY):
                there = self._view.pulled(unit.node)
                for name, weights in workloads.items():
                    if name not in there:
                        self._view.pull(unit.node, name, weights=weights)
