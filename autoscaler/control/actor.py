"""Acts for one service, beside the loop: reads its target, makes balloons, fills gaps from Prometheus, fits, tells.

Each part bounds its own time and tells its own failures; none of them stops the others or the loop.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from autoscaler.actuators.arrange import count_awaited
from autoscaler.actuators.balloon import Balloons, Change
from autoscaler.clock import Clock
from autoscaler.control.fitting import FitProcess
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.kube.client import Kube
from autoscaler.kube.discovery import Discovery
from autoscaler.kube.errors import KubeError
from autoscaler.kube.objects import metadata
from autoscaler.kube.scale import Scale, read_scale, read_template
from autoscaler.kube.watches import Watches
from autoscaler.records.writer import Recorder
from autoscaler.reporting.events import EventReason, Events
from autoscaler.reporting.status import StatusWriter, refused_patch, status_patch
from autoscaler.sources import history
from autoscaler.sources.prometheus import Prometheus
from autoscaler.sources.scrape import Scraper
from autoscaler.telemetry import metrics
from policies.engine import GRID_SECONDS
from policies.explain import explain
from policies.model import Plan

TEMPLATE_SECONDS = 60.0  # how old the pod template may be that balloons are made from
LOST_SECONDS = 20.0  # after which a target that cannot be read is no hiccup: more than a grid step
PATIENCE_SECONDS = (
    30.0  # of wall time, for the history; then decisions begin without it, and it is read when its turn comes
)
GAP_SECONDS = 10.0  # a scrape this old is asked of Prometheus

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Tools:
    """What every actor acts with."""

    clock: Clock
    kube: Kube
    watches: Watches
    discovery: Discovery
    scraper: Scraper
    balloons: Balloons
    status: StatusWriter
    events: Events
    fitting: FitProcess
    recorder: Recorder
    prometheus: Prometheus | None
    history_url: str | None
    reading: asyncio.Semaphore  # how many policies may read their history at once


class Actor:
    """One service's hands. `run` until its policy is gone; `wake` after each decision."""

    def __init__(self, runtime: PolicyRuntime, tools: Tools, located: Callable[[], None]) -> None:
        self._runtime = runtime
        self._tools = tools
        self._located = located  # called when it becomes known, or changes, which pods are the target's
        self._woken = asyncio.Event()
        self._scale_seconds = tools.clock.now()  # when it was last read; no sooner than never
        self._template_seconds: float | None = None
        self._acted: Plan | None = None
        self._trouble = ""

    def wake(self) -> None:
        """A decision was made."""
        self._woken.set()

    async def run(self) -> None:
        """Prepare, then act after every decision and at least once a grid step."""
        await self._safely(self._look)
        remembering = asyncio.create_task(self._safely(self._remember))
        try:
            await asyncio.wait({remembering}, timeout=PATIENCE_SECONDS)
            await self._act()
        finally:
            remembering.cancel()

    async def _act(self) -> None:
        self._runtime.restart(self._tools.clock.now())
        self._tools.recorder.restart(self._runtime.pilot.policy.name)
        self._runtime.ready = True
        async with asyncio.TaskGroup() as group:
            group.create_task(self._repeat(self._look_and_act, self._rest))
            group.create_task(self._repeat(self._fit, self._grid_step))
            if self._tools.prometheus is not None:
                group.create_task(self._repeat(self._fill, self._grid_step))

    async def _repeat(self, part: Callable[[], Awaitable[None]], pause: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._safely(part)
            await pause()

    async def _grid_step(self) -> None:
        await self._tools.clock.sleep(GRID_SECONDS)

    async def _safely(self, part: Callable[[], Awaitable[None]]) -> None:
        """A fault of ours in one part costs this policy that turn, and no other policy anything."""
        try:
            await part()
        except Exception:  # noqa: BLE001 - a fault of ours, of any kind
            _log.exception("actor.failed", policy=self._runtime.key, instead="trying again at the next turn")

    async def _rest(self) -> None:
        """Until the next decision, or a grid step later."""
        timer = asyncio.create_task(self._grid_step())
        woken = asyncio.create_task(self._woken.wait())
        try:
            await asyncio.wait((timer, woken), return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            woken.cancel()
        self._woken.clear()

    async def _remember(self) -> None:
        """Read back what the service did before this process, so that the restart is not blind."""
        runtime, tools = self._runtime, self._tools
        if tools.history_url is None:
            return
        async with tools.reading:
            target = runtime.workload.target.name
            past = await history.read(tools.history_url, runtime.workload.namespace, target, tools.clock.now())
            points = runtime.pilot.remember(past.points)
            tools.recorder.restart(runtime.pilot.policy.name)
        _log.info(
            "history.read", policy=runtime.key, points=points, problem=str(past.problem) if past.problem else None
        )

    async def _look_and_act(self) -> None:
        await self._look()
        await self._prepare()
        await self._tell()

    async def _look(self) -> None:
        """Read the target: its scale at every turn, its pod template once a minute."""
        runtime, tools = self._runtime, self._tools
        workload, now = runtime.workload, tools.clock.now()
        try:
            self._locate(await read_scale(tools.kube, tools.discovery, workload.namespace, workload.target))
            if self._template_seconds is None or now - self._template_seconds >= TEMPLATE_SECONDS:
                runtime.template = await read_template(tools.kube, tools.discovery, workload.namespace, workload.target)
                self._template_seconds = now
        except KubeError as error:
            await self._troubled(str(error))
        else:
            self._trouble = ""

    def _locate(self, scale: Scale) -> None:
        before, self._runtime.scale = self._runtime.scale, scale
        self._scale_seconds = self._tools.clock.now()
        if before is None or before.selector != scale.selector:
            self._located()

    async def _troubled(self, trouble: str) -> None:
        if trouble == self._trouble:
            return
        self._trouble = trouble
        _log.warning("target.unreadable", policy=self._runtime.key, error=trouble)
        await self._tools.events.emit(self._runtime.workload, EventReason.TARGET_FAILED, trouble)

    async def _prepare(self) -> None:
        """Bring the balloons to the plan, if it still is one: deciding goes on while the API is slow."""
        runtime, tools = self._runtime, self._tools
        if runtime.plan is None:
            return
        now = tools.clock.now()
        wanted = runtime.plan.prepared_nodes
        awaited = count_awaited(runtime.plan, runtime.supply(tools.watches, now))
        change = await tools.balloons.ensure(runtime.workload, runtime.template, wanted, awaited, now)
        if change.created or change.released or change.problem:
            tell = _log.warning if change.problem else _log.info
            tell(
                "balloons", policy=runtime.key, created=change.created, released=change.released, problem=change.problem
            )
        await self._tell_balloons(change)

    async def _tell_balloons(self, change: Change) -> None:
        workload, events = self._runtime.workload, self._tools.events
        if change.created:
            await events.emit(
                workload, EventReason.PREPARED, f"Prepares {len(change.created)} node(s): {self._sentence()}"
            )
        if change.released:
            await events.emit(
                workload, EventReason.RELEASED, f"Lets go of {', '.join(change.released)}: {self._sentence()}"
            )
        if change.refused:
            await events.emit(
                workload, EventReason.CAPPED, f"{change.refused} prepared node(s) are over the cluster's cap"
            )
        if change.problem:
            await events.emit(workload, EventReason.BALLOON_FAILED, change.problem)

    async def _tell(self) -> None:
        """Write the status, and an Event where replicas moved."""
        runtime, tools = self._runtime, self._tools
        now = tools.clock.now()
        raw = tools.watches.policies.get(runtime.workload.namespace, runtime.workload.name)
        if raw is None:  # it is gone, and soon we are
            return
        previous, generation = raw.get("status") or {}, metadata(raw).get("generation", runtime.workload.generation)
        supply = runtime.supply(tools.watches, now)
        if runtime.problem:
            status = refused_patch(generation, "Invalid", runtime.problem, previous, now)
        elif self._trouble and now - self._scale_seconds > LOST_SECONDS:
            status = refused_patch(generation, "TargetFailed", self._trouble, previous, now)
        else:
            status = status_patch(
                runtime.workload,
                runtime.plan,
                runtime.result.demand if runtime.result is not None else None,
                supply,
                sentence=self._sentence(),
                previous=previous,
                now_seconds=now,
            )
        try:
            await tools.status.write(runtime.workload.namespace, runtime.workload.name, status)
        except KubeError as error:
            _log.warning("status.unwritten", policy=runtime.key, error=str(error))
        await self._tell_scaling()
        if supply is not None:
            balloons = metrics.BALLOONS
            balloons.labels(policy=runtime.key, state="prepared").set(supply.prepared)
            balloons.labels(policy=runtime.key, state="preparing").set(supply.preparing)

    async def _tell_scaling(self) -> None:
        runtime, events = self._runtime, self._tools.events
        before, self._acted = self._acted, runtime.plan
        if before is None or runtime.plan is None or before.desired_replicas == runtime.plan.desired_replicas:
            return
        grew = runtime.plan.desired_replicas > before.desired_replicas
        reason = EventReason.SCALED_UP if grew else EventReason.SCALED_DOWN
        await events.emit(runtime.workload, reason, explain(runtime.plan, before))

    def _sentence(self) -> str:
        runtime = self._runtime
        return explain(runtime.plan, runtime.before) if runtime.plan is not None else "Nothing is decided yet."

    async def _fill(self) -> None:
        """Ask Prometheus for the pods that a scrape does not reach."""
        runtime, tools = self._runtime, self._tools
        if tools.prometheus is None:
            return
        now = tools.clock.now()
        missing = [
            pod.name
            for pod in runtime.urls(tools.watches)
            if (sample := tools.scraper.latest.get(pod)) is None or now - sample.at_seconds > GAP_SECONDS
        ]
        runtime.filled = await tools.prometheus.samples(runtime.workload.namespace, missing) if missing else {}

    async def _fit(self) -> None:
        """Fit the forecast where it is due; it speaks from the next tick on."""
        runtime, tools = self._runtime, self._tools
        series = runtime.pilot.forecaster.fit_due(tools.clock.now())
        if series is None:
            return
        runtime.pilot.forecaster.adopt(await tools.fitting.fit(runtime.key, series), tools.clock.now())
