"""Dynamo's planner: its forecast, what one engine sustains, and what it makes of both."""

import pytest

from crds.workload import Workload
from replay.contenders.contender import Periodic
from replay.contenders.dynamo import (
    INTERVAL_SECONDS,
    Dynamo,
    LocalLinearTrend,
    batches,
    between,
    chunked_seconds,
    objectives,
    requests_per_second,
)
from replay.scenario.policy import default
from replay.sim.kernel import Engine
from tests.replay.contenders.readings import FakeView, passed, readings

# A step of a batch of n takes 0.01 + 0.001 n s, and 10,000 prompt tokens add 1 s.
ENGINE = Engine(10_000.0, 0.85, 0.01, 0.001, 50, 100_000)


def test_the_forecast_is_the_last_value_until_there_are_five() -> None:
    trend = LocalLinearTrend()
    for value in (0.0, 0.0, 100.0, 120.0, 90.0, 110.0):
        trend.add(value)
    assert trend.next() == 110.0


def test_the_forecast_follows_a_line_and_is_never_negative() -> None:
    rising, falling = LocalLinearTrend(), LocalLinearTrend()
    for interval in range(40):
        rising.add(100.0 + 10.0 * interval)
        falling.add(390.0 - 10.0 * interval)
    assert rising.next() == pytest.approx(500.0, abs=1.0)
    assert falling.next() == pytest.approx(0.0, abs=1.0)
    falling.add(0.0)
    assert falling.next() == 0.0


def test_the_second_value_is_weighed_by_the_variances() -> None:
    """After one step the level's variance is 2,001 and the trend's covariance 1,000: gains 2001/2011 and 1000/2011."""
    trend = LocalLinearTrend()
    trend.add(100.0)
    trend.add(110.0)
    assert trend.level == pytest.approx(100.0 + 10.0 * 2001 / 2011)
    assert trend.trend == pytest.approx(10.0 * 1000 / 2011)


def test_an_engine_sustains_what_its_largest_batch_within_the_objective_does() -> None:
    """Prompts of 100 and outputs of 100: a batch of n prefills n tokens a step, which takes 0.01 + 0.0011 n s.

    0.032 s allow 20 at once: 20 / (100 * 0.032) = 6.25 requests/s.
    """
    assert requests_per_second(ENGINE, 100.0, 100.0, 5.0, 0.0321) == pytest.approx(6.25)
    assert requests_per_second(ENGINE, 100.0, 100.0, 5.0, 1.0) == pytest.approx(50 / (100 * 0.065))


def test_without_a_batch_within_the_objectives_the_fastest_counts() -> None:
    assert requests_per_second(ENGINE, 100.0, 100.0, 5.0, 0.001) == pytest.approx(50 / (100 * 0.065))


def test_the_cache_limits_the_batch() -> None:
    """A context of 9,000 + 2,000 / 2 leaves room for ten; a prompt larger than the cache fits none."""
    ten = 10 / (2000.0 * (0.01 + 0.001 * 10 + 45 / 10_000))
    assert requests_per_second(ENGINE, 9000.0, 2000.0, 5.0, 1.0) == pytest.approx(ten)
    assert requests_per_second(ENGINE, 200_000.0, 2000.0, 5.0, 1.0) is None


def test_a_long_prompt_is_prefilled_in_chunks() -> None:
    """8,192 tokens and 808, each beside a batch of ten: 0.9 s of prefill and two steps of 0.02 s."""
    assert chunked_seconds(ENGINE, 9000, 10) == pytest.approx(0.94)


def test_at_most_128_batch_sizes_are_looked_at_and_the_ends_are_among_them() -> None:
    assert list(batches(4)) == [1, 2, 3, 4]
    assert (batches(256)[0], batches(256)[-1], len(batches(256))) == (1, 256, 128)
    assert list(batches(0)) == []


def planner(replicas: int) -> tuple[FakeView, Periodic]:
    workload: Workload = default("8b-h100")
    view = FakeView(spec_replicas=replicas)
    (plan,) = Dynamo(workload, ENGINE, 0.0321).attach(view)
    return view, plan


def test_it_scales_to_the_rate_by_what_an_engine_sustains_and_by_eight_at_most() -> None:
    """36 requests/s by 6.25 are six replicas; from 20 it goes down to 12 first; then 600 more a second go up by eight."""
    view, plan = planner(20)
    wanted = []
    for requests in (6480, 6480, 108_000):
        view.seen = passed(requests=requests, prompt=100, output=100)
        view.read = readings({pod: {"running": 1.0} for pod in range(min(9, view.spec_replicas))})
        plan.act(INTERVAL_SECONDS)
        wanted.append(view.spec_replicas)
    assert (plan.due_seconds, plan.period_seconds) == (180.0, 180.0)
    assert wanted == [12, 6, 14]


def test_it_adds_nothing_while_replicas_start() -> None:
    view, plan = planner(6)
    view.seen = passed(requests=108_000, prompt=100, output=100)
    view.read = readings({pod: {"running": 1.0} for pod in range(5)})
    plan.act(INTERVAL_SECONDS)
    assert view.spec_replicas == 6


def test_without_traffic_it_goes_to_the_minimum() -> None:
    view, plan = planner(12)
    for wanted in (4, 1, 1):
        plan.act(INTERVAL_SECONDS)
        assert view.spec_replicas == wanted


def test_it_holds_what_runs_where_no_batch_fits() -> None:
    view, plan = planner(4)
    view.seen = passed(requests=100, prompt=200_000, output=100)
    plan.act(INTERVAL_SECONDS)
    assert view.spec_replicas == 4


def test_the_objectives_span_from_a_small_batch_to_twice_a_full_one() -> None:
    found = objectives(ENGINE)
    assert (found[0], found[-1], len(found)) == (12.5, 120.0, 8)
    assert between(16.0, 25.0) == 20.0
