"""The simulated cluster of several workloads that share GPU nodes from several offerings."""

import math

from policies.pool import StandbyPhase, StandbyUnit
from replay.scenario.cluster import ClusterScenario
from replay.sim.disk import Model
from replay.sim.fleet import Held
from replay.sim.simulation import Simulation
from replay.sim.units import Node, Standby, come
from replay.sim.views import ClusterScore, NodeView, OfferingScore, OfferingView
from replay.sim.world import World


class Cluster:
    """A cluster in virtual time. Nothing moves but in `advance`; a command acts at `now_seconds`.

    Not thread-safe, and deterministic: the same scenario and the same commands at the same times give the same run.
    Starts at the scenario's start, with every workload's `initial_replicas` serving; raises ValueError where the nodes
    do not hold them.
    """

    def __init__(self, scenario: ClusterScenario) -> None:
        self._scenario = scenario
        self._simulation = Simulation(scenario)
        self._plane = self._simulation.plane
        self._worlds = {each.name: World.of(self._simulation, each.name) for each in scenario.workloads}

    @property
    def now_seconds(self) -> float:
        """Unix time."""
        return self._simulation.now_seconds

    def advance(self, to_seconds: float) -> None:
        """Let everything happen up to and including `to_seconds`. Raises ValueError for a time that has passed."""
        self._simulation.advance(to_seconds)

    def workload(self, name: str) -> World:
        """One workload as if it had the cluster to itself; always the same object. Its `advance` moves the whole cluster.

        Its `score` counts the GPUs that its pods and balloons hold, at the prices of their nodes. Raises KeyError.
        """
        if name not in self._worlds:
            raise KeyError(f"no workload {name!r}; there are {sorted(self._worlds)}")
        return self._worlds[name]

    # ---------------------------------------------------------------- standby

    def create_standby(self, name: str, offering: str, deadline_seconds: float) -> None:
        """Ask for a whole node of an offering, for at most `deadline_seconds` from now.

        Any workload's replica that can land there takes it by preemption. Raises ValueError where a unit of that name
        exists, KeyError for an unknown offering.
        """
        if name in self._plane.standby:
            raise ValueError(f"standby unit {name!r} exists already; delete it or choose another name")
        now, gpus = self.now_seconds, self._scenario.offering(offering).gpus_per_node
        unit = Standby(name, now, gpus, (offering,), deadline_seconds=now + deadline_seconds)
        self._plane.create_standby(unit)
        self._simulation.note()

    def delete_standby(self, name: str) -> None:
        """Let a unit go. Raises KeyError where there is none of that name (any more)."""
        self._plane.delete_standby(name, self.now_seconds)
        self._simulation.note()

    def standby(self) -> tuple[StandbyUnit, ...]:
        """The units that exist, oldest first. One that was taken over, or whose time is up, is gone."""
        coming = {each.name: self._in_flight(each.name) for each in self._scenario.offerings}
        return tuple([self._unit(unit, coming[unit.offering]) for unit in self._plane.standby.values()])

    def _in_flight(self, offering: str) -> list[Node]:
        """Its nodes whose GPUs are not allocatable yet, the first to register first."""
        now = self.now_seconds
        found = [node for node in self._plane.nodes.all if node.offering == offering and node.ready_seconds > now]
        return sorted(found, key=lambda node: node.registered_seconds)

    def _unit(self, unit: Standby, coming: list[Node]) -> StandbyUnit:
        """What can be seen of a unit. Of those that wait, the first gets the node that comes first."""
        now, node = self.now_seconds, unit.node
        if node is not None:
            images = sum([node.disk.holds(model, now) for model in self._models()])
            if node.notice_seconds <= now:
                return unit.view(StandbyPhase.LEAVING, node.notice_seconds, node, images)
            return unit.view(StandbyPhase.READY, unit.scheduled_seconds, node, images)
        if coming:
            first = coming.pop(0)
            if first.registered_seconds <= now:
                return unit.view(StandbyPhase.STARTING, first.registered_seconds, first)
            return unit.view(StandbyPhase.REQUESTED, unit.created_seconds)
        refused_seconds = self._plane.provisioner.refusals[unit.offering].last_seconds
        if refused_seconds is not None and refused_seconds > unit.created_seconds:
            return unit.view(StandbyPhase.REFUSED, refused_seconds)
        return unit.view(StandbyPhase.REQUESTED, unit.created_seconds)

    # ---------------------------------------------------------------- nodes and offerings

    def nodes(self) -> tuple[NodeView, ...]:
        """All nodes launched and not yet removed, oldest first. `has_image`: of any workload."""
        now, models = self.now_seconds, self._models()
        return tuple(
            [node.view(any(node.disk.caches(model, now)[1] for model in models), now) for node in self._plane.nodes.all]
        )

    def offerings(self) -> tuple[OfferingView, ...]:
        """What can be seen of each offering now, in order."""
        return tuple([self._offering(each.name) for each in self._scenario.offerings])

    def _offering(self, name: str) -> OfferingView:
        now, provisioner = self.now_seconds, self._plane.provisioner
        nodes = [node for node in self._plane.nodes.all if node.offering == name]
        return OfferingView(
            name=name,
            nodes=len(nodes),
            in_flight=sum([node.ready_seconds > now for node in nodes]),
            leaving=sum([come(node.notice_seconds, now) is not None for node in nodes]),
            claims=sum([claim.offering == name for claim in provisioner.claims]),
            refused_seconds=provisioner.refusals[name].last_seconds,
            refused=provisioner.refusals[name].count,
        )

    def pull(self, node: str, workload: str, *, weights: bool = True) -> None:
        """Begin to bring a workload's image, and its weights, onto a node's disk; at its registration where that is to come.

        Does nothing for what is there or on its way. Raises KeyError for a node or workload that does not exist.
        """
        found, model = self._node(node), self._model(workload)
        at_seconds = max(self.now_seconds, found.registered_seconds)
        self._plane.nodes.bring(found, model, at_seconds, image=True, weights=weights)

    def pulled(self, node: str) -> tuple[str, ...]:
        """The workloads whose image and weights are on a node's disk, or on their way. Raises KeyError for no such node."""
        disk = self._node(node).disk
        return tuple([model.name for model in self._models() if disk.holds(model, math.inf)])

    def _node(self, name: str) -> Node:
        found = next((node for node in self._plane.nodes.all if node.name == name), None)
        if found is None:
            raise KeyError(f"no node {name!r}; there are {[node.name for node in self._plane.nodes.all]}")
        return found

    def _model(self, workload: str) -> Model:
        if workload not in self._simulation.members:
            raise KeyError(f"no workload {workload!r}; there are {sorted(self._simulation.members)}")
        return self._simulation.members[workload].fleet.model

    def _models(self) -> list[Model]:
        return [member.fleet.model for member in self._simulation.members.values()]

    # ---------------------------------------------------------------- the outcome

    def score(self) -> ClusterScore:
        """The outcome up to now."""
        offerings = tuple([self._offering_score(each.name) for each in self._scenario.offerings])
        held = Held(self._plane.standby_held.gpu_seconds)
        for unit in self._plane.standby.values():
            held.add(unit, self.now_seconds)
        return ClusterScore(
            gpu_hours=sum([each.gpu_hours for each in offerings]),
            cost=sum([each.cost for each in offerings]),
            offerings=offerings,
            workloads=tuple([(name, world.score()) for name, world in self._worlds.items()]),
            standby_gpu_hours=held.gpu_seconds / 3600.0,
            standby_wasted_gpu_hours=(held.gpu_seconds - self._plane.standby_taken.gpu_seconds) / 3600.0,
            standby_taken=self._plane.standby_taken_count,
            switches=self._plane.nodes.switches,
        )

    def _offering_score(self, name: str) -> OfferingScore:
        source = self._plane.nodes.sources[name]
        gpu_hours = self._plane.nodes.gpu_seconds(name, self.now_seconds) / 3600.0
        return OfferingScore(
            name=name,
            gpu_hours=gpu_hours,
            cost=gpu_hours * source.offering.price_per_gpu_hour,
            nodes_launched=source.launched,
            refused=self._plane.provisioner.refusals[name].count,
            reclaimed=source.reclaimed,
        )
