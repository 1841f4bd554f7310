"""What is watched in Outrider's own namespace for the standby of pools: its Jobs, their pods, and the Events about pods."""

import asyncio
import random
from collections.abc import Callable

from autoscaler.actuators.standby.refusals import Refusals
from autoscaler.clock import Clock
from autoscaler.kube import collection, trim
from autoscaler.kube.client import Kube
from autoscaler.kube.collection import Collection
from autoscaler.kube.objects import Object, deleting, ended, node
from autoscaler.kube.ours import MANAGED_BY, MANAGER, STANDBY, STANDBYS
from autoscaler.kube.reflector import Reflector, Tail
from autoscaler.kube.store import Store, Stream


class StandbyWatches:
    """The stores, which are kept up to date from the first time that they are wanted."""

    def __init__(self, kube: Kube, clock: Clock, rng: random.Random, namespace: str) -> None:
        self._kube = kube
        self._clock = clock
        self._rng = rng
        self._wanted = asyncio.Event()
        self.namespace = namespace
        self.jobs = Store()
        self.pods = Store()
        self.refusals = Refusals()

    def want(self) -> None:
        """Begin to watch, if nothing has yet: there is a pool."""
        self._wanted.set()

    def held_nodes(self) -> frozenset[str]:
        """The nodes that stand by."""
        return frozenset(node(pod) for pod in self.pods if node(pod) and not ended(pod) and not deleting(pod))

    async def run(self) -> None:
        """Watch until cancelled."""
        await self._wanted.wait()
        events = Stream()
        events.subscribe(lambda event: self.refusals.saw(event, self._clock.now()))
        about_pods = Collection("v1", "events", self.namespace, field_selector="involvedObject.kind=Pod")
        jobs = collection.jobs(self.namespace, STANDBYS)
        pods = Collection("v1", "pods", self.namespace, f"{MANAGED_BY}={MANAGER},{STANDBY}")
        async with asyncio.TaskGroup() as group:
            group.create_task(self._reflect(Reflector, jobs, self.jobs, trim.job))
            group.create_task(self._reflect(Reflector, pods, self.pods, trim.pod))
            group.create_task(self._reflect(Tail, about_pods, events, trim.event))

    async def _reflect(
        self, kind: type[Reflector], what: Collection, store: Store, kept: Callable[[Object], Object]
    ) -> None:
        await kind(self._kube, what, store, clock=self._clock, rng=self._rng, trim=kept).run()
