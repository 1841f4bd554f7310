"""Each recommender by itself, and how they are combined."""

from dataclasses import replace

import pytest

from policies.combine import combine, whole
from policies.model import Basis, Demand, Fan, Filters, Headroom, Reason, Rule, Window
from policies.recommend.predictive import FAN_STALE_SECONDS, LEAST_FACTOR, demand_floor, interpolate, volatility_floor
from policies.recommend.reactive import reactive
from policies.recommend.scheduled import scheduled
from tests.support.worlds import START, a_fan, a_policy

POLICY = a_policy()
CALM = Filters(level=3.0, volatility=0.02)


def a_demand(recent: float | None, waiting: float | None, work_seconds: float = 1.0) -> Demand:
    return Demand(START, Basis.WORK, 1.0, recent, recent, waiting, 4.0, 4.0, work_seconds)


@pytest.mark.parametrize(
    ("recent", "waiting", "ready", "asked"),
    [
        (2.0, 0.0, 2, None),
        (2.2, 0.0, 2, None),  # a tenth over is noise
        (2.3, 0.0, 2, 2.3),
        (1.0, 2.0, 2, None),  # 1 s of queue, a fifth of the SLO
        (1.0, 2.1, 2, 1.0 + 2.1 / 60),
        (1.0, 120.0, 2, 3.0),  # drained within a minute
        (0.0, 3.0, 0, 0.05),  # no replica serves
        (None, 3.0, 2, None),
        (2.0, None, 2, None),
    ],
)
def test_reactive(recent: float | None, waiting: float | None, ready: int, asked: float | None) -> None:
    reason = reactive(POLICY, a_demand(recent, waiting), ready)
    assert (reason and reason.replicas) == (asked and pytest.approx(asked))


def test_a_stricter_wait_reacts_to_a_shorter_queue() -> None:
    assert reactive(a_policy(queue_wait_seconds=1.0), a_demand(1.0, 1.0), 2) is not None
    assert reactive(a_policy(queue_wait_seconds=30.0), a_demand(1.0, 11.0), 2) is None


def test_there_is_no_volatility_floor_without_a_level() -> None:
    assert volatility_floor(POLICY, Filters(), 300.0) is None


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0, 5.0, 50.0])
def test_the_volatility_floor_is_above_the_level_and_grows_with_lead_volatility_and_attainment(level: float) -> None:
    def floor(lead: float = 120.0, volatility: float = 0.1, attainment: float = 0.99) -> float:
        reason = volatility_floor(a_policy(attainment=attainment), Filters(level=level, volatility=volatility), lead)
        assert reason is not None
        return reason.replicas

    assert level < floor() < floor(lead=300.0)
    assert floor() < floor(volatility=0.2)
    assert floor(attainment=0.9) < floor() < floor(attainment=0.999)
    assert floor(volatility=9.0) == floor(volatility=99.0) < 5 * (level + 0.5)  # DEVIATION_LIMIT


@pytest.mark.parametrize(
    ("age", "proven", "used"),
    [(0.0, True, True), (FAN_STALE_SECONDS, True, True), (FAN_STALE_SECONDS + 1, True, False), (0.0, False, False)],
)
def test_a_forecast_is_used_while_it_is_fresh_and_proven(age: float, proven: bool, used: bool) -> None:
    reason = demand_floor(POLICY, CALM, a_fan(START - age, 8.0, proven=proven), START, 120.0)
    assert reason is not None
    assert (reason.rule is Rule.FORECAST) is used
    if used:
        assert reason.note == "profile"
        assert dict(reason.numbers)["median"] == 4.0


@pytest.mark.parametrize(("median", "high"), [(0.1, 0.2), (4.0, 5.0), (30.0, 40.0)])
def test_a_forecast_gives_median_and_deviation_between_the_level_and_three_times_its_floor(
    median: float, high: float
) -> None:
    fan = Fan(START, (120.0,), (0.5, 0.99), ((median, high),), "profile", True)
    reason = demand_floor(POLICY, CALM, fan, START, 120.0)
    by_level = volatility_floor(POLICY, CALM, 120.0)
    assert reason is not None
    assert by_level is not None
    if median < 1.0:
        assert reason.replicas == CALM.level
    elif median > 10.0:
        assert reason.replicas == 3.0 * by_level.replicas
    else:
        assert median < reason.replicas < 3.0 * by_level.replicas


