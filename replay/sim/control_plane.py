"""The control plane of the simulated cluster: replicas, balloons, the scheduler, and the autoscaler of nodes.

A replica takes a free place, else the place of a balloon (which is of lower priority and ends), else waits for a node.
What waits and fits on nothing that exists or is in flight makes the autoscaler launch nodes, `reaction_seconds` later.
A node that becomes ready is offered to the waiting replicas first, then to the waiting balloons.
"""

from collections.abc import Callable
from functools import partial

from replay.scenario.scenario import Scenario
from replay.sim.agenda import Agenda
from replay.sim.nodes import Nodes
from replay.sim.units import Balloon, Pod
from replay.sim.views import Ended, Phase

# A pod that is deleted may finish what it has for this long.
GRACE_SECONDS = 300.0


class ControlPlane:
    """Replicas and balloons on nodes. `serves(pod)` and `stops(pod) -> seconds` are called when a pod begins and ends."""

    def __init__(
        self,
        scenario: Scenario,
        agenda: Agenda,
        *,
        target: str,
        serves: Callable[[Pod], None],
        stops: Callable[[Pod], float],
    ) -> None:
        self._hardware = scenario.hardware
        self._agenda = agenda
        self._target = target
        self._serves = serves
        self._stops = stops
        self._launch_planned = False
        self.pods_created = 0
        self.pods: list[Pod] = []
        self.serving: list[Pod] = []  # in order of readiness
        self.balloons: dict[str, Balloon] = {}
        self.nodes = Nodes(scenario, agenda, became_ready=self._place)

    def start(self, replicas: int, now_seconds: float) -> None:
        """Begin with replicas that serve already."""
        for _ in range(replicas):
            pod = self._new_pod(now_seconds)
            node = self.nodes.free_place(now_seconds) or self.nodes.add_prepared(now_seconds)
            self.nodes.bind(pod, node, now_seconds)
            pod.started_seconds = pod.ready_seconds = now_seconds
            self._become_ready(pod)

    def scale(self, replicas: int, now_seconds: float) -> None:
        """Create or delete pods until that many are not terminating."""
        alive = self.alive(now_seconds)
        if len(alive) == replicas:
            return
        for _ in range(replicas - len(alive)):
            self._new_pod(now_seconds)
        # The order of a ReplicaSet: without a node, then not started, then not ready, then the newest to become ready.
        alive.sort(key=lambda pod: (pod.phase(now_seconds) is not Phase.UNPLACED, *_progress(pod, now_seconds)))
        for pod in alive[: max(0, len(alive) - replicas)]:
            self._delete_pod(pod, now_seconds)
        self._place(now_seconds)

    def alive(self, now_seconds: float) -> list[Pod]:
        """Pods that are not terminating."""
        return [pod for pod in self.pods if pod.deleted_seconds > now_seconds]

    def _new_pod(self, now_seconds: float) -> Pod:
        pod = Pod(f"{self._target}-{self.pods_created}", now_seconds, ordinal=self.pods_created)
        self.pods_created += 1
        self.pods.append(pod)
        return pod

    def _delete_pod(self, pod: Pod, now_seconds: float) -> None:
        pod.deleted_seconds = now_seconds
        gone_seconds = now_seconds
        if pod in self.serving:
            self.serving.remove(pod)
            gone_seconds = self._stops(pod)
        if gone_seconds > now_seconds:
            self._agenda.at(gone_seconds, partial(self._leave, pod, gone_seconds))
        else:
            self._gone(pod, now_seconds)

    def _leave(self, pod: Pod, now_seconds: float) -> None:
        self._gone(pod, now_seconds)
        self._place(now_seconds)

    def _gone(self, pod: Pod, now_seconds: float) -> None:
        self.pods.remove(pod)
        self.nodes.free(pod, now_seconds)

    def _become_ready(self, pod: Pod) -> None:
        if pod.node is not None:
            self.serving.append(pod)
            self._serves(pod)

    def create_balloon(self, name: str, deadline_seconds: float, now_seconds: float) -> None:
        """Ask for a place, for at most that long."""
        if name in self.balloons:
            raise ValueError(f"balloon {name!r} exists already; delete it or choose another name")
        balloon = Balloon(name, now_seconds, deadline_seconds=now_seconds + deadline_seconds)
        self.balloons[name] = balloon
        self._agenda.at(balloon.deadline_seconds, partial(self._expire, balloon))
        self._place(now_seconds)

    def delete_balloon(self, name: str, now_seconds: float) -> None:
        """Remove a balloon; its place is free at once."""
        if name not in self.balloons:
            raise KeyError(f"no balloon {name!r}; there are {sorted(self.balloons)}")
        self.nodes.free(self.balloons.pop(name), now_seconds)
        self._place(now_seconds)

    def _expire(self, balloon: Balloon) -> None:
        if self.balloons.get(balloon.name) is balloon and balloon.ended is None:
            self._end(balloon, Ended.DEADLINE, balloon.deadline_seconds)
            self._place(balloon.deadline_seconds)

    def _end(self, balloon: Balloon, reason: Ended, now_seconds: float) -> None:
        self.nodes.free(balloon, now_seconds)
        balloon.end(reason, now_seconds)

    def _waiting_balloons(self) -> list[Balloon]:
        return [balloon for balloon in self.balloons.values() if balloon.node is None and balloon.ended is None]

    def _waiting_pods(self, now_seconds: float) -> list[Pod]:
        return [pod for pod in self.alive(now_seconds) if pod.node is None]

    def _place(self, now_seconds: float) -> None:
        """One pass of the scheduler, replicas first; then of the autoscaler."""
        for pod in self._waiting_pods(now_seconds):
            node = self.nodes.free_place(now_seconds)
            if node is None:
                found = self.nodes.preemptible(now_seconds)
                if found is None:
                    break
                node, balloon = found
                self._end(balloon, Ended.PREEMPTED, now_seconds)
            self.nodes.bind(pod, node, now_seconds)
            self._agenda.at(pod.ready_seconds, partial(self._become_ready, pod))
        for balloon in self._waiting_balloons():
            place = self.nodes.free_place(now_seconds)
            if place is None:
                break
            self.nodes.bind(balloon, place, now_seconds)
        if not self._launch_planned and self._missing_nodes(now_seconds) > 0:
            self._launch_planned = True
            due_seconds = now_seconds + self._hardware.reaction_seconds
            self._agenda.at(due_seconds, partial(self._launch, due_seconds))

    def _missing_nodes(self, now_seconds: float) -> int:
        waiting = len(self._waiting_pods(now_seconds)) + len(self._waiting_balloons())
        places = waiting - self.nodes.places_in_flight(now_seconds)
        wanted = -(-places // self._hardware.replicas_per_node)
        return min(wanted, self._hardware.max_nodes - len(self.nodes.all))

    def _launch(self, now_seconds: float) -> None:
        self._launch_planned = False
        for _ in range(self._missing_nodes(now_seconds)):
            self.nodes.launch(now_seconds)


def _progress(pod: Pod, now_seconds: float) -> tuple[bool, bool, float, int]:
    """Sort key of a pod's worth; the least is deleted first."""
    ready = pod.ready_seconds <= now_seconds
    return pod.started_seconds <= now_seconds, ready, -pod.ready_seconds if ready else 0.0, -pod.ordinal
