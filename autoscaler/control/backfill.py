"""Reads back what a workload did before this process started, so that a restart does not begin without a past.

Not here: what was decided, which the state remembers (`records.store`).
"""

import asyncio

import structlog

from autoscaler.clock import Clock
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.sources import history
from autoscaler.sources.transport import FileTransport

READERS = 2  # a week is 50,000 numbers: 200 policies at once kept KEDA waiting for 14 s

_log = structlog.get_logger(__name__)


class Backfill:
    """Reads from the Prometheus at `url`, two policies at a time. Without a URL there is nothing to read."""

    def __init__(self, url: str | None, clock: Clock, transport: FileTransport | None = None) -> None:
        self._url = url
        self._transport = transport
        self._clock = clock
        self._readers = asyncio.Semaphore(READERS)

    async def run(self, runtime: PolicyRuntime) -> None:
        """Read one policy's history."""
        if self._url is None:
            return
        workload = runtime.workload
        async with self._readers:
            past = await history.read(
                self._url, workload.namespace, workload.target.name, self._clock.now(), transport=self._transport
            )
            points = runtime.remember(past.points)
        problem = str(past.problem) if past.problem else None
        _log.info("history.read", policy=runtime.key, points=points, problem=problem)
