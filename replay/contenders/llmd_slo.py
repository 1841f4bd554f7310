"""llm-d's SLO-aware control law, tuned by the latency at which it scales up.

After the guide `guides/workload-autoscaling/README.slo-aware.md` of llm-d/llm-d (d38c9f0): recording rules in Prometheus,
a formula in KEDA, and the HPA that KEDA makes of it.
"""

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from replay.contenders.contender import Entry, Knob, Setup
from replay.contenders.hpa_on_metric import PROMETHEUS_SECONDS, HpaOnMetric
from replay.contenders.view import View
from replay.sim.hpa import Behavior, HpaPolicy, Rules, Unit
from replay.sim.kernel import Engine

WINDOW_SECONDS = 60.0  # of the latencies
SMOOTHED_SECONDS = 45.0  # the mean of three scrapes
QUANTILE = 0.9
MOST = 2.0  # of one scrape: at the knee a latency jumps to many times its objective
FIRST_TOKEN_SECONDS = 3.0  # the objective
UP, DOWN = 0.55, 0.40  # of the objective: the guide's; the knob moves both in proportion
UPS = (0.2, 0.25, 0.3, 0.4, UP, 0.7, 0.9, 1.2)
BEHAVIOR = Behavior(
    up=Rules(30.0, (HpaPolicy(Unit.PERCENT, 100, 60.0), HpaPolicy(Unit.PODS, 4, 60.0))),
    down=Rules(180.0, (HpaPolicy(Unit.PODS, 1, 120.0),)),
)


def token_seconds(engine: Engine) -> float:
    """The objective for the time per output token: twice that of a full batch, 0.1 s for 8B on H100, which is the guide's."""
    return 2.0 * (engine.step_base_seconds + engine.step_sequence_seconds * engine.max_num_seqs)


@dataclass
class Saturation:
    """The replicas that the formula asks for. It sees the gateway's latencies, and the replicas that exist and are ready."""

    token_seconds: float
    up: float
    _latest: deque[float] = field(default_factory=lambda: deque(maxlen=round(SMOOTHED_SECONDS / PROMETHEUS_SECONDS)))

    def __call__(self, view: View) -> float:
        """Replicas, after one more scrape."""
        passed = view.passed(WINDOW_SECONDS)
        first, each = quantile(passed.first_token_seconds), quantile(passed.token_seconds)
        self._latest.append(min(max(first / FIRST_TOKEN_SECONDS, each / self.token_seconds), MOST))
        saturation = sum(self._latest) / len(self._latest)
        return float(desired(saturation, view.status_replicas, len(view.readings()), self.up))


def quantile(seconds: NDArray[np.float64]) -> float:
    """The 90th percentile; 0 where nothing was measured, as in the guide's rules."""
    return float(np.quantile(seconds, QUANTILE)) if len(seconds) else 0.0


def desired(saturation: float, replicas: int, ready: int, up: float) -> int:
    """The formula. Upwards it counts replicas that still start as if they relieved the ready ones already."""
    down = up * DOWN / UP
    if saturation > up:
        credit = ready / replicas if 0 < ready < replicas else 1.0
        return replicas + math.ceil(replicas * (saturation * credit / up - 1.0))
    if saturation < down:
        return replicas - math.floor(replicas * (1.0 - saturation / down))
    return replicas


def between(low: float, high: float) -> float:
    """The threshold at equal ratios from two, in thousandths."""
    return round(math.sqrt(low * high), 3)


def _make(setup: Setup, up: float) -> HpaOnMetric:
    return HpaOnMetric(setup.workload, Saturation(token_seconds(setup.engine), up), 1.0, BEHAVIOR)


ENTRY = Entry(
    "llmd_slo",
    "llm-d SLO",
    "magenta",
    knob=Knob("scale-up threshold", "of the latency objective", lambda _setup: UPS, between, _make),
)
