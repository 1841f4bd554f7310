"""A worker process that is none: its work runs in a thread of this one, at once.

What it does not do: pickle what goes in and out, die, or stop what takes too long.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from autoscaler.control.processes import WorkerProcess

T = TypeVar("T")


class InThread(WorkerProcess):
    closed = 0  # how often

    async def run(self, timeout_seconds: float, function: Callable[..., T], *arguments: object) -> T:
        async with asyncio.timeout(timeout_seconds):
            return await asyncio.to_thread(function, *arguments)

    def close(self) -> None:
        self.closed += 1
