"""What is going to happen, in order of time and, at one time, of being planned; and when what repeats happens first."""

import heapq
import math
from collections.abc import Callable


def aligned(start_seconds: float, period_seconds: float, phase_seconds: float = 0.0) -> float:
    """The first time after the start on the grid of the period, shifted by the phase."""
    return ((start_seconds - phase_seconds) // period_seconds + 1.0) * period_seconds + phase_seconds


class Agenda:
    """Actions to come. An action looks for itself whether it still applies."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Callable[[], None]]] = []
        self._planned = 0

    def at(self, seconds: float, action: Callable[[], None]) -> None:
        """Plan an action."""
        self._planned += 1
        heapq.heappush(self._entries, (seconds, self._planned, action))

    @property
    def next_seconds(self) -> float:
        """When the next action is due; infinity where none is planned."""
        return self._entries[0][0] if self._entries else math.inf

    def run_next(self) -> None:
        """Run the next action."""
        heapq.heappop(self._entries)[2]()
