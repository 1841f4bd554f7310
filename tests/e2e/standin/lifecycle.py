"""The lifecycle of one pod on its node, from its binding to its end."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from autoscaler.clock import Clock
from autoscaler.kube.objects import Object, condition, deleting, key, metadata, uid
from replay.simcluster import pulls
from tests.e2e.standin import pods, status
from tests.e2e.standin.disk import Machine
from tests.e2e.standin.kubelet_client import KubeletClient, Spawn, WriteQueue
from tests.e2e.standin.workloads import Workload, Workloads

TERMINATED = 143  # exit code after SIGTERM
KILLED = 137  # exit code after SIGKILL
BACK_OFF_SECONDS, MOST_BACK_OFF_SECONDS = 10.0, 300.0  # between failed pulls; it doubles
PULL_ERRORS = {
    "denied": "pull access denied, repository does not exist or may require authorization",
    "disk full": "failed to extract layer: write /var/lib/containerd: no space left on device",
}

log = structlog.get_logger("standin")


@dataclass(frozen=True)
class PodContext:
    """What every pod's lifecycle needs."""

    clock: Clock
    client: KubeletClient
    workloads: Workloads
    spawn: Spawn


class PodLifecycle:
    """Runs one task at a time: starting the pod, or ending it. Call `update` at every change of the pod."""

    def __init__(self, pod: Object, machine: Machine, context: PodContext) -> None:
        self.pod, self.machine = pod, machine
        self._context, self._clock, self._client = context, context.clock, context.client
        self.uid, self._name = uid(pod), "/".join(key(pod))
        self._writes = WriteQueue(self._name, context.spawn)
        self._joined: Workload | None = None
        self._ending = False
        self._started_seconds: float | None = None
        self.workload: Workload | None = context.workloads.of(pod)
        self._task = context.spawn(self._start())

    def update(self, pod: Object) -> None:
        """Take a newer version of the pod; start ending it if its deletion has begun."""
        if _version(pod) > _version(self.pod):
            self.pod = pod
        if deleting(pod) and not self._ending:
            self._ending = True
            self._switch(self._end())

    def node_gone(self) -> None:
        """The node is gone: the engine stops, and the pod is deleted."""
        self._ending = True
        self._stop_engine()
        self._writes.discard()
        self._switch(self._delete_pod())

    def pod_gone(self) -> None:
        """The pod is gone from the API: stop everything."""
        self._ending = True
        self._task.cancel()
        self._writes.discard()
        self._stop_engine()
        if self.workload is not None:
            self.workload.network.release(self._name)

    def reattach(self) -> None:
        """Find the pod's workload again, and go on with it from the stage that the pod is at."""
        if self._ending:
            return
        self._task.cancel()
        self._stop_engine()
        if self.workload is not None:
            self.workload.network.release(self._name)
        self.workload = self._context.workloads.of(self.pod)
        self._task = self._context.spawn(self._start())

    # -- stages

    async def _start(self) -> None:
        await self.machine.up.wait()
        await self._writes.drain()
        workload, ready = self.workload, False
        if pods.phase(self.pod) == "Running":
            ready = self._resume()
        else:
            await self._start_containers()
        if workload is not None:
            if ready:
                self.machine.disk.add(workload.weights)
            else:
                await self._load(workload)
            workload.join(self._name, self._clock.now())
            self._joined = workload
            workload.times_of(self.pod).ready = workload.times_of(self.pod).ready or self._clock.now()
        self._log("ready")
        self._write_running(ready=True)
        await self._work()

    def _resume(self) -> bool:
        """Take over a pod that is running already; returns whether it is ready."""
        held = self.pod["status"]
        for image in (*pods.image_volumes(self.pod), *(each["image"] for each in pods.containers(self.pod))):
            self.machine.disk.add_image(image)
        if self.workload is not None and held.get("podIP"):
            self.workload.network.keep(self._name, held["podIP"])
        times = pods.Times()
        times.observe(self.pod, self._clock.now())
        self._started_seconds = times.started
        self._log("resumed")
        return condition(self.pod, "Ready") is not None

    async def _start_containers(self) -> None:
        """Pull the images, then start the containers."""
        self._write_waiting()
        for image in pods.image_volumes(self.pod):
            await self._pull(None, image)
        for container in pods.containers(self.pod):
            await self._pull(container["name"], container["image"])
        if self.workload is not None:
            self.workload.times_of(self.pod).image_ready = self._clock.now()
        self._started_seconds = self._clock.now()
        for container in pods.containers(self.pod):
            self._event("Created", f"Created container: {container['name']}", container["name"])
            self._event("Started", f"Started container {container['name']}", container["name"])
        if self.workload is not None:
            self.workload.times_of(self.pod).started = self._started_seconds
            self._log("started")
            self._write_running(ready=False)

    async def _pull(self, container: str | None, image: str) -> None:
        """Pull an image, of a container or of a volume, as often as it takes."""
        disk, workloads = self.machine.disk, self._context.workloads
        if image in disk:
            self._event("Pulled", pulls.present(image), container)
            return
        back_off_seconds = BACK_OFF_SECONDS
        while True:
            self._log("pulling")
            self._event("Pulling", pulls.pulling(image), container)
            fault = workloads.pull_fault(self.pod, image)
            if fault == "ok":
                break
            self._pull_failed(container, image, PULL_ERRORS[fault])
            await self._clock.sleep(back_off_seconds)
            back_off_seconds = min(2 * back_off_seconds, MOST_BACK_OFF_SECONDS)
        began_seconds = self._clock.now()
        own_seconds = await disk.pull(image, workloads.image_seconds(self.pod, image))
        self._event("Pulled", pulls.pulled(image, own_seconds, self._clock.now() - began_seconds), container)
        self._writes.add(lambda: self._client.write_images(self.machine.name, disk.images))

    def _pull_failed(self, container: str | None, image: str, error: str) -> None:
        why, backing_off = f'failed to pull and unpack image "{image}": {error}', f'Back-off pulling image "{image}"'
        self._event("Failed", f'Failed to pull image "{image}": {why}', container, warning=True)
        self._event("Failed", "Error: ErrImagePull", container, warning=True)
        self._write_waiting("ErrImagePull", why)
        self._event("BackOff", backing_off, container)
        self._event("Failed", "Error: ImagePullBackOff", container, warning=True)
        self._write_waiting("ImagePullBackOff", backing_off)

    async def _load(self, workload: Workload) -> None:
        """Load the weights and warm up. An engine that says its stages spends a third of the latter before it loads."""
        image, disk, staged = pods.containers(self.pod)[0]["image"], self.machine.disk, workload.spec.readiness_stages
        workload.at_stage(self._name, "engine_init")
        if staged:
            await self._clock.sleep(workload.warmup_seconds(disk, image) / 3)
        self._log("loading")
        workload.at_stage(self._name, "loading_weights")
        await self.machine.disk.fetch(workload.weights, workload.spec.weights_seconds)
        workload.times_of(self.pod).weights_ready = self._clock.now()
        self._log("warming up")
        warmup_seconds = workload.warmup_seconds(disk, image)
        if staged:
            for stage in ("weights_loaded", "kv_cache_ready"):
                workload.at_stage(self._name, stage)
                await self._clock.sleep(warmup_seconds / 3)
        else:
            await self._clock.sleep(warmup_seconds)
        workload.at_stage(self._name, "model_ready")
        workload.warmed_up(disk, image)

    async def _work(self) -> None:
        """Wait for the end of a pod that ends: one that sleeps for a time, or one of a Job."""
        for_seconds = pods.sleep_seconds(self.pod)
        if for_seconds == float("inf") or (for_seconds is None and not pods.ends(self.pod)):
            return
        began_seconds = self._started_seconds or self._clock.now()
        await self._clock.sleep(began_seconds + (for_seconds or 0.0) - self._clock.now())
        for workload in self._context.workloads.prefetched_by(self.pod):
            await self.machine.disk.fetch(workload.weights, workload.spec.weights_seconds)
        self._log("ended")
        self._write_ended(0)

    async def _end(self) -> None:
        """The pod is being deleted: let the engine finish, then delete it."""
        self._log("deleted")
        now_seconds, code = self._clock.now(), TERMINATED
        grace_seconds = pods.grace_seconds(self.pod)
        end_seconds = now_seconds
        if self._joined is not None:
            end_seconds = self._joined.leave(self._name, now_seconds, grace_seconds)
            self._joined, code = None, 0 if end_seconds < now_seconds + grace_seconds else KILLED
        if self._started_seconds is not None:
            first = pods.containers(self.pod)[0]["name"]
            self._event("Killing", f"Stopping container {first}", first)
        await self._clock.sleep(end_seconds - self._clock.now())
        if pods.phase(self.pod) not in pods.ENDED:
            self._write_ended(code)
        await self._writes.drain()
        await self._delete_pod()

    async def _delete_pod(self) -> None:
        await self._client.remove(self.pod)
        self._log("gone")

    # -- helpers

    def _stop_engine(self) -> None:
        """Stop the engine at once; its requests fail."""
        if self._joined is not None:
            self._joined.leave(self._name, self._clock.now(), 0.0)
            self._joined = None

    def _write_running(self, *, ready: bool) -> None:
        now_seconds = self._clock.now()
        address = "" if self.workload is None else self.workload.network.address(self._name)
        began_seconds = now_seconds if self._started_seconds is None else self._started_seconds
        self._write(lambda pod: status.running(pod, address, now_seconds, started_seconds=began_seconds, ready=ready))

    def _write_ended(self, exit_code: int) -> None:
        now_seconds, began_seconds = self._clock.now(), self._started_seconds
        self._write(lambda pod: status.ended(pod, now_seconds, started_seconds=began_seconds, exit_code=exit_code))

    def _write(self, wanted: Callable[[Object], status.Json]) -> None:
        async def write() -> None:
            written = await self._client.write_status(self.pod, wanted(self.pod))
            if _version(written) > _version(self.pod):
                self.pod = written

        self._writes.add(write)

    def _write_waiting(self, reason: str = "ContainerCreating", message: str = "") -> None:
        now_seconds = self._clock.now()
        self._write(lambda pod: status.waiting(pod, self.machine.address, now_seconds, reason, message))

    def _event(self, reason: str, message: str, container: str | None, *, warning: bool = False) -> None:
        now_seconds = self._clock.now()
        event = pulls.event(self.pod, self.machine.name, reason, message, now_seconds, container, warning=warning)
        self._writes.add(lambda: self._client.create_event(event))

    def _switch(self, stage: Coroutine[Any, Any, None]) -> None:
        self._task.cancel()
        self._task = self._context.spawn(stage)

    def _log(self, stage: str) -> None:
        log.info(stage, pod=self._name, node=self.machine.name)


def _version(thing: Object) -> int:
    return int(metadata(thing).get("resourceVersion", 0))
