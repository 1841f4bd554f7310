"""What a contender sees of a simulated cluster, and what it may do to it."""

from policies.model import PodSample
from policies.supply import Supply
from replay.sim.readings import Readings
from replay.sim.views import BalloonView, NodeView, Passed, PodView
from replay.sim.world import World


class View:
    """A world as one contender may know it: what the Kubernetes API and the pods' metrics would show, as it is now.

    Nothing public leads to the traffic, to what became of its requests, or to what the hardware really is. How old a
    reading may be is the contender's to model: it keeps what it has scraped.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def now_seconds(self) -> float:
        """Unix time."""
        return self._world.now_seconds

    @property
    def spec_replicas(self) -> int:
        """`spec.replicas` of the scale target."""
        return self._world.spec_replicas

    @property
    def status_replicas(self) -> int:
        """`status.replicas` of the scale target: pods that are not terminating, ready or not."""
        return self._world.status_replicas

    def pods(self) -> tuple[PodView, ...]:
        """All pods of the workload, oldest first."""
        return self._world.pods()

    def nodes(self) -> tuple[NodeView, ...]:
        """All GPU nodes, from their launch on, oldest first."""
        return self._world.nodes()

    def balloons(self) -> tuple[BalloonView, ...]:
        """All balloons not yet deleted, oldest first."""
        return self._world.balloons()

    def readings(self) -> Readings:
        """What the /metrics of each serving pod say."""
        return self._world.readings()

    def samples(self) -> tuple[PodSample, ...]:
        """The same as an object for each pod."""
        return self._world.samples()

    def passed(self, seconds: float) -> Passed:
        """What a gateway before the fleet saw in the last `seconds`, 180 at the most."""
        return self._world.passed(seconds)

    def supply(self) -> Supply:
        """The units of supply by rung."""
        return self._world.supply()

    def scale(self, replicas: int) -> None:
        """Write `spec.replicas`. Raises ValueError below 0."""
        self._world.scale(replicas)

    def create_balloon(self, name: str, deadline_seconds: float) -> None:
        """Ask for a replica's GPUs and the image on a node, for at most `deadline_seconds` from now.

        Raises ValueError where a balloon of that name exists, ended ones included.
        """
        self._world.create_balloon(name, deadline_seconds)

    def delete_balloon(self, name: str) -> None:
        """Remove a balloon, ended or not. Raises KeyError for an unknown one."""
        self._world.delete_balloon(name)
