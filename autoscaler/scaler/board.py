"""The board between the loop and the scaler: each policy's latest decision, and who waits for the next one."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from autoscaler.clock import Clock

FRESH_SECONDS = 60.0  # four decision grid ticks of 15 s: an older decision may no longer hold
MAX_REPLICAS = 2**31 - 1  # replicas are an int32 in Kubernetes


@dataclass(frozen=True, slots=True)
class Entry:
    """One policy's decision."""

    desired_replicas: int
    at_seconds: float  # when it was decided, scenario Unix seconds
    current_replicas: int | None = None  # pods that exist; None where unknown
    max_replicas: int = MAX_REPLICAS

    @property
    def active(self) -> bool:
        """Whether any replica is desired."""
        return self.desired_replicas > 0


class Subscription:
    """One stream's subscription. It remembers only that something changed, so a slow reader gets the newest state."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = asyncio.Event()

    def wake(self) -> None:
        """End the current wait, or else the next one."""
        self._changed.set()

    async def wait(self, seconds: float | None) -> None:
        """Wait for a change since the last wait, for at most `seconds` of scenario time (None: no limit)."""
        timer = None if seconds is None else asyncio.create_task(self._wake_after(seconds))
        try:
            await self._changed.wait()
        finally:
            if timer:
                timer.cancel()
        self._changed.clear()

    async def _wake_after(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self.wake()


class Board:
    """Decisions by `namespace/name` of the ScalingPolicy. One writer and any number of readers, on one event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: frozenset[str] = frozenset()
        self._read = False
        self._entries: dict[str, Entry] = {}
        self._subscriptions: dict[str, set[Subscription]] = {}

    @property
    def known(self) -> frozenset[str]:
        """The policies that exist, decided or not."""
        return self._known

    @property
    def known_if_read(self) -> frozenset[str] | None:
        """The policies that exist; None before they have been read for the first time."""
        return self._known if self._read else None

    def know(self, keys: Iterable[str]) -> None:
        """Set which policies exist. The decisions of all others are removed."""
        known, self._read = frozenset(keys), True
        new, self._known = known - self._known, known
        self._entries = {key: entry for key, entry in self._entries.items() if key in known}
        for key in new & self._entries.keys():
            self._wake(key)

    def publish(
        self,
        key: str,
        desired: int,
        at_seconds: float,
        current_replicas: int | None = None,
        max_replicas: int = MAX_REPLICAS,
    ) -> None:
        """Replace the last decision. Raises ValueError for a number that no HPA could take."""
        if not 0 <= desired <= MAX_REPLICAS:
            raise ValueError(
                f"{key}: {desired} replicas cannot be published: it must be 0 to {MAX_REPLICAS}; withdraw a decision that is "
                "unknown"
            )
        before = self.get(key)
        entry = self._entries[key] = Entry(desired, at_seconds, current_replicas, max_replicas)
        if before is None or before.active != entry.active:
            self._wake(key)

    def withdraw(self, key: str) -> None:
        """Remove a decision: what is not on the board is unknown, not zero."""
        self._entries.pop(key, None)

    def get(self, key: str) -> Entry | None:
        """The decision, if the policy exists and the decision is at most FRESH_SECONDS old; else None."""
        entry = self._entries.get(key)
        if entry is None or key not in self._known or self._clock.now() - entry.at_seconds > FRESH_SECONDS:
            return None
        return entry

    def age_seconds(self, key: str) -> float | None:
        """Age of the last decision, fresh or not; None before the first one."""
        entry = self._entries.get(key)
        return None if entry is None else self._clock.now() - entry.at_seconds

    @contextmanager
    def subscribe(self, key: str) -> Iterator[Subscription]:
        """A subscription that wakes when a first decision appears, or when one goes from zero to more or back."""
        subscription = Subscription(self._clock)
        self._subscriptions.setdefault(key, set()).add(subscription)
        try:
            yield subscription
        finally:
            waiting = self._subscriptions[key]
            waiting.discard(subscription)
            if not waiting:
                del self._subscriptions[key]

    def _wake(self, key: str) -> None:
        for subscription in self._subscriptions.get(key, ()):
            subscription.wake()
