"""The active parts of the cluster: Deployment and Job controllers, kubelet, garbage collector, all driven by one simulation."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from policies.model import PodSample
from replay.sim.cluster import Cluster
from replay.sim.views import BalloonView
from replay.sim.world import World
from replay.simcluster import failures, objects, standby
from replay.simcluster.admission import Admission
from replay.simcluster.kubelet import Kubelet
from replay.simcluster.network import PodNetwork
from replay.simcluster.replicas import Replicas
from replay.simcluster.resources import DEPLOYMENTS, GPU_POOLS, JOBS, PODS, SCALING_POLICIES, Json, Resource
from replay.simcluster.standby import StandbyUnits
from replay.simcluster.store import Store

POLICY = "outrider.dev/policy"  # label of a balloon's Job: whose it is
_OWNERS: Mapping[str, Resource] = {each.kind: each for each in (SCALING_POLICIES, GPU_POOLS)}


@dataclass
class _BalloonJob:
    """A Job and the balloon in the world, or the standby unit, that stands for its pod."""

    world: World | None  # of the balloon; None: it is a standby unit
    view: BalloonView | None = None
    ended_seconds: float | None = None


@dataclass(frozen=True)
class Shared:
    """The nodes that several workloads share. `node_labels` is by offering."""

    cluster: Cluster
    node_labels: Mapping[str, Mapping[str, str]]


class Controllers:
    """Advances the simulation to the present, mirrors it in the store, and carries out what the API is asked to do.

    `now` is scenario time; nothing changes before the scenario's start. Without `shared` there is one workload, which has its
    nodes to itself.
    """

    def __init__(
        self,
        members: Sequence[Replicas],
        store: Store,
        network: PodNetwork,
        now: Callable[[], float],
        shared: Shared | None = None,
    ) -> None:
        self._members = tuple(members)
        self._world = members[0].world  # the time of one is that of all
        self._store = store
        self._network = network
        self.now = now
        self._shared = shared
        self._standby = None if shared is None else StandbyUnits(shared.cluster, shared.node_labels)
        self._jobs: dict[tuple[str, str], _BalloonJob] = {}
        self._admission = Admission(store, lambda: self._world.now_seconds)
        self._scrape: Callable[[float], None] = lambda _: None
        self._scrape_seconds = math.inf  # between two scrapes
        self._next_scrape_seconds = math.inf
        labels = {} if shared is None else shared.node_labels
        self._kubelet = Kubelet(store, members[0].image, self._admission.event, labels)
        for member in members:
            member.join(self.sync, self.observe)
        self.observe()

    @property
    def samples(self) -> Mapping[str, PodSample]:
        """Of all pods that serve now."""
        if len(self._members) == 1:
            return self._members[0].samples
        return {pod: sample for member in self._members for pod, sample in member.samples.items()}

    def serving(self, pod: str) -> tuple[PodSample, str, Sequence[float]] | None:
        """What a pod that serves shows: its sample, the name of its model, and its queue times. None: it does not serve."""
        for member in self._members:
            if pod in member.samples:
                return member.samples[pod], member.workload.target.name, member.queue_times.get(pod, ())
        return None

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
        """Mirror the simulation in the store, and open and close the pods' listeners."""
        self._kubelet.follow_nodes(self._world.nodes() if self._shared is None else self._shared.cluster.nodes())
        for member in self._members:
            member.follow(self._kubelet)
        self._follow_jobs()
        for member in self._members:
            member.follow_scale()

    def create_job(self, namespace: str, body: Json) -> Json:
        """Validate and store a Job, and create its balloon in the world."""
        stored = self._admission.job(namespace, body)
        name = stored["metadata"]["name"]
        deadline = stored["spec"].get("activeDeadlineSeconds")
        lasts_seconds = math.inf if deadline is None else float(deadline)
        owners = stored["metadata"].get("ownerReferences") or [{}]
        if self._standby is not None and owners[0].get("kind") == GPU_POOLS.kind:
            try:
                self._standby.create(f"{namespace}/{name}", stored, lasts_seconds)
            except failures.ApiError:
                self._store.remove(JOBS, namespace, name)
                raise
            self._jobs[namespace, name] = _BalloonJob(None)
        else:
            world = self._member_of(stored).world
            world.create_balloon(f"{namespace}/{name}", lasts_seconds)
            self._jobs[namespace, name] = _BalloonJob(world)
        self._follow_jobs()
        self._collect_orphans()
        return stored

    def delete_job(self, namespace: str, name: str) -> None:
        """Delete a Job, its pod and its balloon."""
        removed = self._jobs.pop((namespace, name))
        if removed.world is not None:
            removed.world.delete_balloon(f"{namespace}/{name}")
        elif self._standby is not None:
            self._standby.delete(f"{namespace}/{name}")
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
        for member in self._members:
            if (member.workload.namespace, member.workload.target.name) == (namespace, name):
                member.scale_to(replicas)
                return
        raise failures.not_found(DEPLOYMENTS, name)

    def _member_of(self, job: Json) -> Replicas:
        """The workload whose balloon a Job is; the first where it says of none that is there."""
        of = (job["metadata"]["namespace"], (job["metadata"].get("labels") or {}).get(POLICY))
        named = (each for each in self._members if (each.workload.namespace, each.workload.name) == of)
        return next(named, self._members[0])

    def _views(self) -> Iterator[BalloonView]:
        balloons = [member.world.balloons() for member in self._members]
        return chain(*balloons, () if self._standby is None else self._standby.views())

    def _follow_jobs(self) -> None:
        for view in self._views():
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
        self._report_standby()
        self._expire_jobs()

    def _report_standby(self) -> None:
        """Write what the node autoscaler says about the pods of standby units."""
        for said in () if self._standby is None else self._standby.said():
            namespace, name = said.unit.split("/")
            job = self._store.get(JOBS, namespace, name)
            if job is None:
                continue
            for pod in self._store.objects(PODS, namespace):
                if any(owner["uid"] == job["metadata"]["uid"] for owner in pod["metadata"]["ownerReferences"]):
                    self._admission.event(namespace, standby.event(pod, said))

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
        resource = _OWNERS.get(reference["kind"])
        if resource is None or (resource is GPU_POOLS and self._standby is None):
            return True
        held = self._store.get(resource, namespace if resource.namespaced else "", reference["name"])
        return held is not None and bool(held["metadata"]["uid"] == reference["uid"])
