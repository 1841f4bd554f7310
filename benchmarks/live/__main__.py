"""The live controller under load: `python -m benchmarks.live --policies 200 --pods 1000 --seconds 30`.

Starts the real controller (`outrider run`) against an API server, vLLM pods and a KEDA that this benchmark serves in processes
of its own, and prints a line: what the controller and all that it started used, and how fast it was. The load generator's CPU
is counted apart. Arguments after `--` go to `outrider run`.
"""

import argparse
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
from dataclasses import asdict, dataclass
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
    metrics_unanswered: int
    scaler_after_seconds: float | None
    decided_after_seconds: float | None
    history_after_seconds: float | None
    resident_mb: float  # the most, the sum over the processes
    proportional_mb: float  # at the end; a page that several share counts once
    processes: int
    generator_cores: float
    scrape_kb: float


async def measure(point: Point) -> Measured:
    """Start all, wait until it works, watch it for the time, and stop it."""
    with tempfile.TemporaryDirectory(prefix="outrider-live-") as folder:
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
    scaler, web = _free_port(), _free_port()
    began = time.time()
    controller = await _controller(point, folder, cluster.known, scaler, web)
    stack.push_async_callback(_stopped, controller)
    watch = decisions.LogWatch(folder / "decisions")
    stack.callback(watch.stop)
    keda = await started("keda", f"127.0.0.1:{scaler}", *sizes)
    children = pods, cluster, keda

    decided = asyncio.create_task(
        _until(lambda: _ready(web).get("decided") == point.policies, START_SECONDS, controller)
    )
    stack.callback(decided.cancel)
    if point.history_days:  # what a start with much to read does to everything else
        await _until(lambda: _ready(web).get("policies") == point.policies, START_SECONDS, controller)
    else:
        await decided
        await asyncio.sleep(SETTLE_SECONDS)
    scraping = asyncio.create_task(_scrape(web))

    first = time.time()
    used, told = processes.use(controller.pid), [await child.ask() for child in children]
    resident = used.resident_bytes
    while time.time() < first + point.seconds:
        await asyncio.sleep(1.0)
        _check(controller)
        resident = max(resident, processes.use(controller.pid).resident_bytes)
    then, asked = processes.use(controller.pid), [await child.ask() for child in children]
    last = time.time()

    histories = None
    if point.history_days:
        log = point.log or folder / "controller.log"
        histories = await _until(
            lambda: log.read_text().count("history.read") >= point.policies, HISTORY_SECONDS, controller
        )
    else:
        await asyncio.sleep(decisions.GRID_SECONDS)  # for the last tick's decisions
    scraping.cancel()
    watch.stop()
    seen = decisions.ticks(watch, point.policies, first, last)
    calls = sorted(ms for at, ms, _ in asked[2]["calls"] if at >= first)
    answered, unanswered = (
        [status for at, _, status in asked[2]["calls"] if at >= first and (status == "UNANSWERED") is is_open]
        for is_open in (False, True)
    )
    lasted = last - first
    scrapes = asked[0]["answered"] - told[0]["answered"]
    sent = asked[0]["sent_bytes"] - told[0]["sent_bytes"]
    spent = sum(after["cpu_seconds"] - before["cpu_seconds"] for after, before in zip(asked, told, strict=True))

    def after(seconds: float | None) -> float | None:
        return None if seconds is None else seconds - began

    return Measured(
        point.policies,
        point.pods,
        point.history_days,
        (then.cpu_seconds - used.cpu_seconds) / lasted,
        scrapes / lasted,
        point.pods / point.interval_seconds,
        seen.coverage,
        _quantile(seen.ages_seconds, 0.5),
        _quantile(seen.ages_seconds, 0.99),
        seen.latest_seconds,
        seen.decisions,
        seen.wanted,
        _quantile(calls, 0.5),
        _quantile(calls, 0.9),
        _quantile(calls, 0.99),
        len(answered),
        len(unanswered),
        after(asked[2]["specified_seconds"]),
        after(await decided),
        after(histories),
        resident / 1e6,
        processes.proportional_bytes(controller.pid) / 1e6,
        then.processes,
        spent / lasted,
        sent / max(1, scrapes) / 1000.0,
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


async def _until(is_so: Callable[[], bool], seconds: float, controller: asyncio.subprocess.Process) -> float | None:
    """When it was so; None where it was not within the time."""
    end = time.time() + seconds
    while time.time() < end:
        if await asyncio.to_thread(is_so):
            return time.time()
        _check(controller)
        await asyncio.sleep(EVERY_SECONDS)
    return None


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


HEADINGS = (
    "policies x pods",
    "cores",
    "scrapes/s got/wanted",
    "coverage",
    "age of a sample p50/p99, s",
    "last decision of a tick late, s",
    "GetMetrics p50/p90/p99, ms",
    "all decided after, s",
    "memory, MB",
)


def row(found: Measured) -> tuple[str, ...]:
    """The cells under `HEADINGS`."""
    history = f", {found.history_days:g} d of history" if found.history_days else ""
    late = _shown(found.late_seconds, "{:.1f}")
    if found.decisions < found.decisions_wanted:
        late += f" ({found.decisions} of {found.decisions_wanted} made)"
    waited = "/".join(
        _shown(each, "{:.1f}") for each in (found.metrics_p50_ms, found.metrics_p90_ms, found.metrics_p99_ms)
    )
    if found.metrics_unanswered:
        waited += f" ({found.metrics_unanswered} of {found.metrics_calls + found.metrics_unanswered} unanswered)"
    decided = _shown(found.decided_after_seconds, "{:.0f}")
    if found.history_days:
        scaler, histories = _shown(found.scaler_after_seconds, "{:.1f}"), _shown(found.history_after_seconds, "{:.0f}")
        decided += f" (scaler {scaler}, histories {histories})"
    return (
        f"{found.policies:,} x {found.pods:,}{history}",
        f"{found.cores:.2f}",
        f"{found.scrapes_got:.0f}/{found.scrapes_wanted:.0f}",
        _shown(found.coverage, "{:.3f}"),
        f"{_shown(found.age_p50_seconds, '{:.1f}')}/{_shown(found.age_p99_seconds, '{:.1f}')}",
        late,
        waited,
        decided,
        f"{found.resident_mb:.0f} ({found.proportional_mb:.0f} of its own)",
    )


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def main() -> None:
    ours, _, options = " ".join(sys.argv[1:]).partition(" -- ")
    parser = argparse.ArgumentParser(prog="benchmarks.live", description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--policies", type=int, default=200)
    parser.add_argument("--pods", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long is measured")
    parser.add_argument("--history-days", type=float, default=0.0, help="of history to read from Prometheus")
    parser.add_argument("--interval-seconds", type=float, default=2.0, help="between two scrapes of a pod")
    parser.add_argument("--source", type=Path, default=ROOT, help="folder of the Outrider to measure")
    parser.add_argument("--log", type=Path, help="file to keep the controller's log in")
    parser.add_argument("--json", action="store_true", help="print a line of JSON")
    given = parser.parse_args(ours.split())
    point = Point(
        given.policies,
        given.pods,
        given.seconds,
        given.history_days,
        given.interval_seconds,
        given.source.resolve(),
        given.log,
        tuple(options.split()),
    )
    found = asyncio.run(measure(point))
    if given.json:
        print(json.dumps(asdict(found)))
        return
    print(f"| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}\n| {' | '.join(row(found))} |")
    print(f"\nThe load generator used {found.generator_cores:.2f} cores more; a scrape was {found.scrape_kb:.1f} kB.")


if __name__ == "__main__":
    main()