def test_a_forecast_that_needs_less_headroom_asks_for_less_and_never_less_than_its_median() -> None:
    asked = [
        demand_floor(POLICY, CALM, replace(a_fan(START, 8.0), headroom=share), START, 120.0)
        for share in (0.0, 0.5, 1.0)
    ]
    least, less, full = (reason.replicas for reason in asked if reason is not None)
    assert least == pytest.approx(4.0)
    assert least < less < full


def test_late_requests_and_a_forecast_together_leave_the_least_headroom() -> None:
    trimmed = replace(CALM, headroom=Headroom(factor=LEAST_FACTOR))
    found = [
        demand_floor(POLICY, filters, replace(a_fan(START, 8.0), headroom=share), START, 120.0)
        for filters, share in ((CALM, LEAST_FACTOR), (trimmed, LEAST_FACTOR), (trimmed, 0.7), (trimmed, 1.0))
    ]
    first, *others = (reason.replicas for reason in found if reason is not None)
    assert others == pytest.approx([first] * 3)


def test_without_a_level_there_is_no_floor_from_a_forecast() -> None:
    assert demand_floor(POLICY, Filters(), a_fan(START, 8.0), START, 120.0) is None


FAN = Fan(START, (60.0, 120.0), (0.5, 0.9), ((1.0, 3.0), (2.0, 6.0)), "profile", True)


@pytest.mark.parametrize(
    ("horizon", "probability", "value"),
    [
        (60, 0.5, 1.0),
        (120, 0.9, 6.0),
        (90, 0.5, 1.5),
        (60, 0.7, 2.0),
        (90, 0.7, 3.0),
        (1, 0.1, 1.0),  # before the first
        (999, 0.999, 6.0),  # beyond the last
    ],
)
def test_a_fan_is_read_linearly_and_at_its_ends(horizon: float, probability: float, value: float) -> None:
    assert interpolate(FAN, horizon, probability) == pytest.approx(value)


def test_an_aged_forecast_is_read_further_ahead() -> None:
    fresh, aged = (
        demand_floor(a_policy(attainment=0.9), Filters(level=2.0), FAN, START + age, 60.0) for age in (0.0, 30.0)
    )
    assert fresh is not None
    assert aged is not None
    assert aged.replicas > fresh.replicas


@pytest.mark.parametrize(
    ("at", "asked"),
    [(-121.0, None), (-120.0, 5.0), (0.0, 5.0), (3599.0, 5.0), (3600.0, None)],
)
def test_a_window_is_held_from_one_lead_before_it_opens(at: float, asked: float | None) -> None:
    reason = scheduled((Window("fair", START, START + 3600.0, 5),), START + at, 120.0)
    assert (reason and reason.replicas) == asked


def test_of_two_windows_the_larger_counts() -> None:
    windows = (Window("day", START, START + 9.0, 3), Window("fair", START, START + 9.0, 7))
    reason = scheduled(windows, START, 0.0)
    assert reason is not None
    assert (reason.note, reason.replicas) == ("fair", 7.0)


@pytest.mark.parametrize(
    ("asked", "count"), [(0.0, 0), (-2.0, 0), (0.2, 1), (3.0, 3), (3.0000001, 3), (3.0001, 4), (2.9, 3)]
)
def test_whole(asked: float, count: int) -> None:
    assert whole(asked) == count


def test_the_largest_reason_leads_and_the_first_of_two_equal_ones() -> None:
    low, high, same = Reason(Rule.MINIMUM, 1.0), Reason(Rule.FORECAST, 4.0), Reason(Rule.REACTIVE, 4.0)
    assert combine((low, None, high, same)) == (high, same, low)
