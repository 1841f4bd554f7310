"""The active parts of the cluster: Deployment and Job controllers, kubelet, garbage collector, all driven by one `World`."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from crds.workload import Workload
from policies.model import PodSample
from replay.sim.views import BalloonView, PodView
from replay.sim.world import World
from replay.simcluster import failures, objects
from replay.simcluster.admission import Admission
from replay.simcluster.kubelet import Kubelet
from replay.simcluster.network import PodNetwork
from replay.simcluster.resources import DEPLOYMENTS, JOBS, PODS, SCALING_POLICIES, Json
from replay.simcluster.store import Store


@dataclass
class _BalloonJob:
    """A Job and the balloon in the world that stands for its pod."""

    view: BalloonView | None = None
    ended_seconds: float | None = None


class Controllers:
    """Advances the world to the present, mirrors it in the store, and carries out what the API is asked to do.

    `now` is scenario time; the world does not change before its start.
    """

    def __init__(
        self, world: World, store: Store, network: PodNetwork, workload: Workload, now: Callable[[], float]
    ) -> None:
        self._world = world
        self._store = store
        self._network = network
        self.now = now
        self._workload = workload
        self._pods: dict[str, PodView] = {}
        self._jobs: dict[tuple[str, str], _BalloonJob] = {}
        self._admission = Admission(store, lambda: self._world.now_seconds)
        self._scrape: Callable[[float], None] = lambda _: None
        self._scrape_seconds = math.inf  # between two scrapes
        self._next_scrape_seconds = math.inf
        self.samples: dict[str, PodSample] = {}  # of the pods that serve now
        self.queue_times: Mapping[str, Sequence[float]] = {}  # of the same: finished requests by bucket
        target = objects.deployment(workload, world.now_seconds)
        store.put(DEPLOYMENTS, target)
        image = target["spec"]["template"]["spec"]["containers"][0]["image"]
        self._kubelet = Kubelet(store, image, self._admission.event)
        self.observe()

    def sync(self) -> None:
        """Bring world and store up to the present."""
        self.advance(self.now())

    def scrape_every(self, period_seconds: float, scrape: Callable[[float], None]) -> None:
        """Call `scrape` now and once each period of scenario time, with the world at exactly that time."""
        self._scrape, self._scrape_seconds = scrape, period_seconds
        self._next_scrape_seconds = self._world.now_seconds
        self.advance(self._world.now_seconds)

    def advance(self, to_seconds: float) -> None:
        """Advance the world to a time, unless it is already there, and mirror it in the store."""
        while self._next_scrape_seconds <= to_seconds:
            self._move(self._next_scrape_seconds)
            self._scrape(self._next_scrape_seconds)
            self._next_scrape_seconds += self._scrape_seconds
        self._move(to_seconds)

    def _move(self, to_seconds: float) -> None:
        if to_seconds > self._world.now_seconds:
            self._world.advance(to_seconds)
            self.observe()

    def observe(self) -> None:
        """Mirror the world in the store, and open and close the pods' listeners."""
        self._kubelet.follow_nodes(self._world.nodes())
        self._follow_pods()
        self._follow_jobs()
        target = self._deployment()
        self._store.put(DEPLOYMENTS, objects.with_replicas(target, self._world.spec_replicas, self._world.pods()))

    def create_job(self, namespace: str, body: Json) -> Json:
        """Validate and store a Job, and create its balloon in the world."""
        stored = self._admission.job(namespace, body)
        name = stored["metadata"]["name"]
        deadline = stored["spec"].get("activeDeadlineSeconds")
        self._world.create_balloon(f"{namespace}/{name}", math.inf if deadline is None else float(deadline))
        self._jobs[namespace, name] = _BalloonJob()
        self._follow_jobs()
        self._collect_orphans()
        return stored

    def delete_job(self, namespace: str, name: str) -> None:
        """Delete a Job, its pod and its balloon."""
        removed = self._jobs.pop((namespace, name))
        self._world.delete_balloon(f"{namespace}/{name}")
        job = self._store.remove(JOBS, namespace, name)
        if job is not None and removed.ended_seconds is None:
            self._remove_balloon_pod(job)

    def create_event(self, namespace: str, body: Json) -> Json:
        """Store an Event; of more than a thousand, the oldest is dropped."""
        return self._admission.event(namespace, body)

    def delete_policy(self, namespace: str, name: str) -> None:
        """Delete a ScalingPolicy and the Jobs that it owns."""
        self._store.remove(SCALING_POLICIES, namespace, name)
        self._collect_orphans()

    def scale(self, namespace: str, name: str, replicas: int) -> None:
        """Set `spec.replicas` of a Deployment; raises `ApiError` 404 if it does not exist."""
        if self._store.get(DEPLOYMENTS, namespace, name) is None:
            raise failures.not_found(DEPLOYMENTS, name)
        self.scale_to(replicas)

    def replicas(self) -> tuple[int, int]:
        """`spec.replicas` and `status.replicas` of the Deployment now."""
        self.sync()
        target = self._deployment()
        return target["spec"]["replicas"], target["status"].get("replicas", 0)

    def scale_to(self, replicas: int) -> None:
        """Set `spec.replicas` of the Deployment."""
        self.sync()
        self._world.scale(replicas)
        self.observe()

    def _deployment(self) -> Json:
        held = self._store.get(DEPLOYMENTS, self._workload.namespace, self._workload.target.name)
        assert held is not None  # noqa: S101  # put in by __init__, and the API cannot delete it
        return held

    def _follow_pods(self) -> None:
        target = self._deployment()
        self.samples = {sample.pod: sample for sample in self._world.samples()}
        self.queue_times = self._world.queue_times()
        views = {view.name: view for view in self._world.pods()}
        for name in self._pods.keys() - views.keys():
            self._network.release(name)
            self._removed(self._store.remove(PODS, self._workload.namespace, name))
        for name, view in views.items():
            if name in self.samples:
                self._network.open(name)
            else:
                self._network.close(name)
            if view != self._pods.get(name):
                address = None if view.scheduled_seconds is None else self._network.address(name)
                pod = self._store.put(PODS, objects.replica(target, view, address))
                self._kubelet.report(pod, view.scheduled_seconds, view.image_ready_seconds)
        self._pods = views

    def _follow_jobs(self) -> None:
        for view in self._world.balloons():
            namespace, name = view.name.split("/")
            state = self._jobs[namespace, name]
            if view == state.view:
                continue
            job = self._store.get(JOBS, namespace, name)
            if job is None:
                continue
            if view.ended is not None and state.ended_seconds is None:
                state.ended_seconds = min(view.deadline_seconds, self._world.now_seconds)
                self._remove_balloon_pod(job)
            state.view = view
            job = self._store.put(JOBS, {**job, "status": objects.job_status(view, state.ended_seconds)})
            if view.ended is None:
                pod = objects.balloon(job, view, None)
                address = None if view.scheduled_seconds is None else self._network.address(pod["metadata"]["name"])
                pod = self._store.put(PODS, objects.balloon(job, view, address))
                self._kubelet.report(pod, view.scheduled_seconds, view.running_seconds)
        self._expire_jobs()

    def _expire_jobs(self) -> None:
        for (namespace, name), state in list(self._jobs.items()):
            job = self._store.get(JOBS, namespace, name)
            if job is None or state.ended_seconds is None:
                continue
            kept = job["spec"].get("ttlSecondsAfterFinished")
            if kept is not None and self._world.now_seconds >= state.ended_seconds + kept:
                self.delete_job(namespace, name)

    def _remove_balloon_pod(self, job: Json) -> None:
        namespace = job["metadata"]["namespace"]
        for pod in self._store.objects(PODS, namespace):
            if any(reference["uid"] == job["metadata"]["uid"] for reference in pod["metadata"]["ownerReferences"]):
                self._network.release(pod["metadata"]["name"])
                self._removed(self._store.remove(PODS, namespace, pod["metadata"]["name"]))

    def _removed(self, pod: Json | None) -> None:
        if pod is not None:
            self._kubelet.forget(pod)

    def _collect_orphans(self) -> None:
        """Delete Jobs whose owners are all gone. An owner of a kind that is not served counts as existing."""
        for job in self._store.objects(JOBS):
            namespace = job["metadata"]["namespace"]
            owners = job["metadata"].get("ownerReferences") or []
            if owners and not any(self._exists(namespace, reference) for reference in owners):
                self.delete_job(namespace, job["metadata"]["name"])

    def _exists(self, namespace: str, reference: Json) -> bool:
        if reference["kind"] != SCALING_POLICIES.kind:
            return True
        held = self._store.get(SCALING_POLICIES, namespace, reference["name"])
        return held is not None and bool(held["metadata"]["uid"] == reference["uid"])
