"""Moments in which too few replicas served: how long, how bad, and how long before that Outrider had asked for more."""

import heapq
from dataclasses import dataclass, field

KEPT = 20  # of all shortages, the worst
MERGE_SECONDS = 120.0  # two that are less apart are one


@dataclass(frozen=True, slots=True)
class Span:
    """What held from one decision to the next, with a known demand."""

    at_seconds: float
    seconds: float
    demand: float
    ran: int  # serving replicas
    outrider: int  # serving replicas, estimated
    ran_short: bool
    outrider_short: bool
    asked_more_since: float | None  # since when Outrider has been asking for more than served; None: it is not


@dataclass(slots=True)
class Shortage:
    """One stretch of time in which a side was short. The figures at its worst are those of one moment."""

    start_seconds: float
    end_seconds: float
    worst: Span
    missing_replica_seconds: float = 0.0  # demand above what served
    outrider_short_seconds: float = 0.0
    asked_more_since: float | None = None

    @property
    def lasts_seconds(self) -> float:
        """From its first moment to its last."""
        return self.end_seconds - self.start_seconds

    @property
    def asked_ahead_seconds(self) -> float | None:
        """How long before the start Outrider asked for more; negative: after it. None: not before its end."""
        return None if self.asked_more_since is None else self.start_seconds - self.asked_more_since


@dataclass
class Shortages:
    """Collects the shortages of one side: what ran, or Outrider alone. Call `close` at the end."""

    of_outrider: bool  # where Outrider would have been short and what ran was not
    count: int = 0
    covered: int = 0  # of these, in which Outrider would not have been short
    _open: Shortage | None = None
    _worst: list[tuple[float, float, Shortage]] = field(default_factory=list)  # a heap, the least bad first

    def add(self, span: Span) -> None:
        """Take what held next. Call it in order of time."""
        short = span.outrider_short and not span.ran_short if self.of_outrider else span.ran_short
        if self._open is not None and span.at_seconds - self._open.end_seconds > MERGE_SECONDS:
            self.close()
        if not short:
            return
        end_seconds = span.at_seconds + span.seconds
        found = self._open = self._open or Shortage(span.at_seconds, end_seconds, span)
        found.end_seconds = end_seconds
        missing = self._missing(span)
        found.missing_replica_seconds += max(0.0, missing) * span.seconds
        if missing > self._missing(found.worst):
            found.worst = span
        if span.outrider_short:
            found.outrider_short_seconds += span.seconds
        if found.asked_more_since is None:
            found.asked_more_since = span.asked_more_since

    def close(self) -> None:
        """End the shortage that is under way."""
        if self._open is None:
            return
        self.count += 1
        self.covered += self._open.outrider_short_seconds == 0.0
        entry = (self._open.missing_replica_seconds, self._open.start_seconds, self._open)
        (heapq.heappush if len(self._worst) < KEPT else heapq.heappushpop)(self._worst, entry)
        self._open = None

    def worst(self, most: int = KEPT) -> list[Shortage]:
        """The worst, in order of time."""
        found = heapq.nlargest(most, self._worst)
        return sorted((shortage for _, _, shortage in found), key=lambda shortage: shortage.start_seconds)

    def _missing(self, span: Span) -> float:
        return span.demand - (span.outrider if self.of_outrider else span.ran)
