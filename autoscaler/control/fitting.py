"""Fits forecasts in a process of their own: a fit holds the interpreter for up to seconds, which would stall the loop."""

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

TIMEOUT_SECONDS = 120.0  # wall time; a fit takes about one

_log = structlog.get_logger(__name__)


class FitProcess:
    """One worker process, made by a fork server, since this process has threads and a gRPC core."""

    def __init__(self) -> None:
        self._pool = self._make()
        self._turn = asyncio.Lock()

    async def fit(self, policy: str, series: Series) -> Fit | None:
        """The fit, or None; the log says why there is none. A process that broke is replaced."""
        try:
            # The time in the queue is no fit's own: after a start all policies are due at once.
            async with self._turn, asyncio.timeout(TIMEOUT_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self._pool, fit, series)
        except Exception as error:  # noqa: BLE001 - whatever a fit raises, the one before it goes on
            _log.warning("fit.failed", policy=policy, error=str(error) or type(error).__name__)
            if isinstance(error, BrokenExecutor | TimeoutError):
                self.close()
                self._pool = self._make()
            return None

    def close(self) -> None:
        """End the process, also in the middle of a fit."""
        # The pool itself cannot end a busy worker.
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
        pool.submit(_import)
        return pool


def _begin() -> None:
    """Interrupts are the parent's business. One that was killed could not end this process, nor the fork server with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_the_parent, daemon=True).start()


def _follow_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _import() -> None:
    """What a fit imports takes seconds: the first one, which every decision after a start waits for, should not pay that."""
    import statsmodels.tsa.ar_model  # noqa: F401, PLC0415
