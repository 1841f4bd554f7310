"""Starts the controller and all that it needs, watches it for a while, and gives figures."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.live import decisions, processes
from benchmarks.live.child import Child

ROOT = Path(__file__).parents[2]
SETTLE_SECONDS = 20.0  # after all policies are decided: a tick, and what a start leaves behind
START_SECONDS = 180.0  # in which all must be decided
HISTORY_SECONDS = 300.0  # in which all histories must be read
EVERY_SECONDS = 0.25
SCRAPE_SECONDS = 30.0  # between two scrapes of the controller's own metrics


@dataclass(frozen=True)
class Point:
    """What is measured."""

    policies: int
    pods: int
    seconds: float = 30.0
    history_days: float = 0.0
    interval_seconds: float = 2.0
    source: Path = ROOT
    log: Path | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measured:
    """One line of the table. None: it did not come within the time."""

    policies: int
    pods: int
    history_days: float
    cores: float
    scrapes_got: float  # a second
    scrapes_wanted: float
    coverage: float | None
    age_p50_seconds: float | None
    age_p99_seconds: float | None
    late_seconds: float | None
    decisions: int
    decisions_wanted: int
    metrics_p50_ms: float | None
    metrics_p90_ms: float | None
    metrics_p99_ms: float | None
    metrics_calls: int
    metrics_unanswered: int  # of them
    scaler_after_seconds: float | None
    decided_after_seconds: float | None
    history_after_seconds: float | None
    resident_mb: float  # the most, the sum over the processes
    proportional_mb: float  # at the end; a page that several share counts once
    processes: int
    generator_cores: float
    scrape_kb: float


Asked = tuple[processes.Use, dict[str, Any], dict[str, Any], dict[str, Any]]


@dataclass(frozen=True)
class Window:
    """The time that is measured. `before` and `after`: what the controller used, and what pods, cluster and KEDA counted."""

    began: float  # the controller's start
    first: float
    last: float
    before: Asked
    after: Asked
    resident_bytes: int


async def measure(point: Point) -> Measured:
    """Start all, wait until it works, watch it for the time, and stop it."""
    with tempfile.TemporaryDirectory(prefix="outrider-live-", ignore_cleanup_errors=True) as folder:
        async with contextlib.AsyncExitStack() as stack:
            return await _measure(point, Path(folder), stack)


async def _measure(point: Point, folder: Path, stack: contextlib.AsyncExitStack) -> Measured:
    async def started(module: str, *arguments: object) -> Child:
        child = await Child.start(module, *arguments)
        stack.push_async_callback(child.stop)
        return child

    sizes = point.policies, point.pods
    pods = await started("pods", point.policies)
    cluster = await started("cluster", *sizes, point.history_days, pods.known["port"])
    scaler_port, web_port = _free_port(), _free_port()
    began = time.time()
    controller = await _controller(point, folder, cluster.known, scaler_port, web_port)
    stack.push_async_callback(_stopped, controller)
    watch = decisions.LogWatch(folder / "decisions")
    watch.start()
    stack.callback(watch.stop)
    keda = await started("keda", f"127.0.0.1:{scaler_port}", *sizes)

    async def until(is_so: Callable[[], bool], seconds: float) -> float | None:
        """How long after the start it was so; None where it was not within the time."""
        end = time.time() + seconds
        while time.time() < end:
            if await asyncio.to_thread(is_so):
                return time.time() - began
            _check(controller)
            await asyncio.sleep(EVERY_SECONDS)
        return None

    def ready(part: str) -> bool:
        return _ready(web_port).get(part) == point.policies

    decided = asyncio.create_task(until(lambda: ready("decided"), START_SECONDS))
    stack.callback(decided.cancel)
    if point.history_days:  # what a start with much to read does to everything else
        await until(lambda: ready("policies"), START_SECONDS)
    else:
        await decided
        await asyncio.sleep(SETTLE_SECONDS)
    scraping = asyncio.create_task(_scrape(web_port))
    stack.callback(scraping.cancel)

    async def asked() -> Asked:
        return processes.use(controller.pid), await pods.ask(), await cluster.ask(), await keda.ask()

    first, before = time.time(), await asked()
    resident = 0
    while time.time() < first + point.seconds:
        await asyncio.sleep(1.0)
        _check(controller)
        resident = max(resident, processes.use(controller.pid).resident_bytes)
    window = Window(began, first, time.time(), before, await asked(), resident)
    proportional = processes.proportional_bytes(controller.pid)
    await asyncio.sleep(decisions.GRID_SECONDS)  # for the decisions of the last tick
    histories = None
    if point.history_days:
        log = point.log or folder / "controller.log"
        histories = await until(lambda: log.read_text().count("history.read") >= point.policies, HISTORY_SECONDS)
    watch.stop()
    return _figures(point, window, watch, await decided, histories, proportional)


def _figures(
    point: Point,
    window: Window,
    watch: decisions.LogWatch,
    decided: float | None,
    histories: float | None,
    proportional_bytes: int,
) -> Measured:
    (use_before, *before), (use, *after) = window.before, window.after
    pods, _, keda = after
    seconds = window.last - window.first
    ticks = decisions.ticks(watch, point.policies, window.first, window.last)
    calls = [(ms, status) for at, ms, status in keda["calls"] if at >= window.first]
    took = sorted(ms for ms, _ in calls)
    scrapes = pods["answered"] - before[0]["answered"]
    specified = keda["specified_seconds"]
    return Measured(
        policies=point.policies,
        pods=point.pods,
        history_days=point.history_days,
        cores=(use.cpu_seconds - use_before.cpu_seconds) / seconds,
        scrapes_got=scrapes / seconds,
        scrapes_wanted=point.pods / point.interval_seconds,
        coverage=ticks.coverage,
        age_p50_seconds=_quantile(ticks.ages_seconds, 0.5),
        age_p99_seconds=_quantile(ticks.ages_seconds, 0.99),
        late_seconds=ticks.latest_seconds,
        decisions=ticks.decisions,
        decisions_wanted=ticks.wanted,
        metrics_p50_ms=_quantile(took, 0.5),
        metrics_p90_ms=_quantile(took, 0.9),
        metrics_p99_ms=_quantile(took, 0.99),
        metrics_calls=len(calls),
        metrics_unanswered=sum(status == "UNANSWERED" for _, status in calls),
        scaler_after_seconds=None if specified is None else specified - window.began,
        decided_after_seconds=decided,
        history_after_seconds=histories,
        resident_mb=window.resident_bytes / 1e6,
        proportional_mb=proportional_bytes / 1e6,
        processes=use.processes,
        generator_cores=sum(then["cpu_seconds"] - now["cpu_seconds"] for then, now in zip(after, before, strict=True))
        / seconds,
        scrape_kb=(pods["sent_bytes"] - before[0]["sent_bytes"]) / max(1, scrapes) / 1000.0,
    )


async def _controller(
    point: Point, folder: Path, known: dict[str, Any], scaler: int, web: int
) -> asyncio.subprocess.Process:
    """`outrider run` of the source folder, with that folder's own environment where it has one."""
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(_kubeconfig(known["api_url"])))
    python = point.source / ".venv/bin/python"
    options = {
        "kubeconfig": kubeconfig,
        "scaler-bind": f"127.0.0.1:{scaler}",
        "web-bind": f"127.0.0.1:{web}",
        "decision-log-dir": folder / "decisions",
        "state-dir": folder / "state",
        "scrape-interval-seconds": point.interval_seconds,
    } | ({"prometheus-url": known["prometheus_url"]} if point.history_days else {})
    start = ("-c", "from autoscaler.entry import main; main()", "run")
    command = [str(python) if python.exists() else sys.executable, *start]
    command += [part for name, value in options.items() for part in (f"--{name}", str(value))]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OUTRIDER_")}
    environment["PYTHONPATH"] = str(point.source)
    with (point.log or folder / "controller.log").open("wb") as log:
        return await asyncio.create_subprocess_exec(
            *command, *point.options, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )


def _kubeconfig(url: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bench",
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        "clusters": [{"name": "bench", "cluster": {"server": url}}],
        "users": [{"name": "bench", "user": {}}],
    }


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _ready(web: int) -> dict[str, Any]:
    """What /readyz shows; empty while it does not answer."""
    try:
        return dict(json.loads(_get(web, "/readyz")))
    except OSError:
        return {}


def _get(web: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{web}{path}", timeout=10.0) as answer:
        return bytes(answer.read())


async def _scrape(web: int) -> None:
    """As a Prometheus that scrapes the controller."""
    while True:
        with contextlib.suppress(OSError):
            await asyncio.to_thread(_get, web, "/metrics")
        await asyncio.sleep(SCRAPE_SECONDS)


def _check(controller: asyncio.subprocess.Process) -> None:
    if controller.returncode is not None:
        raise SystemExit(f"the controller ended with {controller.returncode}")


async def _stopped(controller: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        controller.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(controller.wait(), 15.0)
        except TimeoutError:
            os.killpg(controller.pid, signal.SIGKILL)


def _quantile(values: list[float], share: float) -> float | None:
    return values[min(len(values) - 1, int(share * len(values)))] if values else None
