"""One workload's Deployment and the pods of its replicas, mirrored from its world; and its scale, for the HPA."""

from collections.abc import Callable, Mapping, Sequence

from crds.workload import Workload
from policies.model import PodSample
from replay.sim.views import PodView
from replay.sim.world import World
from replay.simcluster import objects
from replay.simcluster.kubelet import Kubelet
from replay.simcluster.network import PodNetwork
from replay.simcluster.resources import DEPLOYMENTS, PODS, Json
from replay.simcluster.store import Store


class Replicas:
    """`sync` and `observe` of the controllers bring everything up to the present, and mirror what has changed."""

    def __init__(self, world: World, store: Store, network: PodNetwork, workload: Workload) -> None:
        self.world = world
        self.workload = workload
        self._store = store
        self._network = network
        self._pods: dict[str, PodView] = {}
        self._sync: Callable[[], None] = lambda: None
        self._observe: Callable[[], None] = lambda: None
        self.samples: dict[str, PodSample] = {}  # of the pods that serve now
        self.queue_times: Mapping[str, Sequence[float]] = {}  # of the same: finished requests by bucket
        store.put(DEPLOYMENTS, objects.deployment(workload, world.now_seconds))

    def join(self, sync: Callable[[], None], observe: Callable[[], None]) -> None:
        """Become a part of a cluster."""
        self._sync, self._observe = sync, observe

    @property
    def deployment(self) -> Json:
        """The Deployment as it is stored."""
        held = self._store.get(DEPLOYMENTS, self.workload.namespace, self.workload.target.name)
        assert held is not None  # noqa: S101  # put in by __init__, and the API cannot delete it
        return held

    @property
    def image(self) -> str:
        """That its pods run."""
        image: str = self.deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        return image

    def replicas(self) -> tuple[int, int]:
        """`spec.replicas` and `status.replicas` of the Deployment now."""
        self._sync()
        target = self.deployment
        return target["spec"]["replicas"], target["status"].get("replicas", 0)

    def scale_to(self, replicas: int) -> None:
        """Set `spec.replicas` of the Deployment."""
        self._sync()
        self.world.scale(replicas)
        self._observe()

    def follow(self, kubelet: Kubelet) -> None:
        """Mirror the pods, and open and close their listeners."""
        target = self.deployment
        self.samples = {sample.pod: sample for sample in self.world.samples()}
        self.queue_times = self.world.queue_times()
        views = {view.name: view for view in self.world.pods()}
        for name in self._pods.keys() - views.keys():
            self._network.release(name)
            if removed := self._store.remove(PODS, self.workload.namespace, name):
                kubelet.forget(removed)
        for name, view in views.items():
            if name in self.samples:
                self._network.open(name)
            else:
                self._network.close(name)
            if view != self._pods.get(name):
                address = None if view.scheduled_seconds is None else self._network.address(name)
                pod = self._store.put(PODS, objects.replica(target, view, address))
                kubelet.report(pod, view.scheduled_seconds, view.image_ready_seconds)
        self._pods = views

    def follow_scale(self) -> None:
        """Mirror what the Deployment asks for and has."""
        world = self.world
        self._store.put(DEPLOYMENTS, objects.with_replicas(self.deployment, world.spec_replicas, world.pods()))
