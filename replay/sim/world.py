"""The simulated cluster: one workload on a pool of GPU nodes, driven by whoever scales it.

A World is not thread-safe, and deterministic: the same scenario and the same commands at the same times give the same
run. The HPA is not in it (see `hpa`), nor is the age of what a scraper knows: `samples` is the truth of the moment.
"""

from collections.abc import Mapping, Sequence

from policies.model import PodSample
from policies.supply import Supply
from replay.scenario.scenario import Scenario
from replay.sim.agenda import Agenda
from replay.sim.control_plane import GRACE_SECONDS, ControlPlane
from replay.sim.readings import Readings
from replay.sim.score import FleetHistory, score, share_within
from replay.sim.serving import Serving
from replay.sim.views import BalloonView, NodeView, Passed, PodView, RequestLog, Score, Waits


class World:
    """A cluster in virtual time. Nothing moves but in `advance`; a command acts at `now_seconds`.

    Starts at the scenario's start with `initial_replicas` serving. `target` begins the names of its pods.
    Raises ValueError for more of them than `max_nodes` hold.
    """

    def __init__(self, scenario: Scenario, target: str = "llm") -> None:
        places = scenario.hardware.max_nodes * scenario.hardware.replicas_per_node
        if not 0 <= scenario.initial_replicas <= places:
            raise ValueError(f"initial_replicas is {scenario.initial_replicas}; the pool holds 0 to {places}")
        self._scenario = scenario
        self.now_seconds = scenario.start_seconds
        self._spec_replicas = scenario.initial_replicas
        self._agenda = Agenda()
        self._serving = Serving(scenario)
        self._control_plane = ControlPlane(
            scenario,
            self._agenda,
            target=target,
            serves=lambda pod: self._serving.join(pod.ordinal),
            stops=lambda pod: self._serving.leave(pod.ordinal, GRACE_SECONDS),
        )
        self._history = FleetHistory()
        self._control_plane.start(scenario.initial_replicas, self.now_seconds)
        self._note()

    def advance(self, to_seconds: float) -> None:
        """Let everything happen up to and including `to_seconds`. Raises ValueError for a time that has passed."""
        if to_seconds < self.now_seconds:
            raise ValueError(f"cannot go back from {self.now_seconds} to {to_seconds}")
        while self._agenda.next_seconds <= to_seconds:
            self._move(self._agenda.next_seconds)
            self._agenda.run_next()
            self._note()
        self._move(to_seconds)

    def _move(self, to_seconds: float) -> None:
        self._serving.advance(to_seconds)
        self.now_seconds = to_seconds

    def _note(self) -> None:
        now, plane = self.now_seconds, self._control_plane
        alive = plane.alive(now)
        ready = len(plane.serving)
        balloons = sum(balloon.ended is None for balloon in plane.balloons.values())
        self._history.note(now, (self._spec_replicas, ready, len(alive) - ready, balloons, len(plane.nodes.all)))

    @property
    def spec_replicas(self) -> int:
        """`spec.replicas` of the scale target."""
        return self._spec_replicas

    @property
    def status_replicas(self) -> int:
        """`status.replicas` of the scale target: pods that are not terminating, ready or not."""
        return len(self._control_plane.alive(self.now_seconds))

    def scale(self, replicas: int) -> None:
        """Write `spec.replicas`. Raises ValueError below 0."""
        if replicas < 0:
            raise ValueError(f"replicas must be 0 or more, not {replicas}")
        self._spec_replicas = replicas
        self._control_plane.scale(replicas, self.now_seconds)
        self._note()

    def create_balloon(self, name: str, deadline_seconds: float) -> None:
        """Ask for a replica's GPUs and the image on a node, for at most `deadline_seconds` from now.

        Raises ValueError where a balloon of that name exists, ended ones included.
        """
        self._control_plane.create_balloon(name, deadline_seconds, self.now_seconds)
        self._note()

    def delete_balloon(self, name: str) -> None:
        """Remove a balloon, ended or not. Raises KeyError for an unknown one."""
        self._control_plane.delete_balloon(name, self.now_seconds)
        self._note()

    def pods(self) -> tuple[PodView, ...]:
        """All pods of the workload that exist, oldest first."""
        return tuple(pod.view(self.now_seconds) for pod in self._control_plane.pods)

    def nodes(self) -> tuple[NodeView, ...]:
        """All nodes launched and not yet removed, oldest first."""
        return tuple(node.view(self.now_seconds) for node in self._control_plane.nodes.all)

    def balloons(self) -> tuple[BalloonView, ...]:
        """All balloons not yet deleted, oldest first."""
        return tuple(balloon.view(self.now_seconds) for balloon in self._control_plane.balloons.values())

    def readings(self) -> Readings:
        """What each serving pod's /metrics says at this moment."""
        return self._serving.readings(self._control_plane.serving)

    def samples(self) -> tuple[PodSample, ...]:
        """The same as an object for each pod."""
        return self.readings().samples

    def queue_times(self) -> Mapping[str, Sequence[float]]:
        """Finished requests of each serving pod, by the bucket of vLLM's queue times."""
        rows = self.readings().queue_times
        return {pod.name: row for pod, row in zip(self._control_plane.serving, rows, strict=True)}

    def supply(self) -> Supply:
        """Every unit of supply. One that ended or is terminating is none."""
        now = self.now_seconds
        replicas = [pod.supply(now) for pod in self._control_plane.alive(now)]
        standby = [balloon.supply(now) for balloon in self._control_plane.balloons.values() if balloon.ended is None]
        return Supply(self._spec_replicas, (*replicas, *standby))

    def passed(self, seconds: float) -> Passed:
        """What went through a gateway before the fleet in the last `seconds`, 180 at the most."""
        return self._serving.passed(seconds)

    def requests(self) -> RequestLog:
        """What became so far of the latest requests: 65,536 at least, and all that are not over."""
        return self._serving.requests()

    def waits(self) -> Waits:
        """How long each request so far has waited."""
        return self._serving.waits()

    def share_within(self, wait_seconds: float) -> float:
        """Share of the requests so far whose queue wait is at most that."""
        return share_within(self.waits(), self.now_seconds - self._scenario.start_seconds, wait_seconds)

    def score(self) -> Score:
        """The outcome up to now."""
        return score(
            self.waits(),
            self._history.timeline(),
            start_seconds=self._scenario.start_seconds,
            now_seconds=self.now_seconds,
            gpu_hours=self._control_plane.nodes.gpu_seconds(self.now_seconds) / 3600.0,
            price_per_gpu_hour=self._scenario.hardware.price_per_gpu_hour,
            pods_created=self._control_plane.pods_created,
            nodes_launched=self._control_plane.nodes.launched,
        )
