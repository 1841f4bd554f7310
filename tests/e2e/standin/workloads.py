"""The workloads whose pods the stand-in runs: their configuration, engines, addresses and faults."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
from aiohttp import web

from autoscaler.clock import Clock
from autoscaler.kube.objects import Object, key, labels
from replay.simcluster.network import PodNetwork
from tests.e2e.standin import pods, traffic
from tests.e2e.standin.disk import Disk
from tests.e2e.standin.fleet import Fleet
from tests.e2e.standin.pods import Times
from tests.e2e.standin.spec import ServiceSpec

IMAGE_SECONDS = 0.5  # of images that belong to no workload

log = structlog.get_logger("standin")


class Addresses(PodNetwork):
    """The pods' addresses for one port."""

    def keep(self, pod: str, address: str) -> None:
        """Give a pod the address that it had before, if it is free."""
        if pod not in self._addresses and address in self._free:
            self._free.remove(address)
            self._addresses[pod], self._pods[address] = address, pod


class Workload:
    """One workload. Pods are named NAMESPACE/NAME, times are wall seconds."""

    def __init__(self, namespace: str, name: str, spec: ServiceSpec, fleet: Fleet, network: Addresses) -> None:
        self.namespace, self.name, self.spec, self.fleet, self.network = namespace, name, spec, fleet, network
        self.fault = self.pulls = "ok"
        self.fault_changed = asyncio.Event()
        self.images: set[str] = set()  # of its engines
        self.times: dict[str, Times] = {}
        self.stages: dict[str, str] = {}  # of engines that say theirs
        self.weights = f"weights of {namespace}/{name}"  # the marker on a node's disk
        self._shared_cache: set[str] = set()  # the engine images whose graphs are on the shared volume

    def owns(self, pod: Object) -> bool:
        """Whether a pod is one of its replicas."""
        held = labels(pod)
        chosen = all(held.get(name) == value for name, value in self.spec.selector.items())
        return chosen and key(pod)[0] == self.namespace and pods.sleep_seconds(pod) is None

    def prefetched_by(self, pod: Object) -> bool:
        """Whether a pod brings its weights to a node."""
        held, wanted = labels(pod), self.spec.prefetch_selector
        return bool(wanted) and key(pod)[0] == self.namespace and wanted.items() <= dict(held).items()

    def warmup_seconds(self, disk: Disk, image: str) -> float:
        """How long an engine warms up on the node with that disk: a new image compiles anew."""
        cached_seconds = self.spec.cached_warmup_seconds
        hit = image in self._shared_cache if self.spec.compile_cache == "shared" else self._graphs(image) in disk
        return cached_seconds if hit and cached_seconds is not None else self.spec.warmup_seconds

    def warmed_up(self, disk: Disk, image: str) -> None:
        """An engine has warmed up: its graphs are in both caches."""
        self._shared_cache.add(image)
        disk.add(self._graphs(image))

    def _graphs(self, image: str) -> str:
        return f"graphs of {self.namespace}/{self.name} for {image}"

    def times_of(self, pod: Object) -> Times:
        """The record of a pod; a new one for a new pod of an old name."""
        name = key(pod)[1]
        if name not in self.times or self.times[name].gone is not None:
            self.times[name] = Times()
        return self.times[name]

    def join(self, pod: str, now_seconds: float) -> None:
        """A pod's engine is up: it listens and accepts requests."""
        self.fleet.join(pod, now_seconds)
        if self.fault != "refuse":
            self.network.open(pod)

    def at_stage(self, pod: str, stage: str) -> None:
        """A pod's engine is at a stage of its start; it listens where the workload's engines say so."""
        if self.spec.readiness_stages:
            self.stages[pod] = stage
            self.network.open(pod)

    def leave(self, pod: str, now_seconds: float, grace_seconds: float) -> float:
        """Close a pod's listener; returns when its engine will have finished."""
        self.network.close(pod)
        return self.fleet.leave(pod, now_seconds, grace_seconds)

    def restart(self, spec: ServiceSpec, fleet: Fleet, now_seconds: float) -> None:
        """Restart the traffic, and with it the engines of the pods that serve."""
        for pod in self.fleet.pods:
            fleet.join(pod, now_seconds)
        self.spec, self.fleet = spec, fleet

    def set_fault(self, fault: str) -> None:
        """Set how /metrics behave from now on."""
        self.fault = fault
        self.fault_changed.set()
        self.fault_changed = asyncio.Event()
        for pod in self.fleet.pods:
            if fault == "refuse":
                self.network.close(pod)
            else:
                self.network.open(pod)


