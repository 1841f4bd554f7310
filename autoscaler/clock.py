"""The only file that touches a clock. Maps wall time to scenario time, which is what every control interval is in."""

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Scenario time in Unix seconds; it never runs backwards."""

    def now(self) -> float:
        """Scenario time."""

    async def sleep(self, seconds: float) -> None:
        """Sleep for that many scenario seconds; zero or less only yields."""


@dataclass
class WallClock:
    """Scenario time runs `rate` times as fast as the wall from `scenario_epoch_seconds` on. By default: the wall.

    Follows the monotonic clock, so a step of the system's time moves nothing.
    """

    rate: float = 1.0
    scenario_epoch_seconds: float | None = None
    wall_epoch_seconds: float | None = None

    def __post_init__(self) -> None:
        wall = time.time()
        wall_epoch = wall if self.wall_epoch_seconds is None else self.wall_epoch_seconds
        scenario_epoch = wall_epoch if self.scenario_epoch_seconds is None else self.scenario_epoch_seconds
        self._start = scenario_epoch + (wall - wall_epoch) * self.rate
        self._start_monotonic = time.monotonic()

    def now(self) -> float:
        """Scenario time in Unix seconds."""
        return self._start + (time.monotonic() - self._start_monotonic) * self.rate

    async def sleep(self, seconds: float) -> None:
        """Sleep for that many scenario seconds; zero or less only yields."""
        await asyncio.sleep(max(0.0, seconds) / self.rate)


def stopwatch_seconds() -> float:
    """Wall seconds for measuring how long something took; no epoch."""
    return time.perf_counter()
