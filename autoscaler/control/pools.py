"""Keeps one runtime, with its runner, for each valid GPUPool. A pool that turned invalid goes on in its last valid version.

Not here: who its members are (each policy names its pool), and deciding (`granting`, in the loop).
"""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import structlog

from autoscaler.clock import Clock
from autoscaler.control.pool_runner import OtherPods, PoolPart, PoolRunner
from autoscaler.control.pool_runtime import PoolRuntime
from autoscaler.kube.objects import Object, created_seconds, deleting, key, metadata, uid
from autoscaler.kube.watches import Watches
from autoscaler.reporting.pool_reporter import PoolReporter
from autoscaler.reporting.pool_status import restored
from autoscaler.telemetry import metrics
from crds.kinds import GPU_POOL
from crds.pool import GpuPool
from crds.resolve.problems import Problem
from policies.pool import PoolState

SETTLE_SECONDS = 0.2  # changes come in bursts
RETRY_SECONDS = 15.0  # until a pool is read again that failed, or that never was valid and whose status was not written

_log = structlog.get_logger(__name__)


class PoolRegistry:
    """Follows the watched pools."""

    def __init__(
        self,
        watches: Watches,
        parts: Sequence[PoolPart],
        reporter: PoolReporter,
        others: OtherPods,
        clock: Clock,
        saved: Mapping[str, PoolState],
    ) -> None:
        self._watches = watches
        self._parts = parts
        self._reporter = reporter
        self._others = others
        self._clock = clock
        self._saved = dict(saved)
        self._runtimes: dict[str, PoolRuntime] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._versions: dict[str, object] = {}  # as each was read last
        self._invalid: dict[str, str] = {}  # pools of which no version was ever valid, and why
        self._unread: set[str] = {key(raw).name for raw in watches.pools}
        self._changed = asyncio.Event()
        watches.pools.subscribe(self._pool_changed)

    @property
    def runtimes(self) -> Mapping[str, PoolRuntime]:
        """The pools that are followed, by name; it changes as they come and go."""
        return self._runtimes

    def states(self) -> dict[str, PoolState]:
        """What every pool remembers; of those not found yet, what was saved of them."""
        return self._saved | {name: runtime.state for name, runtime in self._runtimes.items()}

    def uids(self) -> Collection[str] | None:
        """The uids of all pools that there are, valid or not; None before they were listed."""
        pools = self._watches.pools
        return {uid(raw) for raw in pools if not deleting(raw)} if pools.synced else None

    def names(self) -> Collection[str] | None:
        """The names of all pools that there are, valid or not; None before they were listed."""
        pools = self._watches.pools
        return {key(raw).name for raw in pools if not deleting(raw)} if pools.synced else None

    def problem(self, pool: str) -> str:
        """Why a pool cannot be used; empty if it can."""
        if pool in self._runtimes:
            return ""
        if self._watches.pools_problem:
            return f"GPUPools cannot be read: {self._watches.pools_problem}"
        if not self._watches.pools.synced:
            return "the GPUPools have not been listed yet"
        if pool in self._invalid:
            return f"GPUPool {pool} is not valid: {self._invalid[pool]}"
        return f"there is no GPUPool {pool}"

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._follow(group)
                timeout = RETRY_SECONDS if self._invalid or self._unread else None
                await self._until_changed(timeout)

    async def _until_changed(self, timeout_seconds: float | None) -> None:
        changed = asyncio.create_task(self._changed.wait())
        timer = [asyncio.create_task(self._clock.sleep(timeout_seconds))] if timeout_seconds is not None else []
        try:
            await asyncio.wait((changed, *timer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (changed, *timer):
                task.cancel()
        if self._changed.is_set():
            await self._clock.sleep(SETTLE_SECONDS)
            self._changed.clear()

    def _pool_changed(self, raw: Object) -> None:
        self._unread.add(key(raw).name)
        self._changed.set()

    async def _follow(self, group: asyncio.TaskGroup) -> None:
        pools = self._watches.pools
        if not pools.synced:
            return
        unread, self._unread = self._unread, set()
        for name in sorted(unread):
            with self._contained(name):
                self._read(group, name)
        for gone in self._saved.keys() - {key(raw).name for raw in pools}:  # deleted while no controller ran
            del self._saved[gone]
        for name, problem in list(self._invalid.items()):
            raw = pools.get("", name)
            if raw is not None:
                with self._contained(name):
                    await self._reporter.refuse(raw, name, problem)

    def _read(self, group: asyncio.TaskGroup, name: str) -> None:
        raw = self._watches.pools.get("", name)
        if raw is None or deleting(raw):
            self._remove(name)
            return
        version = uid(raw), metadata(raw).get("generation"), raw.get("spec")
        if self._versions.get(name) == version:
            return
        runtime = self._runtimes.get(name)
        if runtime is not None and runtime.pool.uid != uid(raw):  # deleted and made again: what was spent was another's
            self._remove(name)
            runtime = None
        self._versions[name] = version
        found = GPU_POOL.resolve(raw)
        if isinstance(found, GpuPool):
            self._accept(group, raw, found, runtime)
        else:
            self._refuse(name, found, runtime)

    def _accept(self, group: asyncio.TaskGroup, raw: Object, pool: GpuPool, runtime: PoolRuntime | None) -> None:
        self._invalid.pop(pool.name, None)
        if runtime is not None:
            metrics.forget_pool(pool.name)  # an offering may be gone
            runtime.follow(pool)
            return
        saved, made_seconds = self._saved.pop(pool.name, None), created_seconds(raw)
        if saved and made_seconds is not None and made_seconds > (saved.account.at_seconds or made_seconds):
            saved = None  # of another pool of this name
        state = restored(pool.pool, raw.get("status") or {}, saved)
        runtime = self._runtimes[pool.name] = PoolRuntime(pool, state)
        metrics.POOL_FAILURES.labels(pool=pool.name, part="decision")
        self._tasks[pool.name] = group.create_task(PoolRunner(runtime, self._parts, self._clock).run())
        _log.info("pool.added", pool=pool.name, summary=pool.summary, spent_today_usd=round(state.account.day_usd, 2))

    def _refuse(self, name: str, problems: Sequence[Problem], runtime: PoolRuntime | None) -> None:
        problem = "; ".join(f"{each.path}: {each.why}; instead: {each.instead}" for each in problems)
        if runtime is None:
            self._invalid[name] = problem
        else:
            runtime.refuse(f"{problem}.")
        instead = "keeping its last valid version in force" if runtime else "its members keep what they have"
        _log.error("pool.invalid", pool=name, problem=problem, instead=instead)

    def _remove(self, name: str) -> None:
        self._versions.pop(name, None)
        self._invalid.pop(name, None)
        self._saved.pop(name, None)
        if self._runtimes.pop(name, None) is not None:
            self._tasks.pop(name).cancel()
            _log.info("pool.removed", pool=name)
        self._others.forget(name)
        self._reporter.forget(name)

    @contextmanager
    def _contained(self, name: str) -> Iterator[None]:
        """A fault of ours in one pool costs no other one anything; it is tried again soon."""
        try:
            yield
        except Exception:  # noqa: BLE001 - of any kind
            self._versions.pop(name, None)
            self._unread.add(name)
            metrics.POOL_FAILURES.labels(pool=name, part="pool").inc()
            _log.exception(
                "pool.failed", pool=name, instead="trying again soon; until then its last version stays in force"
            )
