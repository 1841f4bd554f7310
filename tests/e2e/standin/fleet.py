"""The engines of one workload: the project's serving model, driven by the wall clock."""

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np

from replay.scenario.scenario import Scenario
from replay.sim.score import score
from replay.sim.serving import Serving
from replay.sim.views import Timeline
from replay.simcluster import vllm

FIGURES = (
    "requests",
    "share_within_1s",
    "share_within_5s",
    "p50_wait_seconds",
    "p99_wait_seconds",
    "p999_wait_seconds",
    "p99_first_token_seconds",
    "unfinished",
    "failed",
)


@dataclass(eq=False)
class Engine:
    """One engine, by the name of its pod."""

    name: str
    ordinal: int
    started_seconds: float


class Fleet:
    """Engines by pod name. Arguments are wall seconds; engine time runs `rate` times as fast.

    Second 0 of the scenario is at `started_seconds`; before it the engines are idle. Start times of the engines' processes
    are in engine time, which equals wall time at `epoch_seconds`.
    """

    def __init__(
        self, scenario: Scenario, rate: float, started_seconds: float, epoch_seconds: float | None = None
    ) -> None:
        self.started_seconds, self._rate = started_seconds, rate
        self._epoch_seconds = started_seconds if epoch_seconds is None else epoch_seconds
        self._serving = Serving(replace(scenario, start_seconds=started_seconds))
        self._engine_now = started_seconds
        self._pods: dict[str, Engine] = {}
        self._ordinals = itertools.count()

    @property
    def pods(self) -> tuple[str, ...]:
        """The pods that serve, in order of readiness."""
        return tuple(self._pods)

    def advance(self, now_seconds: float) -> None:
        """Serve requests up to now."""
        to_seconds = self._engine_seconds(now_seconds)
        if to_seconds > self._engine_now:
            self._engine_now = to_seconds
            self._serving.advance(to_seconds)

    def join(self, pod: str, now_seconds: float) -> None:
        """Start serving with a pod, its counters at zero."""
        self.advance(now_seconds)
        born_seconds = self._epoch_seconds + (now_seconds - self._epoch_seconds) * self._rate
        unit = Engine(pod, next(self._ordinals), born_seconds)
        self._serving.join(unit.ordinal)
        self._serving.advance(self._engine_now)  # requests that wait at the router are sent at once
        self._pods[pod] = unit

    def leave(self, pod: str, now_seconds: float, grace_seconds: float) -> float:
        """Send a pod no more requests. Returns when it will have finished, or will be cut off after its grace period."""
        self.advance(now_seconds)
        end_seconds = self._serving.leave(self._pods.pop(pod).ordinal, grace_seconds * self._rate)
        return now_seconds + (end_seconds - self._engine_now) / self._rate

    def page(self, pod: str, now_seconds: float, model: str) -> str | None:
        """What a pod's /metrics show now; None if it does not serve."""
        if pod not in self._pods:
            return None
        self.advance(now_seconds)
        readings = self._serving.readings(tuple(self._pods.values()))
        place = list(self._pods).index(pod)
        return vllm.page(readings.samples[place], model, readings.queue_times[place])

    def score(self, now_seconds: float) -> dict[str, float | None]:
        """What users have met so far; an infinite wait (a failed request) is null."""
        self.advance(now_seconds)
        nothing = np.zeros(1, np.int64)
        judged = score(
            self._serving.waits(),
            Timeline(np.array([self.started_seconds]), nothing, nothing, nothing, nothing, nothing),
            start_seconds=self.started_seconds,
            now_seconds=self._engine_now,
            gpu_hours=0.0,
            cost=0.0,
            pods_created=0,
            nodes_launched=0,
        )
        figures = {name: getattr(judged, name) for name in FIGURES}
        return {name: figure if math.isfinite(figure) else None for name, figure in figures.items()}

    def _engine_seconds(self, wall_seconds: float) -> float:
        return self.started_seconds + (wall_seconds - self.started_seconds) * self._rate
