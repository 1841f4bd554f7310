"""How late the controller's scrapes are, as the pods see it, and how fast scenario time may run for them to be on time.

The controller asks each pod at every multiple of two seconds, unless an answer is still under way. So a round that a pod
misses is a sample that came too late to count, or was never asked for: one of the two processes was kept from running.
"""

import math
from collections.abc import Collection

INTERVAL_SECONDS = 2.0  # between two scrapes of a pod
ALLOWED_SECONDS = 1.0  # how late a scrape may be; a second interval late, its round is missed
WAITS_SECONDS = 1.9  # after a round is due, for its scrape
FIRST_LAG_SECONDS = 0.1  # of wall time, until it is measured: the scenario begins at 10x
FADING = 0.993  # of the worst lag at each look, 20 a second: half of it counts after five seconds


class Lateness:
    """Times are scenario seconds but for the lag, which is wall time: that is what a machine has."""

    def __init__(self, fastest: float, slowest: float) -> None:
        self._fastest, self._slowest = fastest, slowest
        self._due: dict[str, float] = {}  # by pod: its next round
        self._lag_seconds = FIRST_LAG_SECONDS  # the worst, fading
        self._scrapes = self._missed = 0

    @property
    def rate(self) -> float:
        """Scenario seconds per wall-clock second at which the worst recent lag is allowed."""
        return max(self._slowest, min(self._fastest, ALLOWED_SECONDS / self._lag_seconds))

    @property
    def limit_seconds(self) -> float:
        """Scenario time just before a pod misses its round: the clock waits there for the scrape while it can still slow down.

        A machine that hangs for half a second at 30x would else cost each pod seven rounds before the next look.
        """
        if self.rate <= self._slowest or not self._due:
            return math.inf
        return min(self._due.values()) + WAITS_SECONDS

    def missed_share(self, now_seconds: float) -> float:
        """Share of all rounds up to now that pods missed."""
        missed = self._missed + sum(_rounds(now_seconds - due) for due in self._due.values())
        return missed / max(1, self._scrapes + missed)

    def scraped(self, pod: str, now_seconds: float, rate: float) -> None:
        """A pod is asked."""
        late_seconds = now_seconds - self._due.get(pod, now_seconds)
        self._missed += _rounds(late_seconds)
        self._scrapes += 1
        self._lag_seconds = max(self._lag_seconds, late_seconds / rate)
        self._due[pod] = (now_seconds // INTERVAL_SECONDS + 1.0) * INTERVAL_SECONDS

    def look(self, pods: Collection[str], now_seconds: float, rate: float) -> None:
        """Forget pods that are gone, and see to the others' overdue rounds: whoever hangs asks no more."""
        self._due = {pod: due for pod, due in self._due.items() if pod in pods}
        if self._due:
            overdue_seconds = now_seconds - min(self._due.values())
            self._lag_seconds = max(self._lag_seconds * FADING, overdue_seconds / rate)


def _rounds(late_seconds: float) -> int:
    return max(0, int(late_seconds // INTERVAL_SECONDS))
