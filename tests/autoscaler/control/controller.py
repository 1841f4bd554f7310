"""The live controller around a fake API: what `app` runs, without its ports and processes.

What it does not do:
- scrape: a test gives samples with `sample`;
- watch nodes and Events: a test runs `always.starts`;
- fit forecasts: no fit is ever due within a test;
- serve KEDA: tests read the board;
- save states: there is no folder;
- move time by itself, but for what `until` needs.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from autoscaler.app import Always, Leader
from autoscaler.control.backfill import Backfill
from autoscaler.control.fitting import FitProcess
from autoscaler.control.processes import WorkerProcess
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.kube.client import Kube
from autoscaler.kube.objects import Key
from autoscaler.kube.watches import Watches
from autoscaler.records.ledgers import LedgerFile
from autoscaler.records.store import FileStore, Loaded
from autoscaler.records.writer import Recorder
from autoscaler.settings import load
from autoscaler.sources.prometheus import Prometheus
from autoscaler.sources.scrape import Scraper
from autoscaler.sources.transport import FileTransport
from autoscaler.starts.watches import StartWatches
from policies.ledger import Ledger
from policies.model import PodSample
from tests.autoscaler.control.in_thread import InThread
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
class Controller:
    api: FakeApi
    clock: FakeClock
    always: Always
    leader: Leader
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
        self.always.scraper.accept(Key("ns", pod), PodSample(pod, now, now - 3600.0, running, waiting, finished))

    @property
    def runtimes(self) -> Mapping[str, PolicyRuntime]:
        return self.leader.registry.runtimes

    def runtime(self, name: str) -> PolicyRuntime:
        return self.runtimes[f"ns/{name}"]

    def desired(self, name: str) -> int | None:
        entry = self.leader.board.get(f"ns/{name}")
        return None if entry is None else entry.desired_replicas

    def status(self, name: str) -> dict[str, Any]:
        return cast(dict[str, Any], self.api.objects[policy_path(name)].get("status") or {})

    def conditions(self, name: str) -> dict[str, dict[str, str]]:
        """The conditions of a policy's status, by type."""
        return {each["type"]: each for each in self.status(name).get("conditions") or ()}

    async def until(self, true: Callable[[], object], pause_seconds: float = 0.001, step_seconds: float = 0.25) -> None:
        """Let time pass, `step_seconds` after `step_seconds`, until something is true.

        `pause_seconds` of real time pass at each step: what the fake API answers meanwhile took no time. A test that bounds
        the time needs more, or it measures the machine.
        """
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not true():
                await self.clock.advance(step_seconds)
                await asyncio.sleep(pause_seconds)

    async def passes(self, seconds: float) -> None:
        """Let so much time pass, in steps of a second: what is waited for is no event but the time."""
        end = self.clock.now() + seconds
        await self.until(lambda: self.clock.now() >= end, step_seconds=1.0)

    async def decided(self, name: str) -> None:
        """Until a decision of the policy is on the board that is younger than now."""
        now = self.clock.now()
        await self.until(lambda: (plan := self._plan(name)) is not None and plan > now)

    def _plan(self, name: str) -> float | None:
        runtime = self.runtimes.get(f"ns/{name}")
        return runtime.plan.at_seconds if runtime and runtime.plan else None


@asynccontextmanager
async def a_controller(
    api: FakeApi,
    kube: Kube,
    *,
    loaded: Loaded | None = None,
    log: Path | None = None,
    engine_logs: bool = False,
    readiness_stages: bool = False,
    learn_cold_starts: bool = True,
    history_url: str | None = None,
    processes: Sequence[WorkerProcess] | None = None,
    prometheus: Prometheus | None = None,
    namespace: str | None = None,
) -> AsyncIterator[Controller]:
    """Everything is made and runs, and ends with the block."""
    clock = FakeClock()
    api.now = clock.now
    sources = {"engine_logs": engine_logs, "readiness_stages": readiness_stages}
    settings = load(
        {"decision_log_dir": log, "learn_cold_starts": learn_cold_starts, "namespace": namespace, **sources}
    )
    watches = Watches(kube, clock, random.Random(1), namespace)
    starts = StartWatches(kube, clock, random.Random(1), lambda: watches.namespaces, lambda: watches.nodes)
    always = Always(clock, kube, watches, starts, Scraper(clock), prometheus)
    recorder = Recorder(log)
    backfill = Backfill(history_url, clock, FileTransport(), [InThread()] if processes is None else processes)
    fitting = cast(FitProcess, None)
    store, ledgers = FileStore(None), LedgerFile(None)
    leader = Leader(settings, always, fitting, backfill, recorder, store, loaded or Loaded(), ledgers, Ledger())
    controller = Controller(api, clock, always, leader)
    controller.tasks += [asyncio.create_task(run()) for run in (always.watches.run, *leader.runs)]
    try:
        yield controller
        assert not [task for task in controller.tasks if task.done()], "a part of the controller has ended"
    finally:
        for task in controller.tasks:
            task.cancel()
        await asyncio.gather(*controller.tasks, return_exceptions=True)
        recorder.close()
