"""The simulated cluster of several workloads that share GPU nodes from several offerings."""

from policies.pool import StandbyUnit
from replay.scenario.cluster import ClusterScenario
from replay.sim.views import ClusterScore, NodeView, OfferingView
from replay.sim.world import World


class Cluster:
    """A cluster in virtual time. Nothing moves but in `advance`; a command acts at `now_seconds`.

    Not thread-safe, and deterministic: the same scenario and the same commands at the same times give the same run.
    Starts at the scenario's start, with every workload's `initial_replicas` serving.
    """

    def __init__(self, scenario: ClusterScenario) -> None:
        raise NotImplementedError

    @property
    def now_seconds(self) -> float:
        """Unix time."""
        raise NotImplementedError

    def advance(self, to_seconds: float) -> None:
        """Let everything happen up to and including `to_seconds`. Raises ValueError for a time that has passed."""
        raise NotImplementedError

    def workload(self, name: str) -> World:
        """One workload as if it had the cluster to itself; always the same object. Its `advance` moves the whole cluster.

        Its `score` counts the GPUs that its pods and balloons hold, at the prices of their nodes. Raises KeyError.
        """
        raise NotImplementedError

    def create_standby(self, name: str, offering: str, deadline_seconds: float) -> None:
        """Ask for a whole node of an offering, for at most `deadline_seconds` from now.

        Any workload's replica that can land there takes it by preemption. Raises ValueError where a unit of that name
        exists, KeyError for an unknown offering.
        """
        raise NotImplementedError

    def delete_standby(self, name: str) -> None:
        """Let a unit go. Raises KeyError where there is none of that name (any more)."""
        raise NotImplementedError

    def standby(self) -> tuple[StandbyUnit, ...]:
        """The units that exist, oldest first. One that was taken over, or whose time is up, is gone."""
        raise NotImplementedError

    def nodes(self) -> tuple[NodeView, ...]:
        """All nodes launched and not yet removed, oldest first. `has_image`: of any workload."""
        raise NotImplementedError

    def offerings(self) -> tuple[OfferingView, ...]:
        """What can be seen of each offering now, in order."""
        raise NotImplementedError

    def pull(self, node: str, workload: str, *, weights: bool = True) -> None:
        """Begin to bring a workload's image, and its weights, onto a node's disk; at its registration where that is to come.

        Does nothing for what is there or on its way. Raises KeyError for a node or workload that does not exist.
        """
        raise NotImplementedError

    def pulled(self, node: str) -> tuple[str, ...]:
        """The workloads whose image and weights are on a node's disk, or on their way. Raises KeyError for no such node."""
        raise NotImplementedError

    def score(self) -> ClusterScore:
        """The outcome up to now."""
        raise NotImplementedError
