"""What a contender sees of a simulated cluster with several workloads, and what it may do to it."""

from collections.abc import Mapping, Sequence

from policies.pool import StandbyUnit
from replay.contenders.view import View
from replay.sim.cluster import Cluster
from replay.sim.views import NodeView, OfferingView


class ClusterView:
    """A cluster as one contender may know it: the view of each workload, the nodes that all share, and the offerings.

    As with `View`, nothing public leads to the traffic, to what became of it, or to what the hardware really is.
    """

    def __init__(self, cluster: Cluster, workloads: Sequence[str]) -> None:
        self._cluster = cluster
        self.workloads: Mapping[str, View] = {name: View(cluster.workload(name)) for name in workloads}

    @property
    def now_seconds(self) -> float:
        """Unix time."""
        return self._cluster.now_seconds

    def nodes(self) -> tuple[NodeView, ...]:
        """All GPU nodes, from their launch on, oldest first."""
        return self._cluster.nodes()

    def offerings(self) -> tuple[OfferingView, ...]:
        """What the node autoscaler's objects and Events show of each offering."""
        return self._cluster.offerings()

    def standby(self) -> tuple[StandbyUnit, ...]:
        """The standby nodes that were asked for and that no replica took, oldest first."""
        return self._cluster.standby()

    def create_standby(self, name: str, offering: str, deadline_seconds: float) -> None:
        """Ask an offering for a whole node, for at most `deadline_seconds` from now. Raises ValueError for a name in use."""
        self._cluster.create_standby(name, offering, deadline_seconds)

    def delete_standby(self, name: str) -> None:
        """Let a standby node go. Raises KeyError for an unknown one."""
        self._cluster.delete_standby(name)

    def pull(self, node: str, workload: str, *, weights: bool = True) -> None:
        """Bring the image of a workload, and its weights, onto a node, where they are not there yet."""
        self._cluster.pull(node, workload, weights=weights)

    def pulled(self, node: str) -> tuple[str, ...]:
        """The workloads whose image and weights are on a node, or on their way."""
        return self._cluster.pulled(node)
