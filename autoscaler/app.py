"""The composition root: makes the parts of the live controller by their roles, runs them, and stops them in order.

Two roles. What always runs only reads: it watches, scrapes and serves the controller's own pages. What only a leader may run
decides and acts: two of it would answer KEDA with two numbers. Today every process leads.
"""

import asyncio
import contextlib
import math
import random
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
import structlog

from autoscaler.actuators.balloon import Balloons
from autoscaler.actuators.base import Actuator
from autoscaler.actuators.fetching import Fetches, FetchSettings
from autoscaler.actuators.manifest import BalloonSettings
from autoscaler.clock import Clock, ScenarioClock, WallClock
from autoscaler.control.backfill import Backfill
from autoscaler.control.fetching import Fetcher
from autoscaler.control.fitter import Fitter
from autoscaler.control.fitting import FitProcess
from autoscaler.control.gaps import GapFiller
from autoscaler.control.garbage import collect_rarely
from autoscaler.control.granting import Granting
from autoscaler.control.loop import Loop
from autoscaler.control.model_caches import ModelCaches
from autoscaler.control.pooling import Pooling
from autoscaler.control.preparing import Preparer
from autoscaler.control.processes import WorkerProcess
from autoscaler.control.reading import ReadingWatch
from autoscaler.control.registry import PolicyRegistry
from autoscaler.control.runner import Parts
from autoscaler.control.stage_reader import StageReader
from autoscaler.control.starting import StartObserver
from autoscaler.control.target import TargetReader
from autoscaler.control.transport import TransportReader
from autoscaler.control.ways import Ways
from autoscaler.kube.client import Kube
from autoscaler.kube.watches import Watches
from autoscaler.records.ledgers import LedgerFile
from autoscaler.records.saver import Saver
from autoscaler.records.store import FileStore, Loaded, StateStore
from autoscaler.records.writer import Recorder
from autoscaler.reporting.events import Events
from autoscaler.reporting.refusals import Refusals
from autoscaler.reporting.reporter import Reporter
from autoscaler.reporting.status import StatusWriter
from autoscaler.scaler.board import Board
from autoscaler.scaler.server import ScalerServer
from autoscaler.scaler.tls import Tls
from autoscaler.settings import Settings
from autoscaler.sources.prometheus import Prometheus
from autoscaler.sources.readers import Readers
from autoscaler.sources.scrape import Scraper
from autoscaler.sources.transport import FileTransport
from autoscaler.starts.watches import StartWatches
from autoscaler.telemetry import metrics
from autoscaler.telemetry.traces import Traces, traces
from autoscaler.web import WebServer, app
from policies.ledger import Ledger

ONE_NAMESPACE = (
    "without rights elsewhere, no nodes, GPUPools and PriorityClasses are read; node times come from spec.coldStart or profile, "
    "and policies with spec.pool do not grow"
)
NO_POOLS = "Outrider has rights in one namespace alone, so it reads no GPUPools; remove spec.pool or install it for all namespaces"
HISTORIES = 2  # read at a time: each takes a query of Prometheus and a process of 50 MB until all are read

DAY_SECONDS = 86_400.0
Runs = tuple[Callable[[], Coroutine[Any, Any, None]], ...]

