"""What a live run has shown so far, for the view to draw. Seconds count from the start of the scenario."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from policies.recommend.predictive import interpolate
from replay.demo.journal import Entry, PoolEntry

BAND_PROBABILITIES = 0.5, 0.99
KEPT_DECISIONS = 12


@dataclass(frozen=True, slots=True)
class Moment:
    """The fleet at one moment."""

    elapsed_s: float
    demand_replicas: float  # from the last minute's arrivals
    ready_replicas: int
    desired_replicas: int | None  # None: no decision yet


@dataclass(frozen=True, slots=True)
class Forecast:
    """Quantiles of the maximum of demand from the time of the forecast up to `until_s`."""

    until_s: float
    likely_replicas: float
    highest_replicas: float


@dataclass(frozen=True, slots=True)
class Rungs:
    """How many replicas and how many prepared nodes are on each rung of the ladder."""

    names: tuple[str, ...]
    replicas: tuple[int, ...]
    balloons: tuple[int, ...]


@dataclass
class LiveRun:
    """Call `update` for every frame. `snapshot` is the cluster's newest state."""

    start_seconds: float
    lead_seconds: float  # until a new replica serves; the horizon of the forecasts that are drawn
    snapshot: dict[str, Any] = field(default_factory=dict)
    moments: list[Moment] = field(default_factory=list)
    forecasts: list[Forecast] = field(default_factory=list)
    decisions: deque[Entry | PoolEntry] = field(default_factory=lambda: deque(maxlen=KEPT_DECISIONS))
    last: dict[str, Entry] = field(default_factory=dict)  # by policy
    policies: int = 1
    decided: int = 0
    _speeds: list[float] = field(default_factory=list)

    def update(self, snapshot: dict[str, Any], entries: Iterable[Entry | PoolEntry]) -> None:
        """Take the newest snapshot of the cluster, and the decisions since the last one."""
        self.snapshot = snapshot
        for entry in entries:
            if entry.sentence is not None:
                self.decisions.append(entry)
            if isinstance(entry, Entry):
                self.last[entry.policy] = entry
                self.decided += 1
                self._forecast()
        if snapshot["waits_for"] is None:
            self._speeds.append(snapshot["speed"])
            desired = self._desired()
            ready = snapshot["replicas"]["Serving"]
            self.moments.append(Moment(snapshot["elapsed_seconds"], snapshot["demand_replicas"], ready, desired))

    def _desired(self) -> int | None:
        """Of all policies; None before each has decided."""
        if len(self.last) < self.policies:
            return None
        return sum(each.plan.desired_replicas for each in self.last.values())

    def _forecast(self) -> None:
        """The newest forecasts of all policies, added up: their highest seldom coincide, so that this is more than their sum's."""
        fans = [each.fan for each in self.last.values() if each.fan is not None]
        if len(fans) < self.policies:
            return
        until_s = min(fan.as_of_seconds for fan in fans) + self.lead_seconds - self.start_seconds
        if not self.forecasts or until_s > self.forecasts[-1].until_s:
            low, high = (sum(interpolate(fan, self.lead_seconds, p) for fan in fans) for p in BAND_PROBABILITIES)
            self.forecasts.append(Forecast(until_s, low, high))

    @property
    def mean_speed(self) -> float:
        """Of the scenario's clock, since it waits for nothing."""
        return sum(self._speeds) / len(self._speeds) if self._speeds else 0.0

    @property
    def rungs(self) -> Rungs:
        """The rung of every unit of supply now."""
        pods, balloons = self.snapshot["replicas"], self.snapshot["balloons"]
        return Rungs(
            ("requested", "node ready", "image ready", "warming", "serving"),
            (pods["Unplaced"], pods["Pulling"], 0, pods["Loading"] + pods["Warming"], pods["Serving"]),
            (balloons["unplaced"], balloons["pulling"], balloons["running"], 0, 0),
        )
