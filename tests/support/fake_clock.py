"""A clock that stands still until a test moves it.

What it does not do:
- wait for sockets, threads or processes: `advance` runs what the loop can run now, not what the kernel still holds;
- drive `asyncio.timeout`, `asyncio.wait_for` or `loop.call_later`: those stay on the wall, as I/O deadlines do;
- work across event loops or threads;
- settle a task that spins on a zero sleep: after 10,000 rounds it raises.
"""

import asyncio
import heapq
import itertools

ROUNDS = 10_000  # far above any honest chain of wake-ups


class FakeClock:
    """An `autoscaler.clock.Clock` for tests. Times are scenario Unix seconds."""

    def __init__(self, now_seconds: float = 1_700_000_000.0) -> None:
        self._now = now_seconds
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        """Scenario time."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Sleep until `advance` has moved time that far; zero or less only yields."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sleeper = (self._now + seconds, next(self._order), wake)
        heapq.heappush(self._sleepers, sleeper)
        try:
            await wake
        except asyncio.CancelledError:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)
                heapq.heapify(self._sleepers)
            raise

    @property
    def sleeping(self) -> int:
        """How many tasks sleep on this clock."""
        return sum(not wake.done() for _, _, wake in self._sleepers)  # a cancelled task has not run yet

    async def advance(self, seconds: float) -> None:
        """Move time on. Sleepers wake at their own instants, earliest first, ties in the order of falling asleep.

        Whatever one wakes runs until it sleeps again before the next one wakes, also sleepers that it adds on the way.
        """
        if seconds < 0:
            raise ValueError(f"time never runs backwards: advance({seconds})")
        end = self._now + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, wake = heapq.heappop(self._sleepers)
            if wake.done():  # cancelled in its sleep
                continue
            self._now = at
            wake.set_result(None)
            await settle()
        self._now = end


async def settle() -> None:
    """Run the event loop until no callback is ready."""
    ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]  # nothing public shows it
    for _ in range(ROUNDS):
        await asyncio.sleep(0)
        if not ready:
            return
    raise AssertionError("the event loop does not settle: a task spins")
