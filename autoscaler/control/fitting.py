"""Fits forecasts in a process of their own: a fit holds the interpreter for 10 ms, and after a start all policies are due at once.

Not here: what is fitted and how (`forecasting`), and for which policy and when (`fitter`).
"""

from typing import Self

import structlog

from autoscaler.control.processes import WorkerProcess
from forecasting.fit import Fit, fit
from forecasting.series import Series
from forecasting.worth import Law

TIMEOUT_SECONDS = 120.0  # wall time

_log = structlog.get_logger(__name__)


class FitProcess:
    """The process that fits for all policies, one after the other."""

    def __init__(self) -> None:
        self._process = WorkerProcess()

    async def fit(self, policy: str, series: Series, law: Law) -> Fit | None:
        """The fit, or None where it failed, which is logged."""
        try:
            return await self._process.run(TIMEOUT_SECONDS, fit, series, law)
        except Exception as error:  # noqa: BLE001 - whatever a fit raises, the fit before it stays
            _log.warning(
                "fit.failed", policy=policy, error=str(error) or type(error).__name__, instead="keeping the last fit"
            )
            return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.close()
