"""Has a policy's forecast fitted when that is due. Not here: the fit (`forecasting`), and the process that makes it (`fitting`)."""

from autoscaler.clock import Clock
from autoscaler.control.fitting import FitProcess
from autoscaler.control.runtime import PolicyRuntime


class Fitter:
    """One process fits for all policies, in turn."""

    def __init__(self, process: FitProcess, clock: Clock) -> None:
        self._process = process
        self._clock = clock

    async def run(self, runtime: PolicyRuntime) -> None:
        """Fit one policy's forecast, if it is due."""
        due = runtime.fit_due(self._clock.now())
        if due is not None:
            runtime.adopt_fit(await self._process.fit(runtime.key, *due), self._clock.now())
