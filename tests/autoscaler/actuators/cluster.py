"""A cluster for the balloons: the fake API, and watches that see it only when a test lets them.

What it does not do: schedule, pull or preempt by itself. `run_pod`, `preempt`, `expire` and `crash` do so by hand. Its Job
controller gives each Job a pending pod, unless `admits` is false, and takes the pods of Jobs that are gone.
"""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from autoscaler.actuators.balloon import Balloons
from autoscaler.actuators.base import Change, Refused
from autoscaler.actuators.manifest import BalloonSettings
from autoscaler.kube import trim
from autoscaler.kube.client import Kube
from autoscaler.kube.objects import Key, alive, key, labels
from autoscaler.kube.ours import BALLOON, SLOT
from autoscaler.kube.watches import Watches
from crds.notation.timestamps import timestamp
from crds.workload import Workload
from policies.model import Plan, Reason, Rule
from policies.supply import Supply
from tests.autoscaler.kube.workloads import TEMPLATE, policy_object, workload
from tests.support.fake_api import FakeApi, connected
from tests.support.fake_clock import FakeClock
from tests.support.worlds import a_plan, a_supply

JOBS = "/apis/batch/v1/namespaces/ns/jobs"
PODS = "/api/v1/namespaces/ns/pods"
SETTINGS = BalloonSettings(max_balloons=10)


def a_need(wanted: int, awaited: int = 0) -> tuple[Plan, Supply]:
    """A plan of `wanted` prepared nodes, `awaited` of them only for replicas without a node; and the supply beside it."""
    why = (Reason(Rule.HANDOVER, float(wanted)), Reason(Rule.PREPARED, float(wanted - awaited)))
    desired = wanted if awaited else 0  # a hand-over keeps a prepared node for each replica without a node
    return a_plan(desired, prepared=wanted, prepared_reasons=why), a_supply(0, unplaced=awaited)


class Cluster:
    """One controller (until it crashes) and one API."""

    def __init__(self, kube: Kube, api: FakeApi, clock: FakeClock, settings: BalloonSettings = SETTINGS) -> None:
        self.kube, self.api, self.clock, self.settings = kube, api, clock, settings
        self.policies = [workload()]
        self.admits = True  # whether pods of Jobs are admitted
        self.crash()

    def crash(self) -> None:
        """Kill the controller and start it again: all that it remembered is gone. It lists, as reflectors do."""
        self.watches = Watches(self.kube, self.clock, random.Random(1), None)
        self.watches.follow(sorted({each.namespace for each in self.policies}))
        self.balloons = Balloons(self.kube, self.watches, self.settings)
        self.catch_up()

    def catch_up(self) -> None:
        """Let the watches see what is there."""
        for namespace in self.watches.namespaces:
            within = {path: thing for path, thing in self.api.objects.items() if f"/namespaces/{namespace}/" in path}
            self.watches.jobs(namespace).replace(trim.job(thing) for path, thing in within.items() if "/jobs/" in path)
            self.watches.pods(namespace).replace(trim.pod(thing) for path, thing in within.items() if "/pods/" in path)
        self.watches.policies.replace(policy_object(each) for each in self.policies)

    async def ensure(
        self,
        wanted: int,
        of: Workload | None = None,
        template: dict[str, Any] | None = TEMPLATE,
        awaited: int = 0,
        refused: Refused | None = None,
    ) -> Change:
        plan, supply = a_need(wanted, awaited)
        change = await self.balloons.ensure(of or self.policies[0], template, plan, supply, self.clock.now(), refused)
        await self.control()
        self.catch_up()
        return change

    async def control(self) -> None:
        """What the Job controller and the garbage collector do."""
        jobs = {key(job): job for path, job in self.api.objects.items() if "/jobs/" in path and SLOT in labels(job)}
        for path, pod in list(self.api.objects.items()):
            if (
                "/pods/" in path
                and BALLOON in labels(pod)
                and Key(key(pod).namespace, labels(pod)[BALLOON]) not in jobs
            ):
                await self.api.remove(path)
        for at, job in jobs.items():
            path = f"/api/v1/namespaces/{at.namespace}/pods/{at.name}-x"
            if self.admits and alive(job) and path not in self.api.objects:
                pending = {"metadata": job["spec"]["template"]["metadata"], "status": {"phase": "Pending"}}
                await self.api.put(path, pending)

    def jobs(self, ended: bool = False) -> list[str]:
        """Slots of the balloons that are there, by name."""
        return sorted(
            path.rsplit("/", 1)[1].rsplit("-", 1)[0]
            for path, thing in self.api.objects.items()
            if "/jobs/" in path and bool(thing.get("status", {}).get("conditions")) == ended
        )

    def path(self, slot: str) -> str:
        return next(path for path in self.api.objects if f"/jobs/{slot}-" in path)

    async def run_pod(self, slot: str, phase: str = "Running") -> None:
        """A node came and pulled the image."""
        job = self.api.objects[self.path(slot)]
        template = job["spec"]["template"]
        pod = {"metadata": template["metadata"], "spec": {"nodeName": "n"}, "status": {"phase": phase}}
        await self.api.put(f"{PODS}/{job['metadata']['name']}-x", pod)
        self.catch_up()

    async def preempt(self, slot: str) -> None:
        """A replica takes the balloon's place: its pod goes, and with it, without retries, the Job."""
        pod = f"{PODS}/{self.path(slot).rsplit('/', 1)[1]}-x"
        if pod in self.api.objects:
            await self.api.remove(pod)
        await self._end(slot, "BackoffLimitExceeded")

    async def expire(self, slot: str) -> None:
        await self._end(slot, "DeadlineExceeded")

    async def crash_container(self, slot: str) -> None:
        """The image has no `sleep`: the container fails and its pod stays."""
        await self.run_pod(slot, "Failed")
        await self._end(slot, "BackoffLimitExceeded")

    async def _end(self, slot: str, reason: str) -> None:
        path = self.path(slot)
        at = timestamp(self.clock.now())
        failed = {"type": "Failed", "status": "True", "reason": reason, "lastTransitionTime": at}
        await self.api.put(path, {**self.api.objects[path], "status": {"conditions": [failed]}})
        self.catch_up()


@asynccontextmanager
async def cluster(folder: Path, settings: BalloonSettings = SETTINGS) -> AsyncIterator[Cluster]:
    clock = FakeClock()
    api = FakeApi(now=clock.now)
    async with connected(api, folder) as kube:
        yield Cluster(kube, api, clock, settings)
