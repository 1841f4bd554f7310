"""Scenario time for the simulated cluster, and the file by which others on this machine share it."""

import asyncio
import json
import math
import os
import time  # noqa: TID251  # the only clock of the simulated cluster; time is an argument everywhere else
from pathlib import Path
from typing import Protocol

LONGEST_WAIT_SECONDS = 0.1  # of wall time, after which a sleeper looks whether the rate has changed
SHORTEST_WAIT_SECONDS = 0.001  # not to spin where time stands still
GRANTED_WALL_SECONDS = 0.15  # for which the clock runs without being asked: the cluster asks every 0.05 s


class Clock(Protocol):
    """Scenario time in Unix seconds; it never runs backwards."""

    def now(self) -> float:
        """Scenario time."""

    async def sleep(self, seconds: float) -> None:
        """Sleep for that many scenario seconds; zero or less only yields."""


class ScenarioClock:
    """Runs from `start_seconds` on, `rate` times as fast as the wall, for as long as someone calls `run` again and again.

    Else it stands still: a process or a machine that hangs must not find the scenario gone on without it. Follows the
    monotonic clock, which all processes of a machine share; a step of the system's time moves nothing.
    """

    def __init__(self, file: Path, start_seconds: float, rate: float) -> None:
        self._file = file
        self._set(start_seconds, rate)

    def now(self) -> float:
        """Scenario time in Unix seconds."""
        return min(self._until_seconds, self._since_seconds + (time.monotonic() - self._monotonic_seconds) * self.rate)

    def run(self, rate: float, limit_seconds: float = math.inf) -> None:
        """Run at this rate from now on, for another `GRANTED_WALL_SECONDS`, and no further than to a limit in scenario time."""
        self._set(self.now(), rate, limit_seconds)

    def leap(self, to_seconds: float) -> None:
        """Go on from this time, unless it has passed."""
        self._set(max(to_seconds, self.now()), self.rate)

    async def sleep(self, seconds: float) -> None:
        """Sleep for that many scenario seconds, however the rate changes; zero or less only yields."""
        until = self.now() + seconds
        if seconds <= 0:
            await asyncio.sleep(0)  # noqa: TID251
        while (left := until - self.now()) > 0:  # the clock's rate changes without an event
            await self.pause(min(LONGEST_WAIT_SECONDS, max(SHORTEST_WAIT_SECONDS, left / self.rate)))

    async def pause(self, wall_seconds: float) -> None:
        """Sleep for that many seconds on the wall."""
        await asyncio.sleep(wall_seconds)  # noqa: TID251

    def _set(self, scenario_seconds: float, rate: float, limit_seconds: float = math.inf) -> None:
        self.rate, self._since_seconds, self._monotonic_seconds = rate, scenario_seconds, time.monotonic()
        granted_seconds = scenario_seconds + GRANTED_WALL_SECONDS * rate
        self._until_seconds = max(scenario_seconds, min(granted_seconds, limit_seconds))
        pace = {
            "monotonic_seconds": self._monotonic_seconds,
            "scenario_seconds": scenario_seconds,
            "rate": rate,
            "until_seconds": self._until_seconds,
        }
        new = self._file.with_name(f"{self._file.name}.new")
        new.write_text(json.dumps(pace))
        os.replace(new, self._file)  # a reader sees the old file or the new one