class Workloads:
    """All workloads. `listen` makes the application of a new port; the file `saved` survives a restart."""

    def __init__(self, clock: Clock, listen: Callable[["Workloads", Addresses], web.Application], saved: Path) -> None:
        self._clock, self._listen, self._saved = clock, listen, saved
        self._workloads: dict[tuple[str, str], Workload] = {}
        self._networks: dict[int, Addresses] = {}

    def get(self, namespace: str, name: str) -> Workload | None:
        """One workload, or None."""
        return self._workloads.get((namespace, name))

    def names(self) -> list[str]:
        """All workloads, as NAMESPACE/NAME."""
        return ["/".join(where) for where in self._workloads]

    def of(self, pod: Object) -> Workload | None:
        """The workload that a pod is a replica of."""
        found = next((workload for workload in self._workloads.values() if workload.owns(pod)), None)
        if found is not None:
            found.images |= {each["image"] for each in pods.containers(pod) if pods.gpus_of(each)}
        return found

    def serving(self, pod: str) -> Workload | None:
        """The workload of a pod that serves."""
        return next((workload for workload in self._workloads.values() if pod in workload.fleet.pods), None)

    def stage_of(self, pod: str) -> str | None:
        """The stage of a pod's engine; None if it does not say."""
        return next((each.stages[pod] for each in self._workloads.values() if pod in each.stages), None)

    def image_seconds(self, pod: Object, image: str) -> float:
        """How long a pod's image takes: its workload's time, also for a balloon of that workload."""
        near = [workload for workload in self._workloads.values() if workload.namespace == key(pod)[0]]
        known = [workload for workload in near if image in workload.images]
        others = [each.spec.images[image] for each in near if image in each.spec.images]
        if others or pods.is_pause(image):
            return others[0] if others else IMAGE_SECONDS
        if not known and len(near) == 1 and pods.sleep_seconds(pod) is not None:
            known = near  # a balloon that comes before the first replica
        return known[0].spec.image_seconds if known else IMAGE_SECONDS

    def pull_fault(self, pod: Object, image: str) -> str:
        """What becomes of a pull of this image: ok, denied or disk full."""
        near = [workload for workload in self._workloads.values() if workload.namespace == key(pod)[0]]
        faults = (each.pulls for each in near if image in each.images or image in each.spec.images)
        return next(faults, "ok")

    def prefetched_by(self, pod: Object) -> list[Workload]:
        """The workloads whose weights a pod brings to its node."""
        return [workload for workload in self._workloads.values() if workload.prefetched_by(pod)]

    async def put(self, namespace: str, name: str, spec: ServiceSpec, started_seconds: float | None = None) -> Workload:
        """Create a workload, or give it a new configuration. Its traffic starts now, or goes on from `started_seconds`.

        Raises BadRequestError, or NetworkError for its port.
        """
        scenario = await asyncio.to_thread(traffic.scenario, spec)
        network = await self._network(spec.port)
        now_seconds = self._clock.now()
        rate, epoch_seconds = (spec.traffic.rate, spec.traffic.epoch_seconds) if spec.traffic else (1.0, None)
        if started_seconds is not None:
            scenario = traffic.after(scenario, (now_seconds - started_seconds) * rate)
        fleet = Fleet(scenario, rate, now_seconds if started_seconds is None else started_seconds, epoch_seconds)
        workload = self.get(namespace, name)
        if workload is not None and (workload.spec.port, workload.spec.selector) == (spec.port, spec.selector):
            workload.restart(spec, fleet, now_seconds)
        else:
            if workload is not None:
                self.drop(namespace, name)
            workload = self._workloads[namespace, name] = Workload(namespace, name, spec, fleet, network)
        self._save()
        log.info("workload.put", workload=f"{namespace}/{name}", traffic=scenario.name, requests=len(scenario.requests))
        return workload

    async def restore(self) -> None:
        """Put the saved workloads again. Requests that arrived before now are lost."""
        if self._saved.exists():
            for line in self._saved.read_text().splitlines():
                namespace, name, spec, started_seconds = json.loads(line)
                await self.put(namespace, name, ServiceSpec.model_validate(spec), started_seconds)

    def drop(self, namespace: str, name: str) -> None:
        """Remove a workload; its pods then belong to none."""
        self._workloads.pop((namespace, name)).set_fault("ok")  # so that requests that hang can end
        self._save()

    def advance(self) -> None:
        """Bring all engines up to the present."""
        for workload in self._workloads.values():
            workload.fleet.advance(self._clock.now())

    async def close(self) -> None:
        """Stop listening."""
        for workload in self._workloads.values():
            workload.set_fault("ok")  # so that requests that hang can end
        stops: list[Awaitable[None]] = [network.stop() for network in self._networks.values()]
        await asyncio.gather(*stops)

    async def _network(self, port: int) -> Addresses:
        network = self._networks.get(port)
        if network is None:
            network = self._networks[port] = Addresses(port)
            await network.start(self._listen(self, network))
        return network

    def _save(self) -> None:
        lines = (
            json.dumps([*where, workload.spec.model_dump(), workload.fleet.started_seconds])
            for where, workload in self._workloads.items()
        )
        self._saved.write_text("\n".join(lines))
