"""A cluster for the fetches: the fake API, and watches that see it only when a test lets them.

What it does not do: pull, start, evict or end anything by itself; `kubelet`, `pulled` and `end` do so by hand. Its Job controller
gives each Job a pending pod, unless `admits` is false, and takes the pods of Jobs that are gone.
"""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from autoscaler.actuators.base import Change, Refused
from autoscaler.actuators.fetching import YOUNG_SECONDS, Fetches, FetchSettings
from autoscaler.actuators.wishes import wish
from autoscaler.kube import trim
from autoscaler.kube.client import Kube
from autoscaler.kube.objects import key, labels, metadata
from autoscaler.kube.ours import FETCH, FETCH_JOB
from autoscaler.kube.watches import Watches
from crds.notation.timestamps import timestamp
from crds.workload import Workload
from policies.model import Mode
from tests.autoscaler.actuators.nodes import NODES, node
from tests.autoscaler.kube.workloads import TEMPLATE, policy_object, workload
from tests.support.fake_api import FakeApi, connected
from tests.support.fake_clock import FakeClock

JOBS = "/apis/batch/v1/namespaces/ns/jobs"
IMAGE = "vllm/vllm-openai:v0.32.0"
NEW_IMAGE = {
    "spec": {**TEMPLATE["spec"], "containers": [{**TEMPLATE["spec"]["containers"][0], "image": "vllm@sha256:new"}]}
}
MODEL = "registry.example.com/models/chat@sha256:0123"
DENIED = "failed to pull image: 401 Unauthorized"


def pulling(name: str = "chat", namespace: str = "ns", mode: Mode = Mode.ACTIVE, **changes: Any) -> Workload:
    return replace(workload(name, mode, namespace=namespace), pre_pull=True, **changes)


class Cluster:
    """A controller that can crash, an API, and what the Job controller and the kubelets do to what is there."""

    def __init__(self, kube: Kube, api: FakeApi, clock: FakeClock, settings: FetchSettings) -> None:
        self.kube, self.api, self.clock, self.settings = kube, api, clock, settings
        self.policies = [pulling()]
        self.admits = True  # whether pods of Jobs are admitted
        self.crash()

    def crash(self) -> None:
        """Kill the controller and start it again: all that it remembered is gone."""
        self.watches = Watches(self.kube, self.clock, random.Random(1), None)
        self.watches.follow(sorted({each.namespace for each in self.policies}))
        self.fetches = Fetches(self.kube, self.watches, self.settings)
        self.catch_up()

    def catch_up(self) -> None:
        """Let the watches see what is there."""
        for namespace in self.watches.namespaces:
            within = {path: thing for path, thing in self.api.objects.items() if f"/namespaces/{namespace}/" in path}
            self.watches.pods(namespace).replace(trim.pod(thing) for path, thing in within.items() if "/pods/" in path)
            ours = [thing for path, thing in within.items() if "/jobs/" in path and FETCH in labels(thing)]
            self.watches.fetches(namespace).replace(map(trim.job, ours))
        nodes = [thing for path, thing in self.api.objects.items() if path.startswith(NODES)]
        self.watches.nodes.replace(map(trim.node, nodes))
        self.watches.policies.replace(policy_of(each) for each in self.policies)

    async def add(self, *nodes: dict[str, Any]) -> None:
        for each in nodes:
            await self.api.put(f"{NODES}/{each['metadata']['name']}", each)
        self.catch_up()

    async def ensure(
        self,
        of: Workload | None = None,
        template: dict[str, Any] = TEMPLATE,
        probability: float = 1.0,
        refused: Refused | None = None,
        asks: bool = True,
    ) -> Change:
        of = of or self.policies[0]
        wanted = wish(of, template, probability, self.settings) if asks else None
        change = await self.fetches.ensure(of, wanted, self.clock.now(), refused)
        await self.control()
        return change

    async def control(self) -> None:
        """What the Job controller and the garbage collector do."""
        jobs = {key(job).name: job for path, job in self.api.objects.items() if "/jobs/" in path}
        for path, pod in list(self.api.objects.items()):
            if "/pods/" in path and FETCH_JOB in labels(pod) and labels(pod)[FETCH_JOB] not in jobs:
                await self.api.remove(path)
        for name, job in jobs.items():
            path = f"/api/v1/namespaces/{key(job).namespace}/pods/{name}-x"
            if self.admits and path not in self.api.objects and not job.get("status", {}).get("conditions"):
                template = job["spec"]["template"]
                pending = {**template, "status": {"phase": "Pending"}}
                await self.api.put(path, pending)
        self.catch_up()

    @property
    def where(self) -> dict[str, str]:
        """The image of each node that has a Job which has not ended."""
        return {
            f"{metadata(job)['annotations']['outrider.dev/node']}": metadata(job)["annotations"]["outrider.dev/fetched"]
            for path, job in self.api.objects.items()
            if "/jobs/" in path and not job.get("status", {}).get("conditions")
        }

    def job(self, at: str) -> tuple[str, dict[str, Any]]:
        return next(
            (path, job)
            for path, job in self.api.objects.items()
            if "/jobs/" in path and metadata(job)["annotations"]["outrider.dev/node"] == at
        )

    async def kubelet(self, at: str, phase: str = "Pending", **state: Any) -> None:
        """What the kubelet of a node says of the pod there."""
        _, job = self.job(at)
        path = f"/api/v1/namespaces/{key(job).namespace}/pods/{key(job).name}-x"
        said = {"phase": phase, "containerStatuses": [{"name": "hold", "state": state}]}
        await self.api.put(path, {"status": said})
        self.catch_up()

    async def pulled(self, at: str) -> None:
        await self.kubelet(at, "Running", running={})

    async def end(self, at: str, kind: str = "Failed", reason: str = "BackoffLimitExceeded") -> None:
        path, job = self.job(at)
        over = {"type": kind, "status": "True", "reason": reason, "lastTransitionTime": timestamp(self.clock.now())}
        await self.api.put(path, {**job, "status": {"conditions": [over]}})
        self.catch_up()

    def young(self, name: str, **about: Any) -> dict[str, Any]:
        return node(name, created_seconds=self.clock.now(), **about)

    def old(self, name: str, **about: Any) -> dict[str, Any]:
        return node(name, created_seconds=self.clock.now() - 2 * YOUNG_SECONDS, **about)

    async def replica_on(self, name: str) -> None:
        await self.api.put(
            "/api/v1/namespaces/ns/pods/chat-7d-x", {"spec": {"nodeName": name}, "status": {"phase": "Running"}}
        )
        self.catch_up()


def policy_of(each: Workload) -> dict[str, Any]:
    known = policy_object(each)
    asks = {"image": {"prePull": each.pre_pull}, "weights": {"method": each.weights.method.value}}
    return {**known, "spec": {**known["spec"], **asks}}


@asynccontextmanager
async def cluster(folder: Path, settings: FetchSettings | None = None) -> AsyncIterator[Cluster]:
    clock = FakeClock()
    api = FakeApi(now=clock.now)
    async with connected(api, folder) as kube:
        yield Cluster(kube, api, clock, settings or FetchSettings())
