"""What a live run has shown so far, for the view to draw. Seconds count from the start of the scenario."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from policies.recommend.predictive import interpolate
from replay.demo.journal import Entry

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
    decisions: deque[Entry] = field(default_factory=lambda: deque(maxlen=KEPT_DECISIONS))
    last: Entry | None = None
    decided: int = 0
    _speeds: list[float] = field(default_factory=list)

    def update(self, snapshot: dict[str, Any], entries: Iterable[Entry]) -> None:
        """Take the newest snapshot of the cluster, and the decisions since the last one."""
        self.snapshot = snapshot
        for entry in entries:
            self.last = entry
            self.decided += 1
            if entry.sentence is not None:
                self.decisions.append(entry)
            if entry.fan is not None:
                until_s = entry.fan.as_of_seconds + self.lead_seconds - self.start_seconds
                if not self.forecasts or until_s > self.forecasts[-1].until_s:
                    low, high = (interpolate(entry.fan, self.lead_seconds, p) for p in BAND_PROBABILITIES)
                    self.forecasts.append(Forecast(until_s, low, high))
        if snapshot["waits_for"] is None:
            self._speeds.append(snapshot["speed"])
            desired = None if self.last is None else self.last.plan.desired_replicas
            ready = snapshot["replicas"]["Serving"]
            self.moments.append(Moment(snapshot["elapsed_seconds"], snapshot["demand_replicas"], ready, desired))

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
