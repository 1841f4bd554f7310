"""The simulated cluster: one service on a pool of GPU nodes, driven by whoever scales it."""

from policies.model import PodSample, Supply
from replay.scenario import Scenario
from replay.sim.views import BalloonView, NodeView, PodView, RequestLog, Score


class World:
    """A cluster in virtual time. Nothing moves but in `advance`; a command acts at `now_seconds`.

    Starts at the scenario's start with `initial_replicas` serving. `target` begins the names of its pods.
    """

    now_seconds: float

    def __init__(self, scenario: Scenario, target: str = "llm") -> None:
        raise NotImplementedError

    def advance(self, to_seconds: float) -> None:
        """Let everything happen up to and including `to_seconds`. Raises ValueError for a time that has passed."""
        raise NotImplementedError

    @property
    def spec_replicas(self) -> int:
        """What the scale target is told to run."""
        raise NotImplementedError

    def scale(self, replicas: int) -> None:
        """Tell the scale target to run that many replicas. Raises ValueError below 0."""
        raise NotImplementedError

    def create_balloon(self, name: str, deadline_seconds: float) -> None:
        """Ask for a replica's GPUs and the image on a node, for at most `deadline_seconds` from now.

        Raises ValueError where a balloon of that name exists, ended ones included.
        """
        raise NotImplementedError

    def delete_balloon(self, name: str) -> None:
        """Remove a balloon, ended or not. Raises KeyError for an unknown one."""
        raise NotImplementedError

    def pods(self) -> tuple[PodView, ...]:
        """All pods of the service that exist, oldest first."""
        raise NotImplementedError

    def nodes(self) -> tuple[NodeView, ...]:
        """All nodes launched and not yet removed, oldest first."""
        raise NotImplementedError

    def balloons(self) -> tuple[BalloonView, ...]:
        """All balloons not yet deleted, oldest first."""
        raise NotImplementedError

    def samples(self) -> tuple[PodSample, ...]:
        """What each serving pod's /metrics says at this moment."""
        raise NotImplementedError

    def supply(self) -> Supply:
        """The units of supply by rung."""
        raise NotImplementedError

    def requests(self) -> RequestLog:
        """What became of each request so far."""
        raise NotImplementedError

    def score(self) -> Score:
        """The outcome up to now."""
        raise NotImplementedError
