"""Watches pods and nodes, runs the lifecycle of every pod that has a node, and adds what a node has late."""

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

import structlog

from autoscaler.clock import Clock
from autoscaler.kube.collection import Collection
from autoscaler.kube.objects import Key, Object, key, uid
from autoscaler.kube.reflector import Reflector
from autoscaler.kube.store import Store
from tests.e2e.standin import pods
from tests.e2e.standin.disk import Disk, Machine, baked_images, late_gpus
from tests.e2e.standin.kubelet_client import NODES, PODS, Client, KubeletClient
from tests.e2e.standin.lifecycle import PodContext, PodLifecycle
from tests.e2e.standin.workloads import Workloads

ADVANCE_SECONDS = 0.2

log = structlog.get_logger("standin")


class Kubelet:
    """The kubelets of all nodes. `retries` is the clock of the back-off while the API is away."""

    def __init__(self, client: Client, clock: Clock, workloads: Workloads, retries: Clock) -> None:
        self._client, self._clock, self._services, self._retries = client, clock, workloads, retries
        self._writer = KubeletClient(client, clock)
        self._pods, self._nodes = Store(), Store()
        self._lifecycles: dict[Key, PodLifecycle] = {}
        self._machines: dict[str, Machine] = {}
        self._gone: list[Machine] = []
        self._group: asyncio.TaskGroup | None = None
        self._pods.subscribe(self._pod_changed)
        self._nodes.subscribe(self._node_changed)

    @property
    def synced(self) -> bool:
        """Whether pods and nodes are known and the API answers."""
        return all(store.synced and store.stale_since is None for store in (self._pods, self._nodes))

    @property
    def machines(self) -> list[Machine]:
        """Every node with a GPU that has ever existed."""
        return [machine for machine in (*self._gone, *self._machines.values()) if machine.gpus]

    async def run(self) -> None:
        """Be the kubelets until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self._reflect(NODES, self._nodes))
            group.create_task(self._reflect(PODS, self._pods))
            while True:
                await self._clock.sleep(ADVANCE_SECONDS)
                self._services.advance()

    def reattach(self) -> None:
        """The workloads have changed: attach each pod whose workload is another one now."""
        for pod in self._pods:
            self._record(pod)
        for lifecycle in self._lifecycles.values():
            if lifecycle.workload is not self._services.of(lifecycle.pod):
                lifecycle.reattach()

    async def _reflect(self, collection: Collection, store: Store) -> None:
        rng = random.Random()
        await Reflector(self._client, collection, store, clock=self._retries, rng=rng, trim=_without_managers).run()

    def _pod_changed(self, thing: Object) -> None:
        where, pod = key(thing), self._pods.get(*key(thing))
        lifecycle = self._lifecycles.get(where)
        if lifecycle is not None and (pod is None or uid(pod) != lifecycle.uid):
            del self._lifecycles[where]
            lifecycle.pod_gone()
        self._record(thing, gone=pod is None)
        if pod is None:
            return
        if where not in self._lifecycles and pods.is_ours(pod):
            self._lifecycles[where] = PodLifecycle(pod, self._machine(pod["spec"]["nodeName"]), self._context())
        if where in self._lifecycles:
            self._lifecycles[where].update(pod)

    def _node_changed(self, thing: Object) -> None:
        name = key(thing)[1]
        node, machine = self._nodes.get("", name), self._machines.get(name)
        if machine is not None and machine.uid and (node is None or uid(node) != machine.uid):
            self._node_gone(machine)
        if node is None:
            return
        machine = self._machine(name)
        new = not machine.uid
        machine.update(node, self._clock.now())
        if new:
            self._spawn(self._register(node))

    async def _register(self, node: Object) -> None:
        """A node has appeared: list the images that it came with, and add its GPUs when they are due."""
        name, images, due = key(node)[1], baked_images(node), late_gpus(node)
        if images:
            await self._writer.write_images(name, images)
        if due is not None:
            gpus, seconds = due
            await self._clock.sleep(seconds)
            await self._writer.write_gpus(name, gpus)
            log.info("GPUs", node=name, gpus=gpus)

    def _node_gone(self, machine: Machine) -> None:
        log.info("node gone", node=machine.name)
        del self._machines[machine.name]
        self._gone.append(machine)
        machine.remove(self._clock.now())
        for lifecycle in self._lifecycles.values():
            if lifecycle.machine is machine:
                lifecycle.node_gone()

    def _machine(self, name: str) -> Machine:
        if name not in self._machines:
            self._machines[name] = Machine(name, Disk(self._clock))
        return self._machines[name]

    def _record(self, pod: Object, *, gone: bool = False) -> None:
        workload = self._services.of(pod) if pods.gpus(pod) else None
        if workload is not None:
            times = workload.times_of(pod)
            times.observe(pod, self._clock.now())
            if gone:
                times.gone = self._clock.now()

    def _context(self) -> PodContext:
        return PodContext(self._clock, self._writer, self._services, self._spawn)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        if self._group is None:
            raise RuntimeError("lifecycles start after run")
        return self._group.create_task(work)


def _without_managers(thing: Object) -> Object:
    about = {name: value for name, value in thing["metadata"].items() if name != "managedFields"}
    return {**thing, "metadata": about}
