"""The stand-in on an API in memory and a clock that only the test moves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from autoscaler.kube.objects import condition
from crds.notation.timestamps import timestamp
from tests.e2e.standin.control import Control
from tests.e2e.standin.kubelet import Kubelet
from tests.e2e.standin.kubelet_client import Client
from tests.e2e.standin.metrics import Pages
from tests.e2e.standin.workloads import Workloads
from tests.support.fake_clock import FakeClock
from tests.support.fake_kube import FakeKube

Json = dict[str, Any]
IMAGE = "vllm/vllm-openai:v0.32.0"
PORT = 18473
LLM = "/workloads/ns/llm"
STEADY = {"requests_per_second": 2, "prompt_tokens": 500, "output_tokens": 100}


def spec(**changes: object) -> Json:
    """A workload whose replica is ready 4 + 2 + 3 s after its binding."""
    stages = {"image_seconds": 4, "weights_seconds": 2, "warmup_seconds": 3}
    return {"selector": {"app": "llm"}, "port": PORT, **stages, **changes}


def steady(rate: float = 1.0, duration_seconds: float = 600.0, **changes: object) -> Json:
    return {"rate": rate, "steady": STEADY | changes, "duration_seconds": duration_seconds}


def pod_path(name: str) -> str:
    return f"/api/v1/namespaces/ns/pods/{name}"


class Rig:
    """A running stand-in, and what everyone else in the cluster would do."""

    def __init__(
        self, clock: FakeClock, kube: FakeKube, workloads: Workloads, control: TestClient[web.Request, web.Application]
    ) -> None:
        self.clock, self.kube, self.workloads, self.control = clock, kube, workloads, control

    async def put(self, body: Json | None = None, path: str = LLM) -> Json:
        answer = await self.control.put(path, json=spec() if body is None else body)
        assert answer.status == 200, await answer.text()
        return cast(Json, await answer.json())

    async def report(self, path: str = LLM) -> Json:
        """What the control API reports about a workload: score, pods, nodes."""
        answer = await self.control.get(path)
        assert answer.status == 200, await answer.text()
        return cast(Json, await answer.json())

    async def node(self, name: str = "n1", ready: str = "True", gpus: int = 4, annotations: Json | None = None) -> None:
        """A node appears, or changes; annotations are those of the stand-in, without their prefix."""
        given = {f"outrider.test/{each}": value for each, value in (annotations or {}).items()}
        about = {"uid": f"uid of {name} from {self.clock.now()}", "annotations": given}
        conditions = [{"type": "Ready", "status": ready}]
        status = {"capacity": {"nvidia.com/gpu": str(gpus)} if gpus else {}, "conditions": conditions}
        path = f"/api/v1/nodes/{name}"
        self.kube.objects.put(
            path, {"status": status} if path in self.kube.objects else {"metadata": about, "status": status}
        )
        await self.later(0)

    async def bind(
        self,
        name: str,
        node: str = "n1",
        *,
        app: str = "llm",
        command: tuple[str, ...] = (),
        image: str = IMAGE,
        gpus: int = 1,
        **more: object,
    ) -> None:
        """A pod appears, bound to a node, by default with one GPU; `more` is of its spec."""
        resources = {"limits": {"nvidia.com/gpu": str(gpus)}} if gpus else {}
        container = {"name": "vllm", "image": image, "resources": resources, "command": list(command)}
        scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": timestamp(self.clock.now())}
        self.kube.objects.put(
            pod_path(name),
            {
                "metadata": {"labels": {"app": app}},
                "spec": {"nodeName": node, "containers": [container], **more},
                "status": {"phase": "Pending", "conditions": [scheduled]},
            },
        )
        await self.later(0)

    async def later(self, seconds: float) -> None:
        """Let time pass; everything due meanwhile happens at its own time."""
        await self.clock.advance(seconds)

    def pod(self, name: str) -> Json:
        return self.kube.objects[pod_path(name)]

    def stage(self, name: str) -> str:
        """The stage of a pod, by what the API holds."""
        pod = self.kube.objects.get(pod_path(name))
        if pod is None:
            return "Gone"
        ready = condition(pod, "Ready") is not None
        return "Ready" if ready else pod["status"]["phase"]

    def reasons(self, name: str) -> list[str]:
        return [event["reason"] for event in self._events(name)]

    def messages(self, name: str) -> list[str]:
        return [event["message"] for event in self._events(name)]

    def _events(self, name: str) -> list[Json]:
        return [event for event in self.kube.events if event["involvedObject"]["name"] == name]

    async def page(self, name: str) -> tuple[int, str]:
        """Status and text of a pod's /metrics. Raises aiohttp's errors."""
        url = f"http://{self.pod(name)['status']['podIP']}:{PORT}/metrics"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status, await answer.text()


@asynccontextmanager
async def a_standin(clock: FakeClock, kube: FakeKube, saved: Path) -> AsyncIterator[Rig]:
    """Run the stand-in; it may be started again on the same API."""
    workloads = Workloads(clock, Pages(clock), saved)
    await workloads.restore()
    kubelet = Kubelet(cast(Client, kube), clock, workloads, clock)
    work = asyncio.create_task(kubelet.run())
    async with TestClient(TestServer(Control(workloads, kubelet, clock).application())) as control:
        await clock.advance(0)
        try:
            yield Rig(clock, kube, workloads, control)
            assert not work.done(), work.exception()
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await workloads.close()
