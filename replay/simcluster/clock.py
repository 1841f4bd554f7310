"""Scenario time for the simulated cluster: the wall's, `rate` times as fast from a given start."""

import asyncio
import time  # noqa: TID251  # the only clock of the simulated cluster; time is an argument everywhere else
from typing import Protocol


class Clock(Protocol):
    """Scenario time in Unix seconds; it never runs backwards."""

    def now(self) -> float:
        """Scenario time."""

    async def sleep(self, seconds: float) -> None:
        """Sleep for that many scenario seconds; zero or less only yields."""


class ScenarioClock:
    """Starts when it is made. `scenario_epoch_seconds` was then the scenario's time, `wall_epoch_seconds` the wall's."""

    def __init__(self, rate: float, scenario_epoch_seconds: float) -> None:
        self.rate = rate
        self.scenario_epoch_seconds = scenario_epoch_seconds
        self.wall_epoch_seconds = time.time()
        self._monotonic_epoch = time.monotonic()

    def now(self) -> float:
        """Scenario time in Unix seconds; follows the monotonic clock, so a step of the system's time moves nothing."""
        return self.scenario_epoch_seconds + (time.monotonic() - self._monotonic_epoch) * self.rate

    async def sleep(self, seconds: float) -> None:
        """Sleep for that many scenario seconds; zero or less only yields."""
        await asyncio.sleep(max(0.0, seconds) / self.rate)  # noqa: TID251
