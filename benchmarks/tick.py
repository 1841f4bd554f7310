"""What a thousand policies cost the controller's event loop: `python -m benchmarks.tick [POLICIES PODS]...`. About 50 s a size.

The controller that `app` makes, with real runtimes, runners, loop, board, decision log and saved states, on the wall clock. Faked
are the Kubernetes API, which answers at once, and the scrapes, whose samples arrive evenly over the interval. Both are left out
of every figure, and so is the scaler. Each policy has lived 90 min, and a forecast fitted on three days.
"""

import asyncio
import gc
import io
import math
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import quantiles
from types import ModuleType
from typing import Any, cast

import numpy as np
from rich.console import Console
from rich.table import Table

from autoscaler.app import Always, Leader
from autoscaler.clock import WallClock
from autoscaler.control import loop as control_loop
from autoscaler.control.backfill import Backfill
from autoscaler.control.fitter import Fitter
from autoscaler.control.fitting import FitProcess
from autoscaler.control.preparing import Preparer
from autoscaler.control.reading import ReadingWatch
from autoscaler.control.runner import Part
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.control.target import TargetReader
from autoscaler.control.transport import TransportReader
from autoscaler.kube.client import Kube
from autoscaler.kube.objects import Key, Object
from autoscaler.kube.watches import Watches
from autoscaler.records.ledgers import LedgerFile
from autoscaler.records.store import FileStore, Loaded
from autoscaler.records.writer import Recorder
from autoscaler.reporting.reporter import Reporter
from autoscaler.settings import load
from autoscaler.sources.scrape import Scraper
from autoscaler.sources.transport import FileTransport
from autoscaler.starts.watches import StartWatches
from autoscaler.telemetry import logs
from benchmarks.step import FULL_TICKS, Pods, a_policy, a_sample
from crds.kinds import SCALING_POLICY
from crds.profiles import PROFILES
from crds.v1alpha1.resource import API_VERSION
from forecasting.fit import Fit, fit
from forecasting.series import Series
from forecasting.worth import Law
from policies.decider import Decider
from policies.engine import GRID_SECONDS, next_tick, step
from policies.ledger import Ledger
from policies.model import PodSample, State

SIZES = ((200, 1000), (1000, 5000))
TICKS = 2  # measured, after the first
OF_A_NAMESPACE = 20  # policies
INTERVAL_SECONDS = 2.0  # between two samples of a pod
FEED_SECONDS = 0.01
LONG_SECONDS = 0.01  # a callback that takes longer is named
LATE_AIM_SECONDS, HOLD_AIM_MILLISECONDS = 3.0, 20.0


@dataclass
class Stopwatch:
    """Seconds by part, without those of the parts that it calls; and how long each callback held the loop."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    calls: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    holds: list[tuple[float, str]] = field(default_factory=list)
    _collecting: float = 0.0  # since when
    _open: list[float] = field(default_factory=list)  # what the callees of each part that runs took

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what runs inside towards this part."""
        self._open.append(0.0)
        began = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - began
            self.seconds[name] += took - self._open.pop()
            self.calls[name] += 1
            if self._open:
                self._open[-1] += took

    def watch(self, owner: type | ModuleType, method: str, name: str) -> None:
        """Time a function of a class or a module."""
        inner = getattr(owner, method)

        def timed(*args: object, **kwargs: object) -> object:
            with self.part(name):
                return inner(*args, **kwargs)

        setattr(owner, method, timed)

    def watch_part(self, owner: type[Part]) -> None:
        """Time the turns of a part that runs beside the loop, without what they wait for."""
        inner: Callable[..., Coroutine[Any, Any, None]] = owner.run
        timed = partial(self.part, owner.__name__)
        setattr(owner, "run", lambda *args: _Timed(inner(*args), timed))  # noqa: B010 - for mypy

    def watch_loop(self) -> None:
        """Time every callback of the event loop."""
        inner = asyncio.Handle._run

        def timed(handle: asyncio.Handle) -> None:
            began, fed = time.perf_counter(), self.seconds["feeding"]
            inner(handle)
            if self.seconds["feeding"] < fed:  # it began anew
                return
            took = time.perf_counter() - began - (self.seconds["feeding"] - fed)
            self.seconds["all callbacks"] += took
            self.holds.append((took, "" if took < LONG_SECONDS else _named(handle)))

        setattr(asyncio.Handle, "_run", timed)  # noqa: B010 - for mypy

    def watch_garbage(self) -> None:
        """Time the garbage collector."""

        def collects(phase: str, about: dict[str, int]) -> None:
            if phase == "start":
                self._collecting = time.perf_counter()
                return
            took = time.perf_counter() - self._collecting
            name = f"garbage collection {about['generation']}"
            self.seconds[name] += took
            self.calls[name] += 1
            if self._open:
                self._open[-1] += took

        gc.callbacks.append(collects)

    def clear(self) -> None:
        """Begin anew."""
        for kept in (self.seconds, self.calls, self.holds):
            kept.clear()


