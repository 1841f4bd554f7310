"""Everything that is watched: policies and, in each namespace that has one, pods and balloon Jobs.

On demand, nodes, fetches, and GPUPools with the labels of all namespaces.
"""

import asyncio
import random
from collections.abc import Callable, Iterable
from functools import partial

import structlog

from autoscaler.clock import Clock
from autoscaler.kube import collection, trim
from autoscaler.kube.client import Kube
from autoscaler.kube.collection import Collection
from autoscaler.kube.errors import KubeError
from autoscaler.kube.objects import Object
from autoscaler.kube.ours import BALLOONS, FETCHES
from autoscaler.kube.reflector import Reflector
from autoscaler.kube.store import Store
from crds.notation.selectors import Selector

AGAIN_SECONDS = 60.0  # until GPUPools are looked for again where they cannot be read

_log = structlog.get_logger(__name__)


class Watches:
    """The stores, and the tasks that keep them up to date."""

    def __init__(self, kube: Kube, clock: Clock, rng: random.Random, namespace: str | None) -> None:
        self._kube = kube
        self._clock = clock
        self._rng = rng
        self._listeners: list[Callable[[str, Selector], None]] = []
        self._policies_at = collection.policies(namespace)
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._pods: dict[str, Store] = {}
        self._jobs: dict[str, Store] = {}
        self._fetches: dict[str, Store] = {}
        self.policies = Store()
        self._nodes: Store | None = None  # until they are asked for
        self._pools: tuple[Store, Store] | None = None  # likewise: GPUPools and namespaces
        self.pools_problem = ""
        """Why GPUPools cannot be read; empty while they can, and before it is known."""

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces whose pods and Jobs are watched."""
        return tuple(self._pods)

    @property
    def fetching(self) -> tuple[str, ...]:
        """The namespaces of which `fetches` has been asked."""
        return tuple(self._fetches)

    def pods(self, namespace: str) -> Store:
        """The pods of a watched namespace; empty and not synced for any other."""
        return self._pods.get(namespace) or Store()

    def jobs(self, namespace: str) -> Store:
        """The balloon Jobs of a watched namespace; empty and not synced for any other."""
        return self._jobs.get(namespace) or Store()

    @property
    def nodes(self) -> Store:
        """The nodes, watched from the first time that they are asked for."""
        if self._nodes is None:
            self._nodes = Store()
            self._start_nodes(self._nodes)
        return self._nodes

    @property
    def pools(self) -> Store:
        """The GPUPools, watched from the first time that they are asked for."""
        return self._pool_stores[0]

    @property
    def all_namespaces(self) -> Store:
        """The namespaces with their labels, watched together with the GPUPools."""
        return self._pool_stores[1]

    @property
    def _pool_stores(self) -> tuple[Store, Store]:
        if self._pools is None:
            self._pools = Store(), Store()
            self._start_pools(*self._pools)
        return self._pools

    def fetches(self, namespace: str) -> Store:
        """The Jobs of a watched namespace that bring images and weights to nodes, watched from the first time that it is asked."""
        if namespace in self._pods and namespace not in self._fetches:
            self._fetches[namespace] = Store()
            self._start_fetches(namespace)
        return self._fetches.get(namespace) or Store()

    def subscribe(self, listener: Callable[[str, Selector], None]) -> None:
        """Call `listener` with a namespace and a selector that was asked for where the pods that it matches have changed."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for namespace in self._pods:
                self._start(namespace)
            if self._nodes is not None:
                self._start_nodes(self._nodes)
            if self._pools is not None:
                self._start_pools(*self._pools)
            await self._reflect(self._policies_at, self.policies, trim.policy)

    def follow(self, namespaces: Iterable[str]) -> None:
        """Watch the pods and Jobs of exactly these namespaces."""
        wanted = set(namespaces)
        for namespace in set(self._pods) - wanted:
            del self._pods[namespace], self._jobs[namespace]
            self._fetches.pop(namespace, None)
            for task in self._tasks.pop(namespace, ()):
                task.cancel()
        for namespace in sorted(wanted - set(self._pods)):
            self._pods[namespace], self._jobs[namespace] = Store(), Store()
            self._pods[namespace].subscribe_selections(partial(self._notify, namespace))
            self._start(namespace)

    def _start(self, namespace: str) -> None:
        if self._group is None:
            return
        pods, jobs = collection.pods(namespace), collection.jobs(namespace, BALLOONS)
        self._tasks[namespace] = [
            self._group.create_task(self._reflect(pods, self._pods[namespace], trim.pod)),
            self._group.create_task(self._reflect(jobs, self._jobs[namespace], trim.job)),
        ]
        if namespace in self._fetches:
            self._start_fetches(namespace)

    def _start_nodes(self, nodes: Store) -> None:
        if self._group is not None:
            self._group.create_task(self._reflect(collection.nodes(), nodes, trim.node))

    def _start_pools(self, pools: Store, namespaces: Store) -> None:
        if self._group is not None:
            self._group.create_task(self._reflect_pools(pools, namespaces))

    async def _reflect_pools(self, pools: Store, namespaces: Store) -> None:
        """Where the kind or the right to read it is missing, look again from time to time: both may come."""
        while not await self._pools_readable():
            await self._clock.sleep(AGAIN_SECONDS)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._reflect(collection.gpu_pools(), pools, trim.policy))
            group.create_task(self._reflect(collection.namespaces(), namespaces, trim.namespace))

    async def _pools_readable(self) -> bool:
        before = self.pools_problem
        try:
            for what in (collection.gpu_pools(), collection.namespaces()):
                await self._kube.get(what.path, {"limit": "1"})
        except KubeError as error:
            self.pools_problem = str(error)
            if self.pools_problem != before:
                _log.warning("pools.not_read", error=str(error), instead="policies with a pool do not grow")
            return False
        self.pools_problem = ""
        return True

    def _start_fetches(self, namespace: str) -> None:
        if self._group is not None:
            fetches = collection.jobs(namespace, FETCHES)
            task = self._group.create_task(self._reflect(fetches, self._fetches[namespace], trim.job))
            self._tasks.setdefault(namespace, []).append(task)

    async def _reflect(self, what: Collection, store: Store, kept: Callable[[Object], Object]) -> None:
        await Reflector(self._kube, what, store, clock=self._clock, rng=self._rng, trim=kept).run()

    def _notify(self, namespace: str, selector: Selector) -> None:
        for listener in self._listeners:
            listener(namespace, selector)
