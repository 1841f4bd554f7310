"""One workload's pods and balloons in a cluster, its engines, and what they held."""

from dataclasses import dataclass, field

from replay.sim.disk import Model
from replay.sim.serving import Serving
from replay.sim.units import Balloon, Pod, Unit
from replay.sim.views import Phase


@dataclass
class Held:
    """GPUs that units held, from the moment they got a node until they left it."""

    gpu_seconds: float = 0.0
    cost: float = 0.0

    def add(self, unit: Unit, now_seconds: float) -> None:
        """A unit has held its GPUs until now; one without a node, none."""
        if unit.node is not None:
            gpu_seconds = unit.gpus * (now_seconds - unit.scheduled_seconds)
            self.gpu_seconds += gpu_seconds
            self.cost += gpu_seconds / 3600.0 * unit.node.price_per_gpu_hour


@dataclass(eq=False)
class Fleet:
    """The units of one workload."""

    model: Model
    target: str  # begins the names of its pods
    engines: Serving
    spec_replicas: int = 0
    pods_created: int = 0
    nodes_launched: int = 0  # for it
    pods: list[Pod] = field(default_factory=list)
    serving: list[Pod] = field(default_factory=list)  # in order of readiness
    balloons: dict[str, Balloon] = field(default_factory=dict)
    ended: Held = field(default_factory=Held)  # by units that are gone

    def alive(self, now_seconds: float) -> list[Pod]:
        """Pods that are not terminating."""
        return [pod for pod in self.pods if pod.deleted_seconds > now_seconds]

    def waiting_pods(self, now_seconds: float) -> list[Pod]:
        """Those without a node."""
        return [pod for pod in self.pods if pod.node is None and pod.deleted_seconds > now_seconds]

    def waiting_balloons(self) -> list[Balloon]:
        """Those without a node that have not ended."""
        return [balloon for balloon in self.balloons.values() if balloon.node is None and balloon.ended is None]

    def new_pod(self, now_seconds: float) -> Pod:
        """One more replica, that has no node yet."""
        ordinal = self.pods_created
        gpus, offerings = self.model.hardware.gpus_per_replica, self.model.offerings
        pod = Pod(f"{self.target}-{ordinal}", now_seconds, gpus, offerings, model=self.model, ordinal=ordinal)
        self.pods_created += 1
        self.pods.append(pod)
        return pod

    def new_balloon(self, name: str, deadline_seconds: float, now_seconds: float) -> Balloon:
        """One more balloon. Raises ValueError where one of that name exists."""
        if name in self.balloons:
            raise ValueError(f"balloon {name!r} exists already; delete it or choose another name")
        gpus, offerings = self.model.hardware.gpus_per_replica, self.model.offerings
        end_seconds = now_seconds + deadline_seconds
        balloon = Balloon(name, now_seconds, gpus, offerings, model=self.model, deadline_seconds=end_seconds)
        self.balloons[name] = balloon
        return balloon

    def serve(self, pod: Pod, now_seconds: float) -> None:
        """A replica has become ready."""
        self.serving.append(pod)
        self.engines.advance(now_seconds)
        self.engines.join(pod.ordinal)

    def stop(self, pod: Pod, now_seconds: float, grace_seconds: float) -> float:
        """A replica is to go. Returns when it is gone: one that serves finishes what it has within its grace."""
        pod.deleted_seconds = now_seconds
        if pod not in self.serving:
            return now_seconds
        self.serving.remove(pod)
        self.engines.advance(now_seconds)
        return self.engines.leave(pod.ordinal, grace_seconds)

    def least_worth(self, count: int, now_seconds: float) -> list[Pod]:
        """Those that a ReplicaSet deletes first: without a node, then not started, not ready, and the newest to become ready."""
        alive = self.alive(now_seconds)
        alive.sort(key=lambda pod: (pod.phase(now_seconds) is not Phase.UNPLACED, *_progress(pod, now_seconds)))
        return alive[:count]

    def held(self, now_seconds: float) -> Held:
        """What all its units have held until now."""
        found = Held(self.ended.gpu_seconds, self.ended.cost)
        for unit in (*self.pods, *self.balloons.values()):
            found.add(unit, now_seconds)
        return found

    def nodes(self) -> int:
        """How many nodes it is on."""
        units: tuple[Unit, ...] = (*self.pods, *self.balloons.values())
        return len({unit.node for unit in units if unit.node is not None})


def _progress(pod: Pod, now_seconds: float) -> tuple[bool, bool, float, int]:
    """Sort key of a pod's worth; the least is deleted first."""
    ready = pod.ready_seconds <= now_seconds
    return pod.started_seconds <= now_seconds, ready, -pod.ready_seconds if ready else 0.0, -pod.ordinal
