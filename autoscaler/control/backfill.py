"""Has what a workload did before this process started read back, so that a restart does not begin without a past.

Decisions do not wait for it: they begin with the saved state, or with what runs, and take the history when it comes.
Not here: how it is read and reduced (`sources.past`), and what was decided, which the state remembers (`records.store`).
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Self

import structlog

from autoscaler.clock import Clock
from autoscaler.control.processes import WorkerProcess
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.sources.errors import SourceErrorKind
from autoscaler.sources.past import Memory, Question, read
from autoscaler.sources.transport import FileTransport
from autoscaler.telemetry import metrics
from policies import restart
from policies.model import State

TIMEOUT_SECONDS = 60.0  # of wall time; the reading itself ends after 30 s with what it has
FAILED = "the process that reads it failed ({}), so that forecasts begin without it; restart Outrider to read it again"

_log = structlog.get_logger(__name__)


class Backfill:
    """Reads from the Prometheus at `url` in `processes`, one policy in each at a time, which end once all is read.

    Without a URL there is nothing to read.
    """

    def __init__(
        self, url: str | None, clock: Clock, transport: FileTransport, processes: Sequence[WorkerProcess]
    ) -> None:
        self._url = url
        self._transport = transport
        self._clock = clock
        self._processes = processes
        self._free = asyncio.Queue[WorkerProcess]()
        for process in processes:
            self._free.put_nowait(process)
        self._asking = 0
        self._new = 0  # of these, policies without a saved state: nothing else is known of their demand
        self._no_new = asyncio.Event()
        self._no_new.set()

    async def run(self, runtime: PolicyRuntime) -> None:
        """Have one policy's history read, and take it. Its first step keeps the state as no decision has changed it yet."""
        if self._url is None:
            return
        workload, now_seconds = runtime.workload, self._clock.now()
        before = _without_pods(restart.known(runtime.state, now_seconds))
        question = Question(
            self._url, self._transport, workload.namespace, workload.target, workload.policy, before, now_seconds
        )
        async with self._turn(is_new=before.filters.level is None) as process:
            try:
                memory = await process.run(TIMEOUT_SECONDS, read, question)
            except Exception as error:  # noqa: BLE001 - whatever ended it, this policy goes on without a history
                is_late = isinstance(error, TimeoutError)
                why = f"no answer within {TIMEOUT_SECONDS:g} s" if is_late else str(error) or type(error).__name__
                memory = Memory(before, problem=FAILED.format(why), error=SourceErrorKind.PROCESS)
        self._take(runtime, before, memory)

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self, runtime: PolicyRuntime, before: State, memory: Memory) -> None:
        points = len(memory.seconds)
        runtime.catch_up(before, memory.state, zip(memory.seconds, memory.replicas, strict=True), self._clock.now())
        if memory.error is not None:
            metrics.SOURCE_ERRORS.labels(source="history", kind=memory.error).inc()
        answered = memory.error is None or points > 0
        metrics.SOURCE_ANSWERS.labels(policy=runtime.key, source="history").inc(int(answered))
        runtime.offer_history_problem(memory.problem)
        log = _log.warning if memory.problem else _log.info
        log("history.read", policy=runtime.key, points=points, problem=memory.problem or None)

    @asynccontextmanager
    async def _turn(self, *, is_new: bool) -> AsyncIterator[WorkerProcess]:
        """A process for one reading. What has no saved state comes first; when nobody is left, the processes end."""
        self._asking += 1
        self._count_new(int(is_new))
        try:
            process = await self._next(is_new=is_new)
            try:
                yield process
            finally:
                self._free.put_nowait(process)
        finally:
            self._asking -= 1
            self._count_new(-int(is_new))
            if not self._asking:
                self.close()

    async def _next(self, *, is_new: bool) -> WorkerProcess:
        while True:
            if not is_new:
                await self._no_new.wait()
            process = await self._free.get()
            if is_new or self._no_new.is_set():
                return process
            self._free.put_nowait(process)

    def _count_new(self, more: int) -> None:
        self._new += more
        if self._new:
            self._no_new.clear()
        else:
            self._no_new.set()


def _without_pods(state: State) -> State:
    """What a history is compared with: of thousands of pods it needs nothing."""
    return replace(state, filters=replace(state.filters, marks=(), arrivals=()))
