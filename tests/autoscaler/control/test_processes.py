"""A worker process: what goes wrong in it costs one call, and the next one finds another process."""

import asyncio
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool

import pytest

from autoscaler.control.processes import NICENESS, WorkerProcess


def identity() -> tuple[int, int]:
    return os.getpid(), os.nice(0)


def dies() -> None:
    os._exit(1)


def hangs() -> None:
    time.sleep(60.0)  # it stands for a server that keeps a reader waiting, in a process that is killed


def fails() -> None:
    raise KeyError("a fault of ours")


@pytest.fixture
def process() -> Iterator[WorkerProcess]:
    multiprocessing.get_context("forkserver").set_forkserver_preload([__name__])
    with WorkerProcess() as made:
        yield made


async def test_what_goes_wrong_costs_one_call(process: WorkerProcess) -> None:
    first, niceness = await process.run(30.0, identity)
    assert first != os.getpid()
    assert niceness == os.nice(0) + NICENESS
    with pytest.raises(KeyError):
        await process.run(30.0, fails)
    assert (await process.run(30.0, identity))[0] == first
    with pytest.raises(BrokenProcessPool):
        await process.run(30.0, dies)
    second = (await process.run(30.0, identity))[0]
    with pytest.raises(TimeoutError):
        await process.run(0.1, hangs)
    assert len({first, second, (await process.run(30.0, identity))[0]}) == 3


async def test_a_process_that_is_being_started_ends_too(
    process: WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, starting, closing = process._started(), threading.Event(), threading.Event()
    processes, shutdown = dict(pool._processes), pool.shutdown
    start = pool._spawn_process  # type: ignore[attr-defined]

    def start_late() -> None:
        starting.set()
        closing.wait(20.0)
        start()
        processes.update(pool._processes)

    def shutdown_at_last(**options: bool) -> None:
        closing.set()
        shutdown(**options)

    monkeypatch.setattr(pool, "_spawn_process", start_late)
    monkeypatch.setattr(pool, "shutdown", shutdown_at_last)
    call = asyncio.create_task(process.run(30.0, hangs))
    await asyncio.to_thread(starting.wait, 20.0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    process.close()
    (started,) = processes.values()
    await asyncio.to_thread(started.join, 5.0)
    assert started.exitcode == -signal.SIGKILL  # else the interpreter waits for its work at the end
