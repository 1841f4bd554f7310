"""An HPA on the requests in flight, tuned by its target: the strongest peer that needs no model of the traffic."""

import math

from crds.workload import Workload
from replay.contenders.contender import Entry, Knob, Setup
from replay.contenders.hpa_on_metric import UP_AT_ONCE, HpaOnMetric, sum_of

LEAST_SHARE, MOST_SHARE, STEPS = 0.03, 0.8, 9  # of max_num_seqs, at equal ratios of 1.5


def tuned(workload: Workload, target: float) -> HpaOnMetric:
    """`sum(vllm:num_requests_running + vllm:num_requests_waiting)`, `target` in flight per replica."""
    return HpaOnMetric(workload, sum_of("running", "waiting"), target, UP_AT_ONCE)


def targets(max_num_seqs: int) -> tuple[float, ...]:
    """The targets to begin with: in flight per replica, ascending."""
    ratio = (MOST_SHARE / LEAST_SHARE) ** (1 / (STEPS - 1))
    return tuple(rounded(LEAST_SHARE * ratio**step * max_num_seqs) for step in range(STEPS))


def between(low: float, high: float) -> float:
    """The target at equal ratios from two."""
    return rounded(math.sqrt(low * high))


def rounded(target: float) -> float:
    """As a person would write it: whole numbers, and tenths below ten. At least 0.1."""
    return max(0.1, round(target, 1)) if target < 10 else float(round(target))


def _grid(setup: Setup) -> tuple[float, ...]:
    return targets(setup.engine.max_num_seqs)


def _make(setup: Setup, target: float) -> HpaOnMetric:
    return tuned(setup.workload, target)


ENTRY = Entry(
    "tuned", "HPA tuned", "blue", knob=Knob("target in flight", "requests per replica", _grid, between, _make)
)