_log = structlog.get_logger(__name__)


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. KubeError, TlsError and OSError for what cannot be had at the start."""
    stop = asyncio.Event()
    for caught in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(caught, stop.set)
    clock = WallClock() if settings.clock_file is None else ScenarioClock(settings.clock_file)
    metrics.DECISION_AGE.use(clock)
    if settings.state_dir is not None:
        metrics.STATE_AGE.use(clock)
    leader: Leader | None = None
    async with observing(settings, clock) as always, AsyncExitStack() as stack:
        web = WebServer(app(metrics.REGISTRY, lambda: _ready(always.watches, leader)), settings.web_bind)
        stack.push_async_callback(web.stop)
        web_port = await web.start()
        leader = await stack.enter_async_context(leading(settings, always))
        _log.info("started", web_port=web_port)
        if settings.namespace:
            _log.info("one_namespace", namespace=settings.namespace, note=ONE_NAMESPACE)
        await _until(stop, (*always.runs, *leader.runs))
        _log.info("stopping")


@dataclass(frozen=True)
class Always:
    """What runs in every process: it reads, and acts on nothing."""

    clock: Clock
    kube: Kube
    watches: Watches
    starts: StartWatches
    scraper: Scraper
    prometheus: Prometheus | None

    @property
    def runs(self) -> Runs:
        """What to run until the process ends."""
        return self.watches.run, self.starts.run, self.scraper.run


@asynccontextmanager
async def observing(settings: Settings, clock: Clock) -> AsyncIterator[Always]:
    """Connect to what is read. Raises KubeError."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session, AsyncExitStack() as stack:
        kube = await Kube.connect(settings.kubeconfig, context=settings.context)
        stack.push_async_callback(kube.close)
        rng = random.Random()  # noqa: S311 - jitter
        watches = Watches(kube, clock, rng, settings.namespace)
        nodes = (lambda: watches.nodes) if settings.namespace is None else None
        starts = StartWatches(kube, clock, rng, lambda: watches.namespaces, nodes)
        url = settings.prometheus_url
        timeout_seconds, transport = settings.prometheus_timeout_seconds, prometheus_transport(settings)
        prometheus = Prometheus(url, session, clock, timeout_seconds, transport) if url else None
        scraper = Readers(
            clock,
            settings.scrape_interval_seconds,
            settings.readers,
            clock_file=settings.clock_file,
            log_level=settings.log_level,
        )
        yield Always(clock, kube, watches, starts, scraper, prometheus)


def prometheus_transport(settings: Settings) -> FileTransport:
    """How Prometheus is reached."""
    return FileTransport(
        bearer_token_file=settings.prometheus_token_file,
        ca_file=settings.prometheus_ca_file,
        server_name=settings.prometheus_server_name,
        skip_verify=settings.prometheus_skip_verify,
        headers={"X-Scope-OrgID": settings.prometheus_tenant} if settings.prometheus_tenant else None,
    )


class Leader:
    """What only a leader runs: it decides, acts on the cluster, and has the numbers that KEDA asks for."""

    def __init__(
        self,
        settings: Settings,
        always: Always,
        fitting: FitProcess,
        backfill: Backfill,
        recorder: Recorder,
        store: StateStore,
        loaded: Loaded,
        ledgers: LedgerFile,
        ledger: Ledger,
        traced: Traces | None = None,
    ) -> None:
        clock, kube, watches, scraper = always.clock, always.kube, always.watches, always.scraper
        held = BalloonSettings(
            settings.max_balloons,
            settings.max_balloons_per_namespace,
            settings.balloon_deadline_seconds,
            settings.priority_class,
            reads_classes=settings.namespace is None,
        )
        status, events = StatusWriter(kube, clock), Events(kube, clock)
        reporter, refusals = Reporter(watches.policies, status, events, clock), Refusals(status, clock)
        actuators: tuple[Actuator, ...] = (Balloons(kube, watches, held),)
        fetched = FetchSettings(
            settings.max_prepulls,
            settings.max_parallel_prepulls,
            settings.prepull_deadline_seconds,
            settings.prefetch,
            settings.pause_image,
        )
        caches = ModelCaches(kube)
        fetches = Fetches(kube, watches, fetched)
        fetcher = Fetcher(fetches, kube, fetched, events, clock, caches)
        preparers, fitter = [Preparer(each, events, clock) for each in actuators], Fitter(fitting, clock)
        prometheus = always.prometheus
        logs = kube if settings.engine_logs else None
        stages = StageReader(clock) if settings.readiness_stages else None
        ways = Ways(always.starts.pulls, watches, caches)
        self.observer = StartObserver(
            always.starts,
            watches,
            ways,
            recorder,
            events,
            clock,
            ledger,
            logs,
            stages,
            traces=traced,
            learns=settings.learn_cold_starts,
        )
        parts = Parts(
            actuators=actuators,
            target=TargetReader(kube, events, clock),
            transport=TransportReader(kube, clock),
            at_start=backfill,
            after_decisions=(*preparers, fetcher, ReadingWatch(scraper, prometheus, clock), reporter),
            on_grid=(fitter, self.observer, *([GapFiller(scraper, prometheus, clock)] if prometheus else [])),
        )
        self.board = Board(clock)
        self.registry = PolicyRegistry(watches, scraper, self.board, parts, reporter, refusals, clock, loaded)
        registry = self.registry
        pooling = None
        if settings.namespace is None:
            pooling = Pooling(
                settings, always, registry, events, recorder, loaded, lambda: self.observer.ledger, fetches
            )
        self.pools = None if pooling is None else pooling.registry
        granting = Granting({}, lambda _pool: NO_POOLS, None, recorder) if pooling is None else pooling.granting
        states = dict if pooling is None else pooling.registry.states
        self.saver = Saver(store, registry.states, clock, lambda: ledgers.save(self.observer.ledger), states)
        loop = Loop(registry.runtimes, registry.policies_of, scraper, self.board, recorder, clock, granting)
        self.runs: Runs = (
            loop.run,
            self.registry.run,
            refusals.run,
            self.saver.run,
            partial(collect_rarely, clock),
            *(each.sweep for each in preparers),
            fetcher.sweep,
            *([partial(stages.run, self.registry.runtimes)] if stages is not None else []),
            *([] if pooling is None else pooling.runs),
        )


