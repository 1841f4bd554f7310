"""Who may be asked when: slots that groups of pods share evenly, and pauses for pods that keep failing.

A namespace of 2,000 pods that hang would otherwise keep every slot: for 26 s the pods of all others had no sample.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from autoscaler.kube.objects import Key

PAUSE_LIMIT_SECONDS = 16.0
BRIEF_PAUSE_LIMIT_SECONDS = 4.0


class Slots:
    """`limit` slots. Each group has an even share, one share is left for the next that comes, and all wait in turn."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: Counter[Hashable] = Counter()
        self._waiting: dict[Hashable, deque[asyncio.Future[None]]] = {}  # the group whose turn is next comes first

    @asynccontextmanager
    async def one(self, group: Hashable) -> AsyncIterator[None]:
        """Hold a slot, after waiting for it."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(group, deque()).append(turn)
        self._grant()
        try:
            await turn
            yield
        finally:
            if turn.cancelled():
                self._leave(group, turn)
            else:
                self._held[group] -= 1
                if not self._held[group]:
                    del self._held[group]
            self._grant()

    def _grant(self) -> None:
        """Give the free slots to the groups that wait, one each in turn, as far as their share goes."""
        share = max(1, self._limit // (len(self._held.keys() | self._waiting.keys()) + 1))
        free = self._limit - self._held.total()
        for group in list(self._waiting) * share:
            if free <= 0:
                return
            if group in self._waiting and self._held[group] < share:
                turns = self._waiting.pop(group)
                turn = turns.popleft()
                if turns:
                    self._waiting[group] = turns  # the last in the order now
                if not turn.done():  # else its reader was cancelled a moment ago
                    turn.set_result(None)
                    self._held[group] += 1
                    free -= 1

    def _leave(self, group: Hashable, turn: asyncio.Future[None]) -> None:
        turns = self._waiting.get(group, deque())
        if turn in turns:
            turns.remove(turn)
        if not turns:
            self._waiting.pop(group, None)


class Pauses:
    """A pod that fails again and again is asked less often: the pause doubles up to a limit, and an answer ends it."""

    def __init__(self, interval_seconds: float) -> None:
        self._interval_seconds = interval_seconds
        self._failures: dict[Key, tuple[int, float]] = {}  # in a row, and before when the pod is not asked

    def due(self, pod: Key, now_seconds: float) -> bool:
        """Whether a pod is to be asked in the round of this moment."""
        failures = self._failures.get(pod)
        return failures is None or now_seconds >= failures[1]

    def failed(self, pod: Key, asked_seconds: float, *, brief: bool) -> None:
        """A pod did not answer, or not as it should. `brief`: it is to be asked again within a few seconds all the same."""
        count = min(self._failures.get(pod, (0, 0.0))[0] + 1, 20)
        limit_seconds = BRIEF_PAUSE_LIMIT_SECONDS if brief else PAUSE_LIMIT_SECONDS
        pause_seconds = min(self._interval_seconds * 2.0 ** (count - 1), limit_seconds)
        # Half a round early, since rounds do not start on the millisecond.
        self._failures[pod] = count, asked_seconds + pause_seconds - self._interval_seconds / 2

    def forget(self, pod: Key) -> None:
        """The pod has answered, or is gone."""
        self._failures.pop(pod, None)
