"""The live shell around a fake API: watches, fleet, loop, actors and board as `app` puts them together.

What it does not do:
- scrape: a test hands samples over with `sample`;
- fit forecasts: no fit is ever due within a test;
- serve the board: tests read it;
- move time by itself, but for what `until` needs.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from autoscaler.actuators.balloon import Balloons
from autoscaler.actuators.manifest import BalloonSettings
from autoscaler.control.actor import Tools
from autoscaler.control.fitting import FitProcess
from autoscaler.control.loop import Loop
from autoscaler.control.registry import PolicyRegistry
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.kube.client import Kube
from autoscaler.kube.discovery import Discovery
from autoscaler.kube.watches import Watches
from autoscaler.records.writer import Recorder
from autoscaler.reporting.events import Events
from autoscaler.reporting.status import StatusWriter
from autoscaler.scaler.board import Board
from autoscaler.sources.scrape import Scraper
from policies.model import PodSample, State
from tests.autoscaler.kube.workloads import TEMPLATE
from tests.support.fake_api import FakeApi
from tests.support.fake_clock import FakeClock

PATIENCE_SECONDS = 5.0  # of wall time, for what crosses a socket
APPS = "/apis/apps/v1"


def policy_path(name: str) -> str:
    return f"/apis/outrider.dev/v1alpha1/namespaces/ns/scalingpolicies/{name}"


def spec(target: str, **more: Any) -> dict[str, Any]:
    return {"target": {"name": target}, "maxReplicas": 10, "profile": "8b-l4", **more}


@dataclass
class House:
    api: FakeApi
    clock: FakeClock
    watches: Watches
    loop: Loop
    registry: PolicyRegistry
    board: Board
    scraper: Scraper
    recorder: Recorder
    reading: asyncio.Semaphore
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def target(self, name: str, replicas: int, pods: int | None = None) -> None:
        """A Deployment with its scale and its ready pods."""
        spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": TEMPLATE}
        await self.api.put(f"{APPS}/namespaces/ns/deployments/{name}", {"spec": spec, "status": {"replicas": replicas}})
        for index in range(replicas if pods is None else pods):
            ready = {"conditions": [{"type": "Ready", "status": "True"}], "phase": "Running", "podIP": "127.0.0.1"}
            about = {"metadata": {"labels": {"app": name}}, "spec": {"nodeName": "node"}, "status": ready}
            await self.api.put(f"/api/v1/namespaces/ns/pods/{name}-{index}", about)

    async def policy(self, name: str, wanted: Mapping[str, Any]) -> None:
        """Create or edit a policy, as `kubectl apply` would."""
        before = self.api.objects.get(policy_path(name))
        generation = before["metadata"]["generation"] + 1 if before else 1
        kind = {"apiVersion": "outrider.dev/v1alpha1", "kind": "ScalingPolicy", "metadata": {"generation": generation}}
        await self.api.put(policy_path(name), {**(before or {}), **kind, "spec": wanted})

    def sample(self, pod: str, *, running: float, waiting: float = 0.0, finished: float = 0.0) -> None:
        """What the scraper would have read just now."""
        now = self.clock.now()
        self.scraper.latest[f"ns/{pod}"] = PodSample(pod, now, now - 3600.0, running, waiting, finished)
        self.scraper.changed(f"ns/{pod}")

    def runtime(self, name: str) -> PolicyRuntime:
        return self.loop.runtimes[f"ns/{name}"]

    def desired(self, name: str) -> int | None:
        entry = self.board.get(f"ns/{name}")
        return None if entry is None else entry.desired_replicas

    def status(self, name: str) -> dict[str, Any]:
        return cast(dict[str, Any], self.api.objects[policy_path(name)].get("status") or {})

    async def until(self, true: Callable[[], object]) -> None:
        """Let time pass, a quarter of a second after the other, until something is true."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not true():
                await self.clock.advance(0.25)
                await asyncio.sleep(0.001)

    async def decided(self, name: str) -> None:
        """Until a decision of the policy is on the board that is younger than now."""
        now = self.clock.now()
        await self.until(lambda: (plan := self._plan(name)) is not None and plan > now)

    def _plan(self, name: str) -> float | None:
        runtime = self.loop.runtimes.get(f"ns/{name}")
        return runtime.plan.at_seconds if runtime and runtime.plan else None


@asynccontextmanager
async def a_house(
    api: FakeApi,
    kube: Kube,
    *,
    saved: Mapping[str, State] | None = None,
    log: Path | None = None,
    history_url: str | None = None,
) -> AsyncIterator[House]:
    """Everything is made and runs, and ends with the block."""
    clock = FakeClock()
    api.now = clock.now
    board, recorder, scraper = Board(clock), Recorder(log), Scraper(clock)
    watches = Watches(kube, clock, random.Random(1), None, lambda thing: registry.changed(thing))  # noqa: PLW0108 - made below
    loop = Loop(clock, watches, scraper, board, recorder)
    reading = asyncio.Semaphore(1)
    tools = Tools(
        clock=clock,
        kube=kube,
        watches=watches,
        discovery=Discovery(kube),
        scraper=scraper,
        balloons=Balloons(kube, watches, BalloonSettings(10, 1800, "low")),
        status=StatusWriter(kube, clock),
        events=Events(kube, clock),
        fitting=cast(FitProcess, None),
        recorder=recorder,
        prometheus=None,
        history_url=history_url,
        reading=reading,
    )
    registry = PolicyRegistry(tools, loop, board, saved or {})
    house = House(api, clock, watches, loop, registry, board, scraper, recorder, reading)
    house.tasks += [asyncio.create_task(part()) for part in (watches.run, loop.run, registry.run)]
    try:
        yield house
        assert not [task for task in house.tasks if task.done()], "a part of the controller has ended"
    finally:
        for task in house.tasks:
            task.cancel()
        await asyncio.gather(*house.tasks, return_exceptions=True)
        recorder.close()
