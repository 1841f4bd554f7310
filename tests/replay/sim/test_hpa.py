"""The HPA's arithmetic, by its known facts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.sim.hpa import Behavior, Hpa, HpaPolicy, Rules, Select, Unit

FREE = Rules(0.0, (HpaPolicy(Unit.PERCENT, 1000, 15.0), HpaPolicy(Unit.PODS, 1000, 15.0)))
FREE_DOWN = Rules(0.0, (HpaPolicy(Unit.PERCENT, 100, 15.0),))


def free(maximum: int = 1000, tolerance: float | None = None) -> Hpa:
    """No windows and no limits."""
    up = Rules(0.0, FREE.policies, tolerance=tolerance)
    down = Rules(0.0, FREE_DOWN.policies, tolerance=tolerance)
    return Hpa(1, maximum, Behavior(up, down))


@pytest.mark.parametrize(
    ("replicas", "up", "down", "down_with_less"),
    [
        (1, 1, None, None),
        (9, 1, 1, 1),
        (10, 2, 2, 1),
        (19, 2, 2, 1),
        (20, 3, 3, 2),
        (30, 4, 4, 3),
        (50, 6, 6, 5),
        (100, 11, 11, 10),
    ],
)
def test_the_smallest_steps_that_pass_the_default_tolerance(
    replicas: int, up: int, down: int | None, down_with_less: int | None
) -> None:
    def smallest(sign: int, less: float) -> int:
        steps = range(1, replicas)
        return next(
            step for step in steps if free().sync(0, replicas, replicas, replicas + sign * step - less, 1.0) != replicas
        )

    assert free().sync(0, replicas, replicas, replicas + up, 1.0) == replicas + up
    assert up == 1 or free().sync(0, replicas, replicas, replicas + up - 1, 1.0) == replicas
    if down is not None:
        assert smallest(-1, 0.0) == down
        assert smallest(-1, 0.999) == down_with_less


@given(st.integers(1, 500), st.integers(1, 500))
def test_without_tolerance_every_number_is_reached_at_once(now: int, wanted: int) -> None:
    assert free(tolerance=0.0).sync(0, now, now, float(wanted), 1.0) == wanted


def test_inside_the_tolerance_it_answers_with_the_pods_that_exist() -> None:
    assert free().sync(0, 12, 13, 12.5, 1.0) == 13


def test_thousandths_round_before_they_are_compared() -> None:
    assert free(tolerance=0.0).sync(0, 5, 5, 5.0004, 1.0) == 5
    assert free(tolerance=0.0).sync(0, 5, 5, 5.001, 1.0) == 6


def test_a_failed_fetch_changes_nothing_and_zero_disables() -> None:
    assert free().sync(0, 7, 7, None, 1.0) == 7
    assert free().sync(0, 0, 0, 9.0, 1.0) == 0


def test_outside_the_bounds_it_jumps_to_them_whatever_the_metric_says() -> None:
    assert free(maximum=10).sync(0, 20, 20, None, 1.0) == 10
    assert Hpa(3, 10).sync(0, 1, 1, 1.0, 1.0) == 3


def test_plain_growth_is_limited_to_twice_or_four() -> None:
    hpa = Hpa(1, 100)
    replicas, seen = 1, []
    for sync in range(6):
        replicas = hpa.sync(15.0 * sync, replicas, replicas, 60.0, 1.0)
        seen.append(replicas)
    assert seen == [4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize("behavior", [None, Behavior()])
def test_what_falls_waits_five_minutes(behavior: Behavior | None) -> None:
    hpa = Hpa(1, 100, behavior)
    assert hpa.sync(0, 10, 10, 10.0, 1.0) == 10
    times = [15.0 * sync for sync in range(1, 25)]
    fallen = next(at for at in times if hpa.sync(at, 10, 10, 2.0, 1.0) < 10)
    assert fallen == (315.0 if behavior is None else 300.0)


def test_the_defaults_of_a_behavior_double_or_add_four() -> None:
    hpa = Hpa(1, 100, Behavior())
    replicas, seen = 2, []
    for sync in range(4):
        replicas = hpa.sync(15.0 * sync, replicas, replicas, 90.0, 1.0)
        seen.append(replicas)
    assert seen == [6, 12, 24, 48]


def test_a_policy_counts_from_what_there_was_when_its_period_began() -> None:
    up = Rules(0.0, (HpaPolicy(Unit.PODS, 3, 60.0),))
    hpa = Hpa(1, 100, Behavior(up))
    replicas, seen = 5, []
    for sync in range(6):
        replicas = hpa.sync(15.0 * sync, replicas, replicas, 50.0, 1.0)
        seen.append(replicas)
    assert seen == [8, 8, 8, 8, 11, 11]


@pytest.mark.parametrize(("select", "expected"), [(Select.MAX, 12), (Select.MIN, 8), (Select.DISABLED, 6)])
def test_several_policies(select: Select, expected: int) -> None:
    policies = (HpaPolicy(Unit.PODS, 2, 15.0), HpaPolicy(Unit.PERCENT, 100, 15.0))
    assert Hpa(1, 100, Behavior(Rules(0.0, policies, select))).sync(0, 6, 6, 50.0, 1.0) == expected


def test_a_percentage_down_rounds_in_favour_of_change() -> None:
    down = Rules(0.0, (HpaPolicy(Unit.PERCENT, 25, 60.0),))
    assert Hpa(1, 100, Behavior(down=down)).sync(0, 7, 7, 1.0, 1.0) == 5


def test_an_upward_window_takes_the_least_of_it() -> None:
    hpa = Hpa(1, 100, Behavior(Rules(60.0, FREE.policies)))
    readings = [(0, 5.0, 5), (15, 9.0, 5), (30, 8.0, 5), (45, 9.0, 5), (60, 9.0, 8), (75, 9.0, 8), (90, 9.0, 9)]
    replicas = 5
    for at, usage, expected in readings:
        replicas = hpa.sync(at, replicas, replicas, usage, 1.0)
        assert replicas == expected, at
