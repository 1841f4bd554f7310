"""The composition root: makes the parts of the live controller, starts them in order and stops them in order."""

import asyncio
import random
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import structlog

from autoscaler.actuators.balloon import Balloons
from autoscaler.actuators.manifest import BalloonSettings
from autoscaler.clock import Clock, WallClock
from autoscaler.control.actor import Tools
from autoscaler.control.fitting import FitProcess
from autoscaler.control.loop import Loop
from autoscaler.control.registry import PolicyRegistry
from autoscaler.kube.client import Kube
from autoscaler.kube.discovery import Discovery
from autoscaler.kube.watches import Watches
from autoscaler.records.saver import Saver
from autoscaler.records.store import FileStore
from autoscaler.records.writer import Recorder
from autoscaler.reporting.events import Events
from autoscaler.reporting.status import StatusWriter
from autoscaler.scaler.board import Board
from autoscaler.scaler.server import ScalerServer
from autoscaler.scaler.tls import Tls
from autoscaler.settings import Settings
from autoscaler.sources.prometheus import Prometheus
from autoscaler.sources.scrape import Scraper
from autoscaler.telemetry import metrics
from autoscaler.web import WebServer, app

READERS = 2  # a week is 50,000 numbers: 200 policies at once kept KEDA waiting for 14 s

_log = structlog.get_logger(__name__)


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. KubeError, TlsError and OSError for what cannot be had at the start."""
    stop = asyncio.Event()
    for caught in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(caught, stop.set)
    clock = WallClock(settings.clock_rate, settings.clock_scenario_epoch_seconds, settings.clock_wall_epoch_seconds)
    metrics.DECISION_AGE.use(clock)
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
        kube = await Kube.connect(settings.kubeconfig)
        stack.push_async_callback(kube.close)
        fitting = stack.enter_context(FitProcess())
        recorder = Recorder(settings.decision_log_dir)
        stack.callback(recorder.close)
        board = Board(clock)
        watches = Watches(kube, clock, random.Random(), settings.namespace)  # noqa: S311 - jitter
        scraper = Scraper(clock, settings.scrape_interval_seconds)
        loop = Loop(clock, watches, scraper, board, recorder)
        tools = _tools(settings, clock, kube, watches, scraper, fitting, recorder, session)
        store = FileStore(settings.state_dir)
        registry = PolicyRegistry(tools, loop, board, (await store.load()).states)
        saver = Saver(store, registry.states, clock)
        watches.subscribe(registry.changed)
        tls = (
            Tls(settings.tls_cert, settings.tls_key, settings.tls_ca)
            if settings.tls_cert and settings.tls_key
            else None
        )
        scaler = ScalerServer(board, clock, bind=settings.scaler_bind, tls=tls)
        web = WebServer(app(metrics.REGISTRY, lambda: _ready(watches, loop)), settings.web_bind)
        stack.push_async_callback(web.stop)
        stack.push_async_callback(scaler.stop)
        scaler_port, web_port = await scaler.start(), await web.start()
        _log.info("started", scaler_port=scaler_port, web_port=web_port, tls=tls is not None, rate=settings.clock_rate)
        parts = (watches.run, scraper.run, loop.run, registry.run, saver.run)
        await _until(stop, parts)
        _log.info("stopping")
        await saver.save()


def _tools(
    settings: Settings,
    clock: Clock,
    kube: Kube,
    watches: Watches,
    scraper: Scraper,
    fitting: FitProcess,
    recorder: Recorder,
    session: aiohttp.ClientSession,
) -> Tools:
    url, timeout = settings.prometheus_url, settings.prometheus_timeout_seconds
    held = BalloonSettings(settings.max_balloons, settings.balloon_deadline_seconds, settings.priority_class)
    return Tools(
        clock=clock,
        kube=kube,
        watches=watches,
        discovery=Discovery(kube),
        scraper=scraper,
        balloons=Balloons(kube, watches, held),
        status=StatusWriter(kube, clock),
        events=Events(kube, clock),
        fitting=fitting,
        recorder=recorder,
        prometheus=Prometheus(url, session, clock, timeout) if url else None,
        history_url=url,
        reading=asyncio.Semaphore(READERS),
    )


async def _until(stop: asyncio.Event, parts: tuple[Callable[[], Any], ...]) -> None:
    """Run all parts; the first that fails ends all, since half a controller is worse than a restarted one."""
    tasks = [asyncio.create_task(part()) for part in parts]
    stopped = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait((*tasks, stopped), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in (*tasks, stopped):
            task.cancel()
        await asyncio.gather(*tasks, stopped, return_exceptions=True)


def _ready(watches: Watches, loop: Loop) -> tuple[bool, dict[str, Any]]:
    """Ready once the policies are listed; how many of them are decided is told beside it."""
    decided = sum(runtime.plan is not None for runtime in loop.runtimes.values())
    return watches.policies.synced, {
        "policies_listed": watches.policies.synced,
        "policies": len(loop.runtimes),
        "decided": decided,
        "kubernetes": watches.policies.trouble or "answers",
    }
