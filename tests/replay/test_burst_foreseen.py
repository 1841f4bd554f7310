"""A burst from 7 to 14 replicas each morning, after a week of such mornings: its replicas serve before they are needed.

What `tests/e2e/test_coldstart.py` plays with the forecast off. Here the default policy decides in simulation, on L4s, as soon as
each start was seen.
"""

import math
from statistics import median

import numpy as np
import pytest

from forecasting.forecaster import Forecaster
from replay.contenders import outrider
from replay.contenders.contender import Setup
from replay.driver import run
from replay.scenario.build import build
from replay.scenario.hardware import hardware_of
from replay.scenario.policy import default
from replay.scenario.scenario import Scenario
from replay.sim.serving import engine_of
from replay.sim.views import Score, Timeline
from replay.traces.trace import Trace
from tests.e2e.traffic.burst import burst
from tests.support.rhythms import DAY, HOUR, OUTPUT_TOKENS, PROMPT_TOKENS, daily_bursts

BEFORE, AFTER = 7, 14
WORKLOAD = default()
HARDWARE = hardware_of(WORKLOAD)
MORNINGS = (7, 8, 9)  # days
SKILL_GPU_HOURS = (
    95.9  # of these mornings where a forecast is used for its skill alone; 99.9 % of the requests within 5 s
)


def morning(trace: Trace, day: int) -> tuple[Score, float]:
    """From eight to half past ten. Gives the score, and the median over replicas 8 to 14 of the seconds from need to serving."""
    scenario = build(trace, start_seconds=day * DAY + 8 * HOUR, duration_seconds=2.5 * HOUR, hardware=HARDWARE)
    contender = outrider.make(Setup(WORKLOAD, engine_of(HARDWARE), scenario.past))
    score = run(scenario, contender, slo_wait_seconds=WORKLOAD.policy.queue_wait_seconds).score
    return score, median(need_to_serving(scenario, score.timeline))


def need_to_serving(scenario: Scenario, timeline: Timeline) -> list[float]:
    """For each replica that the burst adds; negative where it has served since before it was needed."""
    levels = burst(scenario).levels
    return [
        _serving_seconds(timeline, level, levels[level] + scenario.start_seconds)
        for level in range(BEFORE + 1, AFTER + 1)
        if level in levels
    ]


def _serving_seconds(timeline: Timeline, level: int, need_seconds: float) -> float:
    """From the need until so many replicas serve; negative since when they have, at the need."""
    at, there = timeline.seconds, timeline.ready_replicas >= level
    row = int(np.searchsorted(at, need_seconds, side="right")) - 1
    if not there[row]:
        later = np.flatnonzero(there[row:])
        return float(at[row + later[0]]) - need_seconds if len(later) else math.inf
    missing = np.flatnonzero(~there[:row])
    return float(at[missing[-1] + 1 if len(missing) else 0]) - need_seconds


@pytest.fixture(scope="module")
def trace() -> Trace:
    return daily_bursts(MORNINGS[-1] + 1, HARDWARE.work_seconds(PROMPT_TOKENS, OUTPUT_TOKENS))


@pytest.mark.slow  # 10 s: a week of history, and three mornings
def test_foreseen_replicas_serve_before_they_are_needed_at_fewer_gpu_hours(trace: Trace) -> None:
    played = [morning(trace, day) for day in MORNINGS]
    assert [needed for _, needed in played if needed > 0.0] == []
    assert min(score.share_within_5s for score, _ in played) >= 0.99
    assert sum(score.gpu_hours for score, _ in played) <= 0.95 * SKILL_GPU_HOURS


@pytest.mark.slow  # 5 s
def test_without_a_forecast_they_come_a_cold_start_too_late(trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Forecaster, "fan", lambda _forecaster, _now: None)
    score, needed = morning(trace, MORNINGS[0])
    assert 300.0 < needed < 700.0
    assert score.share_within_5s < 0.9


def test_a_level_has_served_since_it_was_reached_or_will() -> None:
    nothing = np.zeros(4, np.int64)
    ready = np.array([7, 9, 8, 9])
    found = Timeline(np.array([0.0, 100.0, 200.0, 300.0]), nothing, ready, nothing, nothing, nothing)
    assert _serving_seconds(found, 7, 250.0) == -250.0
    assert _serving_seconds(found, 8, 250.0) == -150.0
    assert _serving_seconds(found, 9, 150.0) == -50.0
    assert _serving_seconds(found, 9, 250.0) == 50.0
    assert _serving_seconds(found, 10, 250.0) == math.inf
