"""Work on all cores: processes that import what a function needs and nothing of the command line."""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import forkserver
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from replay.knobs import Map

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def spread(*modules: str) -> Iterator["Map"]:
    """`map` over one process for each core, forked from a server that has imported `modules`; plain `map` on one core.

    Functions, items and results must be picklable. Items are read as they are needed, a few ahead.
    """
    workers = cores()
    if workers == 1:
        yield map
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(modules))
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)  # which the server and its workers inherit
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, interrupt)
    pool = ProcessPoolExecutor(workers, context)

    def run(function: Callable[[ItemT], ResultT], items: Iterable[ItemT], /) -> Iterator[ResultT]:
        waiting: deque[Future[ResultT]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    try:
        yield run
    except BaseException:
        for process in list((pool._processes or {}).values()):
            process.kill()  # else an interrupted command would wait for what still runs
        raise
    finally:
        pool.shutdown(cancel_futures=True)
