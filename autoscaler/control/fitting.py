"""Fits forecasts in a process of their own: a fit holds the interpreter for 10 ms, and after a start all policies are due at once.

Not here: what is fitted and how (`forecasting`), and for which policy and when (`fitter`). That process imports this file too,
so it imports little.
"""

import asyncio
import multiprocessing
import os
import signal
import threading
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from typing import Self

import structlog

from forecasting.fit import Fit, fit
from forecasting.series import Series

TIMEOUT_SECONDS = 120.0  # wall time

_log = structlog.get_logger(__name__)


class FitProcess:
    """One worker process, made by a fork server, since this process has threads and a gRPC core."""

    def __init__(self) -> None:
        self._pool = self._make()
        self._turn = asyncio.Lock()

    async def fit(self, policy: str, series: Series) -> Fit | None:
        """The fit, or None where it failed, which is logged. A process that broke is replaced."""
        try:
            # The wait for one's turn does not count: after a start all policies are due at once.
            async with self._turn, asyncio.timeout(TIMEOUT_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self._pool, fit, series)
        except Exception as error:  # noqa: BLE001 - whatever a fit raises, the fit before it stays
            _log.warning(
                "fit.failed", policy=policy, error=str(error) or type(error).__name__, instead="keeping the last fit"
            )
            if isinstance(error, BrokenExecutor | TimeoutError):
                self.close()
                self._pool = self._make()
            return None

    def close(self) -> None:
        """End the process, also in the middle of a fit, which the pool itself cannot do."""
        for process in list((self._pool._processes or {}).values()):
            process.kill()
        self._pool.shutdown(cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @staticmethod
    def _make() -> ProcessPoolExecutor:
        context = multiprocessing.get_context("forkserver")
        pool = ProcessPoolExecutor(max_workers=1, mp_context=context, initializer=_begin)
        pool.submit(int)  # starts the process: the first fit would hold the loop until that is done
        return pool


def _begin() -> None:
    """Leave interrupts to the parent process, and end with it: a killed parent cannot end its children."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_the_parent, daemon=True).start()


def _follow_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
