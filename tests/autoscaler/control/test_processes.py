"""A worker process: what goes wrong in it costs one call, and the next one finds another process."""

import multiprocessing
import os
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
