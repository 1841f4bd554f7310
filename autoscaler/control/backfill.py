"""Reads back what a workload did before this process started, so that a restart does not begin without a past.

Not here: what was decided, which the state remembers (`records.store`).
"""

import asyncio

import structlog

from autoscaler.clock import Clock
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.sources import history
from autoscaler.sources.transport import FileTransport
from autoscaler.telemetry import metrics
from policies.series import FINISHED, GENERATION_TOKENS, PROMPT_TOKENS

READERS = 2  # a week is 50,000 numbers: 200 policies at once kept KEDA waiting for 14 s
MOST_WARNINGS, WARNING_LIMIT = 3, 200  # characters; a store that is away warns in every answer
MOSTLY = 0.9  # of the points: a few are unknown after each restart of a pod

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
        workload, now_seconds = runtime.workload, self._clock.now()
        async with self._readers:
            past = await history.read(
                self._url, workload.namespace, workload.target, now_seconds, transport=self._transport
            )
            points = runtime.remember(past.points, now_seconds)
        problem = history_problem(past, points)
        answered = past.problem is None or points > 0
        metrics.SOURCE_ANSWERS.labels(policy=runtime.key, source="history").inc(int(answered))
        runtime.offer_history_problem(problem)
        log = _log.warning if problem else _log.info
        log("history.read", policy=runtime.key, points=points, problem=problem or None)


def history_problem(past: history.ReadBack, known: int) -> str:
    """What is wrong with a history of which `known` points were of use; empty where nothing is."""
    if past.problem:
        return str(past.problem)
    if past.warnings:
        shown = "; ".join(text[:WARNING_LIMIT] for text in past.warnings[:MOST_WARNINGS])
        return f"Prometheus warned that its answer may be incomplete: {shown}"
    if known < MOSTLY * len(past.points):
        return (
            f"demand is known for {known} of the {len(past.points)} minutes that Prometheus has; check that it keeps "
            f"{FINISHED}, {PROMPT_TOKENS} and {GENERATION_TOKENS}"
        )
    return ""