@asynccontextmanager
async def leading(settings: Settings, always: Always) -> AsyncIterator[Leader]:
    """Take up what the last leader saved and serve KEDA; at the end, save. Raises TlsError and OSError."""
    store, ledgers = FileStore(settings.state_dir), LedgerFile(settings.state_dir)
    days = settings.decision_log_days or math.inf
    recorder = Recorder(settings.decision_log_dir, settings.decision_log_bytes, days * DAY_SECONDS)
    processes = [WorkerProcess() for _ in range(HISTORIES)]
    reading = Backfill(settings.prometheus_url, always.clock, prometheus_transport(settings), processes)
    traced = traces()
    with (
        FitProcess() as fitting,
        reading as backfill,
        contextlib.closing(recorder),
        contextlib.closing(traced) if traced else contextlib.nullcontext(),
    ):
        loaded, (ledger, _) = await store.load(), await ledgers.load()
        leader = Leader(settings, always, fitting, backfill, recorder, store, loaded, ledgers, ledger, traced)
        tls = (
            Tls(settings.tls_cert, settings.tls_key, settings.tls_ca)
            if settings.tls_cert and settings.tls_key
            else None
        )
        scaler = ScalerServer(
            leader.board, always.clock, bind=settings.scaler_bind, tls=tls, reflection=settings.scaler_reflection
        )
        try:
            _log.info("leading", scaler_port=await scaler.start(), tls=tls is not None)
            yield leader
            await leader.saver.save()
        finally:
            await scaler.stop()


async def _until(stop: asyncio.Event, runs: Runs) -> None:
    """Run all; the first that fails ends all, since half a controller is worse than a restarted one."""
    tasks = [asyncio.create_task(run()) for run in runs]
    stopped = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait((*tasks, stopped), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in (*tasks, stopped):
            task.cancel()
        await asyncio.gather(*tasks, stopped, return_exceptions=True)


def _ready(watches: Watches, leader: Leader | None) -> tuple[bool, dict[str, Any]]:
    """Ready once the policies are listed; how many of them are followed and decided is shown beside it."""
    runtimes = leader.registry.runtimes.values() if leader else ()
    return watches.policies.synced, {
        "policies_listed": watches.policies.synced,
        "policies": len(runtimes),
        "decided": sum(runtime.plan is not None for runtime in runtimes),
        "kubernetes": watches.policies.problem or "answers",
    }
