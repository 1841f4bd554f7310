"""Runs the parts that work beside the loop for one pool: holds its standby nodes, looks at who else is on its nodes, reports.

As for a policy, a part bounds its own time; what it raises is a fault of ours, which costs this pool one turn of that part.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Protocol
from weakref import WeakKeyDictionary

import structlog

from autoscaler.actuators.base import Change
from autoscaler.actuators.standby.base import StandbyActuator
from autoscaler.clock import Clock
from autoscaler.control.pool_nodes import pool_nodes
from autoscaler.control.pool_runtime import PoolRuntime
from autoscaler.kube import collection
from autoscaler.kube.client import Kube
from autoscaler.kube.errors import KubeError
from autoscaler.kube.nodes import gpus
from autoscaler.kube.objects import Object, ended, key, labels
from autoscaler.kube.ours import MANAGED_BY, MANAGER
from autoscaler.kube.store import STALE_SECONDS, Store
from autoscaler.telemetry import metrics
from policies.engine import GRID_SECONDS

NODES_A_TURN = 4  # that are looked at: of 64, each once in four minutes

_log = structlog.get_logger(__name__)


class PoolPart(Protocol):
    """One job that is done for every pool."""

    async def run(self, runtime: PoolRuntime) -> None:
        """One turn for one pool."""


class StandbyKeeper:
    """Brings the standby nodes to the plan, by the actuator."""

    def __init__(self, actuator: StandbyActuator, clock: Clock) -> None:
        self._actuator = actuator
        self._clock = clock
        self._unknown_since: WeakKeyDictionary[PoolRuntime, float] = WeakKeyDictionary()

    async def run(self, runtime: PoolRuntime) -> None:
        """Hold or release one pool's standby nodes."""
        plan, now_seconds = runtime.plan, self._clock.now()
        if plan is None:
            return
        # While it is unknown what there is, the claims are those of before: acting on them could let go what is needed. The
        # first decision of a process knows nothing yet, and so claims nothing.
        if self._actuator.observe(runtime.pool, now_seconds) is not None and runtime.saw_standby:
            self._unknown_since.pop(runtime, None)
            change = await self._actuator.ensure(runtime.pool, plan, now_seconds)
        elif now_seconds - self._unknown_since.setdefault(runtime, now_seconds) < STALE_SECONDS:
            return  # as at every start
        else:
            because = self._actuator.unknown_because()
            why = f": {because}" if because else ""
            change = Change(
                problem=f"which standby nodes there are is not known, so none is asked for or released{why}"
            )
        news = runtime.offer_standby_problem(change.problem, now_seconds, change.foreign)
        if change.created or change.released or news:
            log = _log.warning if change.problem else _log.info
            log(
                "standby.changed",
                pool=runtime.name,
                created=change.created,
                released=change.released,
                problem=change.problem,
            )


class OtherPods:
    """Looks at which pods hold the GPUs of a pool's nodes, a few nodes a turn: not all namespaces' pods are watched."""

    def __init__(self, kube: Kube, nodes: Callable[[], Store], clock: Clock) -> None:
        self._kube = kube
        self._nodes = nodes
        self._clock = clock
        self._next: dict[str, str] = {}  # by pool: the node that was looked at last
        self._due_seconds: dict[str, float] = {}

    async def run(self, runtime: PoolRuntime) -> None:
        """Look at the next few nodes of one pool, once a grid step."""
        now_seconds = self._clock.now()
        if now_seconds < self._due_seconds.get(runtime.name, 0.0):
            return
        self._due_seconds[runtime.name] = now_seconds + GRID_SECONDS
        found = pool_nodes(runtime.pool, self._nodes(), (), (), now_seconds)
        if found is None:
            return
        for gone in runtime.gpus_by_pod.keys() - found.nodes.keys():
            runtime.offer_gpus_by_pod(gone, None)
        for name in _following(found.nodes, self._next.get(runtime.name, ""))[:NODES_A_TURN]:
            self._next[runtime.name] = name
            try:
                pods, _ = await self._kube.list_all(collection.pods_on(name))
            except KubeError:  # what was seen last stays
                return
            runtime.offer_gpus_by_pod(name, gpus_by_pod(pods))

    def forget(self, pool: str) -> None:
        """Forget a pool that is gone."""
        self._next.pop(pool, None)
        self._due_seconds.pop(pool, None)


def gpus_by_pod(pods: Collection[Object]) -> Mapping[tuple[str, str], int]:
    """GPUs by (namespace, name) of the pods that hold any; what Outrider made is left out."""
    found = {}
    for pod in pods:
        if ended(pod) or labels(pod).get(MANAGED_BY) == MANAGER:
            continue
        containers = (pod.get("spec") or {}).get("containers") or ()
        held = round(sum(gpus((each.get("resources") or {}).get("limits")) for each in containers))
        if held:
            found[tuple(key(pod))] = held
    return {(namespace, name): held for (namespace, name), held in found.items()}


def _following(names: Collection[str], last: str) -> list[str]:
    """The names in their order, from the one after `last` on, once around."""
    ordered = sorted(names)
    return [name for name in ordered if name > last] + [name for name in ordered if name <= last]


class PoolRunner:
    """One pool's parts, one after the other: after each decision, and once a grid step. `run` until its pool is gone."""

    def __init__(self, runtime: PoolRuntime, parts: Collection[PoolPart], clock: Clock) -> None:
        self._runtime = runtime
        self._parts = parts
        self._clock = clock
        self._news = asyncio.Event()
        runtime.subscribe(self._news.set)

    async def run(self) -> None:
        """Run every part until cancelled."""
        while True:
            self._news.clear()
            for part in self._parts:
                await self._turn(part)
            await self._pause()

    async def _turn(self, part: PoolPart) -> None:
        try:
            await part.run(self._runtime)
        except Exception:  # noqa: BLE001 - a fault of ours, of any kind
            name = type(part).__name__
            metrics.POOL_FAILURES.labels(pool=self._runtime.name, part=name).inc()
            _log.exception("part.failed", pool=self._runtime.name, part=name, instead="trying again at the next turn")

    async def _pause(self) -> None:
        """Until a decision, or for a grid step."""
        timer, news = asyncio.create_task(self._clock.sleep(GRID_SECONDS)), asyncio.create_task(self._news.wait())
        try:
            await asyncio.wait((timer, news), return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            news.cancel()
