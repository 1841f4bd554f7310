"""The only file that touches a clock. Maps wall time to scenario time, which is what every control interval is in."""

import asyncio
import json
import math
import time
from pathlib import Path
from typing import NamedTuple, Protocol

LONGEST_WAIT_SECONDS = 0.1  # of wall time, after which a sleeper looks whether the rate has changed
SHORTEST_WAIT_SECONDS = 0.001  # not to spin where time stands still
SLICE_SECONDS = 0.01  # of wall time, for which a long job may hold the event loop: KEDA and the pods wait meanwhile
MOST_RATE = 30.0
SLOWER = 0.9  # faster would make rates look larger than they are by more than a tenth


class Clock(Protocol):
    """Scenario time in Unix seconds; it never runs backwards."""

    def now(self) -> float:
        """Scenario time."""

    async def sleep(self, seconds: float) -> None:
        """Sleep for that many scenario seconds; zero or less only yields."""


class WallClock:
    """The wall's time, which never runs backwards.

    Where the system's time is set back, this one runs a tenth slower until the other has caught up. It jumps forward with the
    system's: after a machine was paused, its monotonic clock is late for ever. It begins no
    earlier than at `at_least_seconds`, the time of another one.
    """

    def __init__(self, at_least_seconds: float = 0.0) -> None:
        self._seconds = max(time.time(), at_least_seconds)
        self._monotonic_seconds = time.monotonic()

    def now(self) -> float:
        """Unix seconds."""
        monotonic_seconds = time.monotonic()
        passed_seconds = monotonic_seconds - self._monotonic_seconds
        self._seconds = max(time.time(), self._seconds + SLOWER * passed_seconds)
        self._monotonic_seconds = monotonic_seconds
        return self._seconds

    async def sleep(self, seconds: float) -> None:
        """Sleep for that many seconds; zero or less only yields."""
        await asyncio.sleep(max(0.0, seconds))


class Pace(NamedTuple):
    """At `monotonic_seconds` of this machine it was `scenario_seconds`; since then time runs `rate` times as fast, to a limit.

    The limit moves on with a cluster that runs; when the cluster hangs, time stands still there.
    """

    monotonic_seconds: float
    scenario_seconds: float
    rate: float
    until_seconds: float


class ScenarioClock:
    """Follows the clock file of a simulated cluster on this machine, which may change its rate at any moment.

    Raises OSError and ValueError for a file that is not there or is no clock file. If it goes later, time stands still.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._text = file.read_bytes()
        self._pace = pace(self._text)
        self._latest_seconds = -math.inf

    def now(self) -> float:
        """Scenario time in Unix seconds; it stands still where a slower rate was read too late, until the file has caught up."""
        self._latest_seconds = max(self._latest_seconds, self._reckoned())
        return self._latest_seconds

    async def sleep(self, seconds: float) -> None:
        """Sleep for that many scenario seconds, however the rate changes; zero or less only yields."""
        until = self.now() + seconds
        if seconds <= 0:
            await asyncio.sleep(0)
        while (left := until - self.now()) > 0:  # noqa: ASYNC110  # the clock's rate changes without an event
            await asyncio.sleep(min(LONGEST_WAIT_SECONDS, max(SHORTEST_WAIT_SECONDS, left / self._pace.rate)))

    def _reckoned(self) -> float:
        try:
            text = self._file.read_bytes()
            if text != self._text:
                self._pace, self._text = pace(text), text
        except (OSError, ValueError):  # the cluster has ended
            pass
        since = self._pace
        ahead_seconds = (time.monotonic() - since.monotonic_seconds) * since.rate
        return min(since.until_seconds, since.scenario_seconds + ahead_seconds)


def pace(text: bytes) -> Pace:
    """What a clock file says. Raises ValueError where it is none."""
    try:
        said = json.loads(text)
        found = Pace(*(float(said[name]) for name in Pace._fields))
    except (ValueError, KeyError, TypeError):
        raise ValueError("is not a clock file, which outrider simulate writes") from None
    if not all(map(math.isfinite, found[:3])) or math.isnan(found.until_seconds) or not 0 < found.rate <= MOST_RATE:
        raise ValueError(f"a clock's rate must be above 0 and at most {MOST_RATE:g}, and its times finite")
    return found


class Slices:
    """Cuts a long job into slices, between which the event loop does what else is due."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began_seconds = stopwatch_seconds()

    async def cut(self) -> None:
        """Yield if the slice has lasted long enough: a yield after every step would make the job last as long as all else."""
        if stopwatch_seconds() - self._began_seconds >= SLICE_SECONDS:
            await self._clock.sleep(0)
            self._began_seconds = stopwatch_seconds()


def stopwatch_seconds() -> float:
    """Wall seconds for measuring how long something took; no epoch."""
    return time.perf_counter()
