"""Runs the parts that work beside the loop for one policy: in which order, how often, and one failing apart from the others.

Not here: what a part does. Each bounds its own time and reports what it could not do; what it raises beyond that is a fault
of ours, which costs this policy one turn of that part.
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from autoscaler.actuators.base import Actuator
from autoscaler.clock import Clock
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.control.target import TargetReader
from autoscaler.control.transport import TransportReader
from autoscaler.telemetry import metrics
from policies.engine import GRID_SECONDS, next_tick
from policies.model import Plan, StepResult

LOOK_SECONDS = 3.0  # a refused ReplicaSet tries again after as long as it has been refused
BUSY_SECONDS = 3.0  # after a tick, while all policies are decided

_log = structlog.get_logger(__name__)


class Part(Protocol):
    """One job that is done for every policy."""

    async def run(self, runtime: PolicyRuntime) -> None:
        """One turn for one policy."""


@dataclass(frozen=True)
class Parts:
    """The parts, one of each for all policies."""

    actuators: tuple[Actuator, ...]  # what holds units for them
    target: TargetReader
    transport: TransportReader
    at_start: Part
    after_decisions: tuple[Part, ...]  # one after the other, once the target was read; also once a grid step
    on_grid: tuple[Part, ...]  # side by side, once a grid step


class PolicyRunner:
    """One policy's parts. `run` until its policy is gone."""

    def __init__(self, runtime: PolicyRuntime, parts: Parts, clock: Clock) -> None:
        self._runtime = runtime
        self._parts = parts
        self._clock = clock
        self._result: StepResult | None = None
        self._news = asyncio.Event()
        runtime.subscribe(self._notified)

    async def run(self) -> None:
        """Read the target and how its pods are reached, let decisions begin, then run every part at its own pace.

        The history is taken when it comes: `at_start` begins before the first decision, and may end long after it.
        """
        parts = self._parts
        await self._turn(parts.target)
        await self._turn(parts.transport)
        reading = asyncio.create_task(self._turn(parts.at_start))
        try:
            await self._clock.sleep(0)  # it sees the state as it was saved
            if not self._begins():
                return
            async with asyncio.TaskGroup() as group:
                group.create_task(self._repeat(self._decision, parts.target, parts.transport, *parts.after_decisions))
                for part in parts.on_grid:
                    group.create_task(self._repeat(self._grid_step, part))
        finally:
            reading.cancel()

    def _begins(self) -> bool:
        """Begin to decide. A state that no decision can begin from costs no other policy anything."""
        try:
            self._runtime.begin(self._clock.now())
        except Exception:  # noqa: BLE001 - a fault of ours, of any kind
            _log.exception(
                "policy.failed",
                policy=self._runtime.key,
                instead="not deciding for it until its target is edited or the controller is started without its saved state",
            )
            return False
        return True

    async def _repeat(self, pause: Callable[[], Awaitable[None]], *parts: Part) -> None:
        while True:
            for part in parts:
                await self._turn(part)
            await pause()

    async def _turn(self, part: Part) -> None:
        try:
            await part.run(self._runtime)
        except Exception:  # noqa: BLE001 - a fault of ours, of any kind
            name = type(part).__name__
            metrics.FAILURES.labels(policy=self._runtime.key, part=name).inc()
            _log.exception("part.failed", policy=self._runtime.key, part=name, instead="trying again at the next turn")

    def _notified(self) -> None:
        """There was a decision, or an edit of the policy.

        A decision that changes nothing can wait for the next turn, unless there are balloons that may be in a replica's way.
        """
        runtime, before, now = self._runtime, self._result, self._runtime.result
        self._result = now
        if now is None or now is before or runtime.has_balloons_near or _moves(now, runtime.plan_before):
            self._news.set()

    @property
    def _due_seconds(self) -> float:
        """When the policy has its next turn of the grid step: its own moment, or all would call the API at once."""
        share = zlib.crc32(self._runtime.key.encode()) / 2**32
        offset_seconds = BUSY_SECONDS + share * (GRID_SECONDS - BUSY_SECONDS)
        return next_tick(self._clock.now() - offset_seconds) + offset_seconds

    async def _grid_step(self) -> None:
        await self._clock.sleep(self._due_seconds - self._clock.now())

    async def _look(self) -> None:
        """Until the next turn is due, or a balloon may have to go."""
        due_seconds = self._due_seconds
        while (left_seconds := due_seconds - self._clock.now()) > 0:
            await self._clock.sleep(min(left_seconds, LOOK_SECONDS))
            if self._runtime.watchful:
                return

    async def _decision(self) -> None:
        """Until a decision that changes something, or the next turn of the grid step."""
        timer = asyncio.create_task(self._look())
        news = asyncio.create_task(self._news.wait())
        try:
            await asyncio.wait((timer, news), return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            news.cancel()
        self._news.clear()


def _moves(now: StepResult, before: Plan | None) -> bool:
    """Whether the decision changes a count or the mode."""
    return now.plan is not None and now.plan.differs_from(before)
