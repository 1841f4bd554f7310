"""How many replicas would serve, had Outrider's numbers been carried out: what it has asked for throughout the lead time.

A replica serves once a replica was asked for throughout the lead from a prepared node, and a unit of any kind, replica or
prepared node, throughout the lead from a request. Leads are p90, so this is rather too few than too many.
"""

from collections import deque
from dataclasses import dataclass, field

from autoscaler.records.comparison.moment import Moment


@dataclass
class LowestSince:
    """The lowest of a step function over a sliding window. Keeps only the steps that may yet be the lowest."""

    _steps: deque[tuple[float, int]] = field(default_factory=deque)  # (since when, value), both ascending

    def add(self, at_seconds: float, value: int) -> None:
        """The function has `value` from now on."""
        since_seconds = at_seconds
        while self._steps and self._steps[-1][1] >= value:
            since_seconds, _ = self._steps.pop()
        self._steps.append((since_seconds, value))

    def over(self, now_seconds: float, window_seconds: float) -> int:
        """The lowest value over the window that ends now; before the first step the function had that step's value."""
        while len(self._steps) > 1 and self._steps[1][0] <= now_seconds - window_seconds:
            self._steps.popleft()
        return self._steps[0][1]


@dataclass
class Serving:
    """Estimates the serving replicas of one policy, decision by decision."""

    _replicas: LowestSince = field(default_factory=LowestSince)
    _units: LowestSince = field(default_factory=LowestSince)

    def at(self, moment: Moment, replicas: int, prepared: int) -> int:
        """The estimate at a moment at which these were asked for. Call it in order of time."""
        now_seconds = moment.at_seconds
        self._replicas.add(now_seconds, replicas)
        self._units.add(now_seconds, replicas + prepared)
        started = self._replicas.over(now_seconds, moment.new_replica_seconds)
        return min(started, self._units.over(now_seconds, moment.new_unit_seconds))
