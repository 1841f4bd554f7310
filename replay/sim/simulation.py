"""Workloads on shared nodes, in virtual time: what moves them."""

from dataclasses import dataclass

from replay.scenario.cluster import ClusterScenario, ClusterWorkload
from replay.scenario.scenario import Scenario
from replay.sim.agenda import Agenda
from replay.sim.control_plane import ControlPlane
from replay.sim.disk import Model
from replay.sim.fleet import Fleet
from replay.sim.score import FleetHistory
from replay.sim.serving import Serving
from replay.sim.stages import seed_of


@dataclass(frozen=True, slots=True)
class Member:
    """One workload: its fleet, and what that was."""

    scenario: Scenario
    fleet: Fleet
    history: FleetHistory


class Simulation:
    """Nothing moves but in `advance`. The engines of a workload are moved when they are looked at, or change.

    With `is_alone` its one workload has all nodes to itself: they count for it, whether it is on them or not.
    """

    def __init__(self, scenario: ClusterScenario, *, is_alone: bool = False) -> None:
        self.scenario = scenario
        self.is_alone = is_alone
        self.now_seconds = scenario.start_seconds
        self._agenda = Agenda()
        self.plane = ControlPlane(scenario, self._agenda)
        self.members = {each.name: self._member(index, each) for index, each in enumerate(scenario.workloads)}
        self.plane.fleets = [member.fleet for member in self.members.values()]
        for member in self.members.values():
            self.plane.start(member.fleet, member.scenario.initial_replicas, self.now_seconds)
        self.note()

    def _member(self, index: int, workload: ClusterWorkload) -> Member:
        played = workload.scenario
        reachable = self.scenario.reachable(workload)
        model = Model(
            workload.name,
            played.hardware,
            played.actuators,
            seed_of(played.seed, index),
            tuple([each.name for each in reachable]),
            workload.image_key,
            workload.image_bytes,
            workload.weights_bytes,
        )
        gpus = played.hardware.gpus_per_replica
        serving = Serving(played, sum([each.max_nodes * (each.gpus_per_node // gpus) for each in reachable]))
        return Member(played, Fleet(model, workload.name, serving), FleetHistory())

    def advance(self, to_seconds: float) -> None:
        """Let everything happen up to and including `to_seconds`. Raises ValueError for a time that has passed."""
        if to_seconds < self.now_seconds:
            raise ValueError(f"cannot go back from {self.now_seconds} to {to_seconds}")
        while self._agenda.next_seconds <= to_seconds:
            self.now_seconds = self._agenda.next_seconds
            self._agenda.run_next()
            self.note()
        self.now_seconds = to_seconds

    def note(self) -> None:
        """Remember what each fleet is now."""
        now, all_nodes = self.now_seconds, len(self.plane.nodes.all)
        for member in self.members.values():
            fleet = member.fleet
            ready = len(fleet.serving)
            starting = len(fleet.alive(now)) - ready
            balloons = sum([balloon.ended is None for balloon in fleet.balloons.values()])
            nodes = all_nodes if self.is_alone else fleet.nodes()
            member.history.note(now, (fleet.spec_replicas, ready, starting, balloons, nodes))
