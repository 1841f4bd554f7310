"""One process beside this one, for work that holds the interpreter for longer than the loop may wait.

Not here: what is run in it. That process imports this file too, so it imports little.
"""

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from typing import Self, TypeVar

NICENESS = 5  # a third of the share of the controller, where both want the same core

T = TypeVar("T")


class WorkerProcess:
    """One worker process, made by a fork server when it is first needed, since this process has threads and a gRPC core."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._turn = asyncio.Lock()

    async def run(self, timeout_seconds: float, function: Callable[..., T], *arguments: object) -> T:
        """What the function gives in that process, and raises whatever it raises. A process that broke or hangs is replaced.

        `timeout_seconds` is wall time from one's turn on: the wait for it does not count. Raises TimeoutError, and
        BrokenExecutor where the process died.
        """
        async with self._turn:
            try:
                async with asyncio.timeout(timeout_seconds):
                    # In a thread, since the first call starts the process, which takes 0.2 s.
                    future = await asyncio.to_thread(self._started().submit, function, *arguments)
                    return await asyncio.wrap_future(future)
            except (BrokenExecutor, TimeoutError):
                self.close()
                raise

    def close(self) -> None:
        """End the process, also in the middle of its work, which the pool itself cannot do. It starts again when needed."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        processes = pool._processes
        pool.shutdown(wait=False, cancel_futures=True)  # it waits for a process that a thread is about to start
        for process in list(processes.values()):
            process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("forkserver")
            self._pool = ProcessPoolExecutor(max_workers=1, mp_context=context, initializer=_begin)
        return self._pool


def _begin() -> None:
    """Leave interrupts to the parent process, and the cores; and end with it: a killed parent cannot end its children."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    threading.Thread(target=_follow_the_parent, daemon=True).start()


def _follow_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
