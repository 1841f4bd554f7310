"""The schedule that is made with the traffic in view, and the contender that writes it."""

from dataclasses import replace

import numpy as np
import pytest

from replay.contenders.clairvoyant import (
    STEP_SECONDS,
    Clairvoyant,
    Fixed,
    Plan,
    arriving_work,
    asked_ahead,
    billing,
    bounded,
    lead_seconds,
)
from replay.contenders.schedule import billed_seconds
from replay.driver import run
from replay.scenario.policy import default
from tests.replay.sim.scenarios import START, SURE, scenario

HOUR = scenario(np.arange(0.0, 3600.0, 0.5), hardware=SURE, duration=3600.0)


def counts_of(*pieces: tuple[float, int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.concatenate([np.full(round(seconds / STEP_SECONDS), count) for seconds, count in pieces])


def test_replicas_serve_when_they_are_needed_and_are_billed_as_planned() -> None:
    counts = counts_of((900.0, 1), (600.0, 3), (1200.0, 1), (900.0, 2))
    outcome = run(HOUR, Clairvoyant(asked_ahead(counts, HOUR)))
    line = outcome.score.timeline
    at = START + (np.arange(len(counts)) + 0.5) * STEP_SECONDS
    assert line.ready_replicas[np.searchsorted(line.seconds, at, side="right") - 1].tolist() == counts.tolist()
    expected = billed_seconds(counts, HOUR.initial_replicas, billing(HOUR)) / 3600.0
    assert outcome.score.gpu_hours == pytest.approx(expected, rel=0.01)


def test_what_cannot_be_asked_for_in_time_is_asked_for_at_the_start() -> None:
    schedule = asked_ahead(counts_of((60.0, 1), (300.0, 2)), HOUR)
    assert schedule.seconds.tolist() == [START]
    assert schedule.replicas.tolist() == [2]


def test_a_replica_is_asked_for_by_the_whole_cold_start_in_advance() -> None:
    assert lead_seconds(HOUR) == 420.0
    schedule = asked_ahead(counts_of((900.0, 1), (900.0, 2)), HOUR)
    assert (schedule.seconds - START).tolist() == [0.0, 900.0 - 420.0]


def test_the_work_of_the_arrivals_is_that_of_the_hardware() -> None:
    work = arriving_work(HOUR)
    assert len(work) == 720
    requests = HOUR.requests
    whole = SURE.replicas(float(requests.prompt_tokens.sum()), float(requests.output_tokens.sum()), 3600.0)
    assert work.mean() == pytest.approx(whole)


def test_a_plan_smooths_the_work() -> None:
    work = np.zeros(100)
    work[50] = 12.0
    assert Plan(5.0, 5.0, 0.5).needed(work).max() == 24.0
    assert Plan(60.0, 5.0, 0.5).needed(work).max() == pytest.approx(2.0)
    assert np.count_nonzero(Plan(60.0, 60.0, 0.5).needed(work) > 1e-9) == 12 + 11
    assert Fixed(3).needed(work).tolist() == [3.0] * 100


def test_the_policys_bounds_are_kept() -> None:
    policy = replace(default().policy, min_replicas=2, max_replicas=6)
    assert bounded(np.array([0.2, 9.0, 2.0, 2.5]), policy).tolist() == [2, 6, 2, 3]


def test_a_count_that_is_whole_but_for_rounding_errors_is_not_rounded_up() -> None:
    assert bounded(np.array([0.1 * 30]), default().policy).tolist() == [3]