class _Timed:
    """A coroutine whose every step is timed."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], part: Callable[[], AbstractContextManager[None]]) -> None:
        self._coroutine, self._part = coroutine, part

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._coroutine.__await__()
        resume = partial(steps.send, None)
        while True:
            try:
                with self._part():
                    waits_for = resume()
            except StopIteration as ended:
                return ended.value
            try:
                resume = partial(steps.send, (yield waits_for))
            except BaseException as error:  # noqa: BLE001 - cancelled, most often
                resume = partial(steps.throw, error)


def _named(handle: asyncio.Handle) -> str:
    """Whose callback it is."""
    owner = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]
    coro = owner.get_coro() if isinstance(owner, asyncio.Task) else None
    return getattr(coro, "__qualname__", "") or repr(handle._callback)[:60]  # type: ignore[attr-defined]


class FakeKube:
    """Every target exists with the pods that it should have; all else is empty."""

    def __init__(self, pods: int) -> None:
        self.calls = 0
        self._pods = pods

    async def get(self, path: str) -> Object:
        """A target, its scale, or the kinds that are served."""
        await self._called()
        name = path.removesuffix("/scale").rpartition("/")[2]
        if path.endswith("/v1"):
            return {"resources": [{"kind": "Deployment", "name": "deployments", "namespaced": True}]}
        if path.endswith("/scale"):
            selector = f"app=vllm,model={name}"
            return {"spec": {"replicas": self._pods}, "status": {"replicas": self._pods, "selector": selector}}
        container = {"name": "vllm", "image": "vllm", "resources": {"requests": {"nvidia.com/gpu": "1"}}}
        return {"spec": {"template": {"spec": {"containers": [container]}}}}

    async def list_all(self, _collection: object) -> tuple[list[Object], str]:
        """An empty list."""
        await self._called()
        return [], "1"

    async def create(self, _path: str, body: Object) -> Object:
        """What was sent."""
        await self._called()
        return body

    async def merge_patch(self, _path: str, body: Object) -> Object:
        """What was sent."""
        await self._called()
        return body

    async def _called(self) -> None:
        self.calls += 1
        await asyncio.sleep(0)


@dataclass
class Size:
    """Policies and their pods. Pod n of policy i is m{i}-{n}, and both are in a namespace that they share with others."""

    policies: int
    pods: int

    @property
    def each(self) -> int:
        """Pods of a policy."""
        return self.pods // self.policies

    def named(self) -> Iterator[tuple[int, Key]]:
        """Every policy."""
        return ((index, Key(f"tenant-{index // OF_A_NAMESPACE}", f"m{index}")) for index in range(self.policies))


def a_lived(size: Size) -> tuple[State, float, list[float]]:
    """A state after 90 min; when that is, and how many requests each pod has had."""
    chance, pods, state = random.Random(1), Pods(size.each), State()
    for _ in range(FULL_TICKS):
        state = step(a_policy(0), state, pods.tick(chance)).state
    return state, pods.now, pods._arrived


def moved(state: State, policy: str, by_seconds: float) -> State:
    """The state of another policy at another time."""
    filters = state.filters
    marks = [
        replace(
            mark,
            reading=replace(mark.reading, pod=f"{policy}-{n}", at_seconds=mark.reading.at_seconds + by_seconds),
        )
        for n, mark in enumerate(filters.marks)
    ]
    return replace(
        state,
        filters=replace(
            filters,
            tick_seconds=None if filters.tick_seconds is None else filters.tick_seconds + by_seconds,
            marks=tuple(marks),
            arrivals=tuple((at + by_seconds, rate) for at, rate in filters.arrivals),
            levels=tuple((at + by_seconds, level) for at, level in filters.levels),
        ),
    )


class Feeder:
    """Gives the scraper a sample of every pod in each interval, evenly spread."""

    def __init__(self, size: Size, scraper: Scraper, arrived: list[float], stopwatch: Stopwatch) -> None:
        self._pods = [
            (key.namespace, f"{key.name}-{n}", index, n) for n in range(size.each) for index, key in size.named()
        ]
        self._scraper, self._arrived, self._stopwatch = scraper, arrived, stopwatch
        self._clock = WallClock()
        self._began_seconds = self._clock.now()
        self._due = 0.0

    async def run(self) -> None:
        """Feed until cancelled."""
        while True:
            await asyncio.sleep(FEED_SECONDS)
            passed = self._clock.now() - self._began_seconds
            until = passed / INTERVAL_SECONDS * len(self._pods)
            for number in range(int(self._due), int(until)):
                namespace, name, index, n = self._pods[number % len(self._pods)]
                with self._stopwatch.part("feeding"):
                    sample = self._sample(name, index, n)
                with self._stopwatch.part("a sample arrives"):
                    self._scraper.accept(Key(namespace, name), sample)
            self._due = until

    def _sample(self, name: str, index: int, n: int) -> PodSample:
        """Steady traffic, and in one policy of ten a short queue now and then."""
        now = self._clock.now()
        arrived = self._arrived[n] + 0.8 * (now - self._began_seconds)
        waiting = 3.0 if index % 10 == 0 and int(now / 7.0) % 5 == 0 else 0.0
        return replace(a_sample(n, now, arrived, waiting), pod=name)


class Fits:
    """A fit that is there at once: fits run in a process of their own."""

    def __init__(self) -> None:
        minutes = np.arange(3 * 1440)
        noise = np.random.default_rng(1).normal(0.0, 0.05, len(minutes))
        self._demand = 2.0 + np.sin(minutes / 1440.0 * 2.0 * np.pi) + noise
        self._fit = fit(Series(0.0, 60.0, self._demand), Law.of(a_policy(0), PROFILES["8b-l4"].cold_start))

    def history(self, until_seconds: float) -> list[tuple[float, float]]:
        """(seconds, replicas) of the three days before."""
        begin = until_seconds - 60.0 * len(self._demand)
        return [(begin + 60.0 * (n + 1), float(demand)) for n, demand in enumerate(self._demand)]

    async def fit(self, _policy: str, _series: Series, _law: Law) -> Fit:
        """The same for all."""
        return self._fit


def watch_parts(stopwatch: Stopwatch) -> None:
    """What is timed, and how it is called in the table."""
    stopwatch.watch(PolicyRuntime, "inputs", "inputs")
    stopwatch.watch(PolicyRuntime, "supply", "supply")
    stopwatch.watch(Decider, "propose", "observe and propose")
    stopwatch.watch(PolicyRuntime, "settle", "settle")
    stopwatch.watch(Recorder, "record", "decision log")
    stopwatch.watch(control_loop, "measure", "metrics")
    stopwatch.watch(control_loop.Loop, "_publish", "publish")
    for part in (TargetReader, TransportReader, Preparer, ReadingWatch, Reporter, Fitter):
        stopwatch.watch_part(part)


def a_raw(key: Key) -> Object:
    return {
        "apiVersion": API_VERSION,
        "kind": SCALING_POLICY.name,
        "metadata": {"namespace": key.namespace, "name": key.name, "uid": key.name, "generation": 1},
        "spec": {"target": {"name": key.name}, "maxReplicas": 64, "profile": "8b-l4"},
    }


def a_pod(key: Key, n: int) -> Object:
    return {
        "metadata": {
            "namespace": key.namespace,
            "name": f"{key.name}-{n}",
            "uid": f"{key.name}-{n}",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app": "vllm", "model": key.name, "pod-template-hash": "7d9c6b5f4"},
        },
        "spec": {"nodeName": f"node-{n}"},
        "status": {
            "phase": "Running",
            "podIP": f"10.0.0.{n}",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:02:00Z"}],
        },
    }


def note(runtime: PolicyRuntime, clock: WallClock, late: list[float]) -> None:
    """How late a decision of the grid is."""
    if runtime.plan is not None and runtime.plan.at_seconds % GRID_SECONDS == 0.0:
        late.append(clock.now() - runtime.plan.at_seconds)


async def measure(size: Size, folder: Path, stopwatch: Stopwatch) -> dict[str, Any]:
    """Run the controller through a tick that is not measured, and those that are."""
    clock = WallClock()
    lived, lived_seconds, arrived = a_lived(size)
    tick = next_tick(clock.now() + 2.0 + size.policies / 250.0)
    states = {str(key): moved(lived, key.name, tick - 15.0 - lived_seconds) for _, key in size.named()}
    kube, fits = FakeKube(size.each), Fits()
    watches = Watches(cast(Kube, kube), clock, random.Random(1), None)
    starts = StartWatches(cast(Kube, kube), clock, random.Random(1), lambda: watches.namespaces, lambda: watches.nodes)
    scraper = Scraper(clock)
    store, recorder = FileStore(folder / "states"), Recorder(folder / "log")
    leader = Leader(
        load({"decision_log_dir": folder / "log", "state_dir": folder / "states"}),
        Always(clock, cast(Kube, kube), watches, starts, scraper, None),
        cast(FitProcess, fits),
        Backfill(None, clock, FileTransport(), ()),
        recorder,
        store,
        Loaded(states),
        LedgerFile(None),
        Ledger(),
    )
    watches.policies.replace(a_raw(key) for _, key in size.named())
    tasks = [asyncio.create_task(run()) for run in leader.runs]
    while len(leader.registry.runtimes) < size.policies:  # noqa: ASYNC110 - nothing announces it
        await asyncio.sleep(0.05)
    for namespace in watches.namespaces:
        watches.pods(namespace).replace(
            a_pod(key, n) for _, key in size.named() if key.namespace == namespace for n in range(size.each)
        )
        watches.jobs(namespace).replace(())
    past, late = fits.history(clock.now()), list[float]()
    for runtime in leader.registry.runtimes.values():
        runtime.subscribe(partial(note, runtime, clock, late))
        runtime._decider.forecaster.backfill(past)
        due = runtime.fit_due(clock.now())
        assert due is not None
        runtime.adopt_fit(await fits.fit(runtime.key, *due), clock.now())
    tasks.append(asyncio.create_task(Feeder(size, scraper, arrived, stopwatch).run()))
    await asyncio.sleep(next_tick(clock.now()) - clock.now())
    await asyncio.sleep(GRID_SECONDS - 0.5)
    stopwatch.clear()
    late.clear()
    calls, cpu, began = kube.calls, time.process_time(), time.perf_counter()
    await asyncio.sleep(TICKS * GRID_SECONDS)
    wall = time.perf_counter() - began
    figures = {
        "wall": wall,
        "cpu": time.process_time() - cpu - stopwatch.seconds["feeding"],
        "late": max(late, default=math.inf),
        "decisions": len(late),
        "calls": (kube.calls - calls) / wall,
        "log": sum(each.stat().st_size for each in (folder / "log").glob("*")),
        "seconds": dict(stopwatch.seconds),
        "count": dict(stopwatch.calls),
        "holds": list(stopwatch.holds),
    }
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    began = time.perf_counter()
    await leader.saver.save()
    figures["save"] = time.perf_counter() - began
    recorder.close()
    return figures


def main() -> None:
    asked = [int(each) for each in sys.argv[1:]]
    sizes = list(zip(asked[::2], asked[1::2], strict=True)) or list(SIZES)
    stopwatch, console = Stopwatch(), Console()
    logs.configure(stream=io.StringIO())
    watch_parts(stopwatch)
    stopwatch.watch_loop()
    stopwatch.watch_garbage()
    for size in (Size(*each) for each in sizes):
        with tempfile.TemporaryDirectory() as folder:
            show(console, size, asyncio.run(measure(size, Path(folder), stopwatch)))


def show(console: Console, size: Size, found: dict[str, Any]) -> None:
    ticks, seconds, holds = TICKS, found["seconds"], found["holds"]
    table = Table(title=f"{size.policies:,} policies with {size.pods:,} pods: {ticks} ticks in {found['wall']:.0f} s")
    for heading in ("figure", "value", "aim"):
        table.add_column(heading, justify="left" if heading == "figure" else "right")
    longest = max(took for took, _ in holds) * 1000.0
    table.add_row("cores", f"{found['cpu'] / found['wall']:.2f}", "")
    table.add_row("decisions a tick", f"{found['decisions'] / ticks:,.0f}", f"{size.policies:,}")
    table.add_row("last decision of a tick late, s", f"{found['late']:.2f}", f"under {LATE_AIM_SECONDS:g}")
    table.add_row("longest hold of the loop, ms", f"{longest:.0f}", f"under {HOLD_AIM_MILLISECONDS:g}")
    weighed = sorted(took for took, _ in holds)
    table.add_row("holds over 20 ms", f"{sum(took > 0.02 for took in weighed)}", "0")
    table.add_row("99.9th percentile of a hold, ms", f"{quantiles(weighed, n=1000)[-1] * 1000.0:.1f}", "")
    table.add_row("Kubernetes calls a second", f"{found['calls']:.0f}", "")
    table.add_row("a save of all states, s", f"{found['save']:.2f}", "")
    console.print(table)
    parts = Table(title="By part, without what it calls")
    for heading in ("part", "calls a tick", "microseconds a call", "ms a tick"):
        parts.add_column(heading, justify="left" if heading == "part" else "right")
    for part, took in sorted(seconds.items(), key=lambda item: -item[1]):
        calls = found["count"].get(part, 0)
        a_call = f"{took / calls * 1e6:.0f}" if calls else ""
        parts.add_row(part, f"{calls / ticks:,.0f}", a_call, f"{took / ticks * 1000.0:,.0f}")
    console.print(parts)
    worst: dict[str, tuple[int, float]] = {}
    for took, name in holds:
        if name:
            count, most = worst.get(name, (0, 0.0))
            worst[name] = count + 1, max(most, took)
    console.print({name: f"{count} over 10 ms, at most {most * 1000:.0f} ms" for name, (count, most) in worst.items()})


if __name__ == "__main__":
    main()
