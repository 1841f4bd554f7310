"""The simulated cluster as one workload has it, driven by whoever scales it.

A World is not thread-safe, and deterministic: the same scenario and the same commands at the same times give the same
run. The HPA is not in it (see `hpa`), nor is the age of what a scraper knows: `samples` is the truth of the moment.
"""

from collections.abc import Mapping, Sequence

from policies.model import PodSample
from policies.supply import Supply
from replay.scenario.cluster import alone
from replay.scenario.scenario import Scenario
from replay.sim.readings import Readings
from replay.sim.score import score, share_within
from replay.sim.serving import Serving
from replay.sim.simulation import Simulation
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
        self._join(Simulation(alone(scenario, target), is_alone=True), target)

    @classmethod
    def of(cls, simulation: Simulation, workload: str) -> "World":
        """One of the workloads of a cluster that others share."""
        world = cls.__new__(cls)
        world._join(simulation, workload)
        return world

    def _join(self, simulation: Simulation, workload: str) -> None:
        self._simulation = simulation
        self._plane = simulation.plane
        self._member = simulation.members[workload]
        self._fleet = self._member.fleet

    @property
    def now_seconds(self) -> float:
        """Unix time."""
        return self._simulation.now_seconds

    def advance(self, to_seconds: float) -> None:
        """Let everything happen up to and including `to_seconds`. Raises ValueError for a time that has passed."""
        self._simulation.advance(to_seconds)

    @property
    def _serving(self) -> Serving:
        """The engines, as they are now."""
        self._fleet.engines.advance(self._simulation.now_seconds)
        return self._fleet.engines

    @property
    def spec_replicas(self) -> int:
        """`spec.replicas` of the scale target."""
        return self._fleet.spec_replicas

    @property
    def status_replicas(self) -> int:
        """`status.replicas` of the scale target: pods that are not terminating, ready or not."""
        return len(self._fleet.alive(self.now_seconds))

    def scale(self, replicas: int) -> None:
        """Write `spec.replicas`. Raises ValueError below 0."""
        if replicas < 0:
            raise ValueError(f"replicas must be 0 or more, not {replicas}")
        self._plane.scale(self._fleet, replicas, self.now_seconds)
        self._simulation.note()

    def create_balloon(self, name: str, deadline_seconds: float) -> None:
        """Ask for a replica's GPUs and the image on a node, for at most `deadline_seconds` from now.

        Raises ValueError where a balloon of that name exists, ended ones included.
        """
        self._plane.create_balloon(self._fleet, name, deadline_seconds, self.now_seconds)
        self._simulation.note()

    def delete_balloon(self, name: str) -> None:
        """Remove a balloon, ended or not. Raises KeyError for an unknown one."""
        self._plane.delete_balloon(self._fleet, name, self.now_seconds)
        self._simulation.note()

    def pods(self) -> tuple[PodView, ...]:
        """All pods of the workload that exist, oldest first."""
        return tuple(pod.view(self.now_seconds) for pod in self._fleet.pods)

    def nodes(self) -> tuple[NodeView, ...]:
        """All nodes launched and not yet removed, oldest first."""
        now, model = self.now_seconds, self._fleet.model
        return tuple([node.view(node.disk.caches(model, now)[1], now) for node in self._plane.nodes.all])

    def balloons(self) -> tuple[BalloonView, ...]:
        """All balloons not yet deleted, oldest first."""
        return tuple(balloon.view(self.now_seconds) for balloon in self._fleet.balloons.values())

    def readings(self) -> Readings:
        """What each serving pod's /metrics says at this moment."""
        return self._serving.readings(self._fleet.serving)

    def samples(self) -> tuple[PodSample, ...]:
        """The same as an object for each pod."""
        return self.readings().samples

    def queue_times(self) -> Mapping[str, Sequence[float]]:
        """Finished requests of each serving pod, by the bucket of vLLM's queue times."""
        rows = self.readings().queue_times
        return {pod.name: row for pod, row in zip(self._fleet.serving, rows, strict=True)}

    def supply(self) -> Supply:
        """Every unit of supply. One that ended or is terminating is none."""
        now = self.now_seconds
        replicas = [pod.supply(now) for pod in self._fleet.alive(now)]
        standby = [balloon.supply(now) for balloon in self._fleet.balloons.values() if balloon.ended is None]
        return Supply(self._fleet.spec_replicas, (*replicas, *standby))

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
        return share_within(self.waits(), self.now_seconds - self._simulation.scenario.start_seconds, wait_seconds)

    def score(self) -> Score:
        """The outcome up to now. GPUs are those that are billed; beside other workloads, those that its units held."""
        gpu_hours, cost = self._bill()
        return score(
            self.waits(),
            self._member.history.timeline(),
            start_seconds=self._simulation.scenario.start_seconds,
            now_seconds=self.now_seconds,
            gpu_hours=gpu_hours,
            cost=cost,
            pods_created=self._fleet.pods_created,
            nodes_launched=self._fleet.nodes_launched,
        )

    def _bill(self) -> tuple[float, float]:
        if not self._simulation.is_alone:
            held = self._fleet.held(self.now_seconds)
            return held.gpu_seconds / 3600.0, held.cost
        (source,) = self._plane.nodes.sources.values()
        gpu_hours = self._plane.nodes.gpu_seconds(source.offering.name, self.now_seconds) / 3600.0
        return gpu_hours, gpu_hours * source.offering.price_per_gpu_hour
