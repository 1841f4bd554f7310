"""The control plane of the simulated cluster: replicas, balloons, standby units, and the scheduler.

A replica takes a free place, else the place of what is of lower priority (a balloon or a standby unit, which ends), else waits
for a node. A node that becomes ready is offered to the waiting replicas first, then to the rest.
"""

from functools import partial

from replay.scenario.cluster import ClusterScenario
from replay.sim.agenda import Agenda
from replay.sim.fleet import Fleet, Held
from replay.sim.nodes import Nodes
from replay.sim.provisioner import Provisioner
from replay.sim.units import Balloon, ModelUnit, Node, Pod, Standby, Unit
from replay.sim.views import Ended

# A pod that is deleted may finish what it has for this long.
GRACE_SECONDS = 300.0


class ControlPlane:
    """The units of all fleets on the nodes of a cluster."""

    def __init__(self, scenario: ClusterScenario, agenda: Agenda) -> None:
        self._agenda = agenda
        self.fleets: list[Fleet] = []
        self.standby: dict[str, Standby] = {}  # that exist
        self.standby_held = Held()  # by units that are gone
        self.standby_taken = Held()  # of these, by those that a replica took over
        self.standby_taken_count = 0
        self.nodes = Nodes(
            scenario,
            agenda,
            became_ready=self._place,
            removed=self._place,
            noticed=self._notice,
            ends=self._vacate,
        )
        self.provisioner = Provisioner(
            scenario, agenda, self.nodes, waiting=self._waiting, launched=self._count_launched
        )

    def start(self, fleet: Fleet, replicas: int, now_seconds: float) -> None:
        """Begin with replicas that serve already. Raises ValueError where the nodes do not hold them."""
        fleet.spec_replicas = replicas
        for _ in range(replicas):
            pod = fleet.new_pod(now_seconds)
            node = self.nodes.free_place(pod, now_seconds) or self._prepared(fleet, pod, now_seconds)
            self.nodes.bind(pod, node, now_seconds)
            pod.started_seconds = pod.ready_seconds = now_seconds
            self._become_ready(fleet, pod)

    def _prepared(self, fleet: Fleet, pod: Pod, now_seconds: float) -> Node:
        offering = self.provisioner.first_open(pod, now_seconds)
        if offering is None:
            raise ValueError(f"the nodes do not hold the replicas that {fleet.model.name} begins with")
        fleet.nodes_launched += 1
        return self.nodes.add_prepared(offering, fleet.model, now_seconds)

    # ---------------------------------------------------------------- replicas

    def scale(self, fleet: Fleet, replicas: int, now_seconds: float) -> None:
        """Create or delete pods until that many are not terminating."""
        fleet.spec_replicas = replicas
        alive = len(fleet.alive(now_seconds))
        if alive == replicas:
            return
        deleted = fleet.least_worth(alive - replicas, now_seconds) if alive > replicas else ()
        for _ in range(replicas - alive):
            fleet.new_pod(now_seconds)
        for pod in deleted:
            self._delete_pod(fleet, pod, now_seconds, GRACE_SECONDS)
        self._place(now_seconds)

    def _delete_pod(self, fleet: Fleet, pod: Pod, now_seconds: float, grace_seconds: float) -> None:
        gone_seconds = fleet.stop(pod, now_seconds, grace_seconds)
        if gone_seconds > now_seconds:
            self._agenda.at(gone_seconds, partial(self._leave, fleet, pod, gone_seconds))
        else:
            self._gone(fleet, pod, now_seconds)

    def _leave(self, fleet: Fleet, pod: Pod, now_seconds: float) -> None:
        if pod in fleet.pods:
            self._gone(fleet, pod, now_seconds)
            self._place(now_seconds)

    def _gone(self, fleet: Fleet, pod: Pod, now_seconds: float) -> None:
        fleet.pods.remove(pod)
        fleet.ended.add(pod, now_seconds)
        self.nodes.free(pod, now_seconds)

    def _become_ready(self, fleet: Fleet, pod: Pod) -> None:
        if pod.node is not None:
            fleet.serve(pod, pod.ready_seconds)

    # ---------------------------------------------------------------- balloons and standby

    def create_balloon(self, fleet: Fleet, name: str, deadline_seconds: float, now_seconds: float) -> None:
        """Ask for a place, for at most that long."""
        balloon = fleet.new_balloon(name, deadline_seconds, now_seconds)
        self._agenda.at(balloon.deadline_seconds, partial(self._expire, fleet, balloon))
        self._place(now_seconds)

    def delete_balloon(self, fleet: Fleet, name: str, now_seconds: float) -> None:
        """Remove a balloon; its place is free at once."""
        if name not in fleet.balloons:
            raise KeyError(f"no balloon {name!r}; there are {sorted(fleet.balloons)}")
        balloon = fleet.balloons.pop(name)
        fleet.ended.add(balloon, now_seconds)
        self.nodes.free(balloon, now_seconds)
        self._place(now_seconds)

    def _expire(self, fleet: Fleet, balloon: Balloon) -> None:
        if fleet.balloons.get(balloon.name) is balloon and balloon.ended is None:
            self._end_balloon(balloon, Ended.DEADLINE, balloon.deadline_seconds)
            self._place(balloon.deadline_seconds)

    def _end_balloon(self, balloon: Balloon, reason: Ended, now_seconds: float) -> None:
        self._fleet(balloon).ended.add(balloon, now_seconds)
        self.nodes.free(balloon, now_seconds)
        balloon.end(reason, now_seconds)

    def create_standby(self, unit: Standby) -> None:
        """Ask for a whole node."""
        self.standby[unit.name] = unit
        self._agenda.at(unit.deadline_seconds, partial(self._expire_standby, unit))
        self._place(unit.created_seconds)

    def delete_standby(self, name: str, now_seconds: float) -> None:
        """Let a unit go. Raises KeyError."""
        if name not in self.standby:
            raise KeyError(f"no standby unit {name!r}; there are {sorted(self.standby)}")
        self._end_standby(self.standby[name], now_seconds)
        self._place(now_seconds)

    def _expire_standby(self, unit: Standby) -> None:
        if self.standby.get(unit.name) is unit:
            self._end_standby(unit, unit.deadline_seconds)
            self._place(unit.deadline_seconds)

    def _end_standby(self, unit: Standby, now_seconds: float, *, taken: bool = False) -> None:
        del self.standby[unit.name]
        self.standby_held.add(unit, now_seconds)
        if taken:
            self.standby_taken.add(unit, now_seconds)
            self.standby_taken_count += 1
        self.nodes.free(unit, now_seconds)

    # ---------------------------------------------------------------- the scheduler

    def _fleet(self, unit: ModelUnit) -> Fleet:
        return next(fleet for fleet in self.fleets if fleet.model is unit.model)

    def _waiting_pods(self, now_seconds: float) -> list[Pod]:
        found = [pod for fleet in self.fleets for pod in fleet.waiting_pods(now_seconds)]
        return sorted(found, key=lambda pod: pod.created_seconds)

    def _waiting_low(self) -> list[Unit]:
        """Balloons and standby units without a node."""
        found: list[Unit] = [balloon for fleet in self.fleets for balloon in fleet.waiting_balloons()]
        found += [unit for unit in self.standby.values() if unit.node is None]
        return sorted(found, key=lambda unit: unit.created_seconds)

    def _waiting(self, now_seconds: float) -> list[Unit]:
        return [*self._waiting_pods(now_seconds), *self._waiting_low()]

    def _place(self, now_seconds: float) -> None:
        """One pass of the scheduler, replicas first; then of the autoscaler."""
        full: set[object] = set()  # models and offerings for which there is no place
        for pod in self._waiting_pods(now_seconds):
            if pod.model in full:
                continue
            node = self.nodes.free_place(pod, now_seconds) or self._preempted(pod, now_seconds)
            if node is None:
                full.add(pod.model)
                continue
            self.nodes.bind(pod, node, now_seconds)
            self._agenda.at(pod.ready_seconds, partial(self._become_ready, self._fleet(pod), pod))
        full.clear()
        for unit in self._waiting_low():
            kind = unit.model if isinstance(unit, ModelUnit) else unit.offerings
            place = None if kind in full else self.nodes.free_place(unit, now_seconds)
            if place is None:
                full.add(kind)
                continue
            self.nodes.bind(unit, place, now_seconds)
        self.provisioner.look(now_seconds)

    def _preempted(self, pod: Pod, now_seconds: float) -> Node | None:
        """A node on which as much gave way as the pod needs."""
        node = self.nodes.preemptible(pod, now_seconds)
        if node is None:
            return None
        for unit in list(node.units):
            if node.free_gpus >= pod.gpus:
                break
            if isinstance(unit, Balloon):
                self._end_balloon(unit, Ended.PREEMPTED, now_seconds)
            elif isinstance(unit, Standby):
                self._end_standby(unit, now_seconds, taken=True)
        return node

    def _count_launched(self, units: list[Unit]) -> None:
        for fleet in {self._fleet(unit) for unit in units if isinstance(unit, ModelUnit)}:
            fleet.nodes_launched += 1

    # ---------------------------------------------------------------- nodes that the cloud takes back

    def _notice(self, node: Node, now_seconds: float, end_seconds: float) -> None:
        """Its pods are evicted and replaced at once; a standby unit stays to the end, where no replica can take it any more."""
        for unit in list(node.units):
            if isinstance(unit, Balloon):
                self._end_balloon(unit, Ended.EVICTED, now_seconds)
            elif isinstance(unit, Pod):
                fleet = self._fleet(unit)
                if unit.deleted_seconds > now_seconds:
                    self._delete_pod(fleet, unit, now_seconds, min(GRACE_SECONDS, end_seconds - now_seconds))
                else:
                    fleet.engines.cut(unit.ordinal, end_seconds)
        for fleet in self.fleets:
            self.scale(fleet, fleet.spec_replicas, now_seconds)
        self._place(now_seconds)

    def _vacate(self, node: Node, now_seconds: float) -> None:
        """The node is gone, and what is on it."""
        for unit in list(node.units):
            if isinstance(unit, Standby):
                self._end_standby(unit, now_seconds)
            elif isinstance(unit, Pod):
                self._gone(self._fleet(unit), unit, now_seconds)
