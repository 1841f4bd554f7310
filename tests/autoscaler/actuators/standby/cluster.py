"""A cluster for the standby of pools: the fake API, and watches that see it only when a test lets them.

What it does not do: schedule, pull, preempt or bring nodes by itself. `land`, `preempt`, `expire` and `crash` do so by hand. Its
Job controller gives each Job a pending pod, unless `admits` is false, and takes the pods of Jobs that are gone.
"""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from autoscaler.actuators.base import Change
from autoscaler.actuators.standby.jobs import StandbyJobs
from autoscaler.actuators.standby.manifest import HoldSettings
from autoscaler.actuators.standby.watches import StandbyWatches
from autoscaler.kube import trim
from autoscaler.kube.client import Kube
from autoscaler.kube.objects import alive, key, labels, metadata, uid
from autoscaler.kube.ours import SLOT, STANDBY
from autoscaler.kube.store import Store
from crds.notation.timestamps import timestamp
from crds.pool import GpuPool
from policies.pool import StandbyUnit
from tests.autoscaler.actuators.nodes import NODES, node
from tests.support.fake_api import FakeApi, connected
from tests.support.fake_clock import FakeClock
from tests.support.standby_pools import RESERVED, a_gpu_pool, a_pool_plan

OURS = "outrider-system"
JOBS = f"/apis/batch/v1/namespaces/{OURS}/jobs"
PODS = f"/api/v1/namespaces/{OURS}/pods"


class Cluster:
    """One controller (until it crashes) and one API."""

    def __init__(self, kube: Kube, api: FakeApi, clock: FakeClock) -> None:
        self.kube, self.api, self.clock = kube, api, clock
        self.pools = [a_gpu_pool()]
        self.admits = True  # whether pods of Jobs are admitted
        self.images: dict[str, int] = {}  # by node
        self.crash()

    def crash(self) -> None:
        """Kill the controller and start it again: all that it remembered is gone. It lists, as reflectors do."""
        self.watches = StandbyWatches(self.kube, self.clock, random.Random(1), OURS)
        self.nodes = Store()
        self.standby = StandbyJobs(
            self.kube,
            self.watches,
            lambda: self.nodes,
            lambda: {each.uid for each in self.pools},
            HoldSettings(),
            lambda _pool: self.images,
        )
        self.catch_up()

    def catch_up(self) -> None:
        """Let the watches see what is there."""
        there = list(self.api.objects.items())
        self.watches.jobs.replace(trim.job(thing) for path, thing in there if path.startswith(JOBS))
        self.watches.pods.replace(trim.pod(thing) for path, thing in there if path.startswith(PODS))
        self.nodes.replace(trim.node(thing) for path, thing in there if path.startswith(NODES))

    async def ensure(self, of: GpuPool | None = None, /, **nodes: int) -> Change:
        """A turn of a plan that claims so many nodes of each offering."""
        plan = a_pool_plan(self.clock.now(), **nodes)
        change = await self.standby.ensure(of or self.pools[0], plan, self.clock.now())
        await self.control()
        self.catch_up()
        return change

    def observe(self) -> tuple[StandbyUnit, ...] | None:
        return self.standby.observe(self.pools[0], self.clock.now())

    async def control(self) -> None:
        """What the Job controller and the garbage collector do."""
        jobs = {uid(job): job for path, job in self.api.objects.items() if path.startswith(JOBS)}
        for path, pod in list(self.api.objects.items()):
            owners = metadata(pod).get("ownerReferences") or [{}]
            if path.startswith(PODS) and STANDBY in labels(pod) and owners[0].get("uid") not in jobs:
                await self.api.remove(path)
        for job in jobs.values():
            path = f"{PODS}/{key(job).name}-x"
            if self.admits and SLOT in labels(job) and alive(job) and path not in self.api.objects:
                await self.api.put(path, {"metadata": self._of(job), "status": {"phase": "Pending"}})

    @staticmethod
    def _of(job: Any) -> dict[str, Any]:
        """What the pod of a Job is called and belongs to."""
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": key(job).name, "uid": uid(job), "controller": True}
        return {**job["spec"]["template"]["metadata"], "ownerReferences": [owner]}

    def jobs(self) -> list[str]:
        """The Jobs that are there, without the hashes at the end of their names."""
        return sorted(path.rsplit("/", 1)[1].rsplit("-", 1)[0] for path in self.api.objects if path.startswith(JOBS))

    def path(self, slot: str) -> str:
        return next(path for path in self.api.objects if path.startswith(f"{JOBS}/{slot}-"))

    async def add_node(self, name: str, of: str = RESERVED, **about: Any) -> None:
        await self.api.put(f"{NODES}/{name}", self.node(name, of, **about))
        self.catch_up()

    def node(self, name: str, of: str = RESERVED, gpus: int | None = 8, **about: Any) -> dict[str, Any]:
        where = {"karpenter.sh/nodepool": f"h100-{of}"}
        return node(name, created_seconds=self.clock.now(), labels=where, gpus=gpus, **about)

    async def land(self, slot: str, at: str = "n", phase: str = "Running") -> None:
        """A node came, and the pod is there."""
        if f"{NODES}/{at}" not in self.api.objects:
            await self.add_node(at)
        job = self.api.objects[self.path(slot)]
        now = timestamp(self.clock.now())
        seen = [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in ("PodScheduled", "Ready")]
        pod = {
            "metadata": self._of(job),
            "spec": {"nodeName": at},
            "status": {"phase": phase, "conditions": seen},
        }
        await self.api.put(f"{PODS}/{job['metadata']['name']}-x", pod)
        self.catch_up()

    async def preempt(self, slot: str) -> None:
        """A replica takes the node: its pod goes, and with it, without retries, the Job."""
        pod = f"{PODS}/{self.path(slot).rsplit('/', 1)[1]}-x"
        if pod in self.api.objects:
            await self.api.remove(pod)
        await self.end(slot, "BackoffLimitExceeded")

    async def end(self, slot: str, reason: str) -> None:
        path = self.path(slot)
        at = timestamp(self.clock.now())
        failed = {"type": "Failed", "status": "True", "reason": reason, "lastTransitionTime": at}
        await self.api.put(path, {**self.api.objects[path], "status": {"conditions": [failed]}})
        self.catch_up()


@asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[Cluster]:
    clock = FakeClock()
    api = FakeApi(now=clock.now)
    async with connected(api, folder) as kube:
        yield Cluster(kube, api, clock)
