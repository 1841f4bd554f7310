"""The factor of the headroom: within bounds, moved by late requests alone, and never lowered by what is not known."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.headroom import AIM, ENOUGH_LATE, ENOUGH_REQUESTS, LARGEST_FACTOR, trimmed
from policies.ladder import lead_seconds
from policies.model import Fan, Filters, Headroom, Inputs, Mode, PodSample, Policy, Verdict
from policies.physics import queue_times
from policies.recommend.predictive import FAN_STALE_SECONDS, LEAST_FACTOR, volatility_floor
from policies.signals import Judged
from policies.supply import Rung, Supply
from tests.support.worlds import COLD_START, START, a_fan, a_policy, a_sample

POLICY = a_policy(attainment=0.99)
HOUR = 240  # ticks
LEARNED = Headroom(late=10 * ENOUGH_LATE)
NO_UNITS = Supply(0, ())
Pod = tuple[int, int]  # requests that finished in a tick, and how many of them were late

pods = st.tuples(st.integers(0, 10_000), st.floats(0.0, 1.0)).map(lambda pod: (pod[0], int(pod[0] * pod[1])))
headrooms = st.builds(
    Headroom,
    st.floats(LEAST_FACTOR, LARGEST_FACTOR),
    requests=st.floats(0.0, 1e7),
    late=st.floats(0.0, 1e6),
    ticks=st.floats(0.0, 5760.0),
)


def a_reading(requests: float | None, late: float | None) -> PodSample:
    return replace(a_sample("p", START, requests or 0.0), queue_times_total=requests, late_total=late)


def read(pod: Pod) -> Judged:
    return Judged("p", Verdict.COUNTED, a_reading(*pod), a_reading(0.0, 0.0))


def unread(pod: Pod) -> Judged:
    return Judged("p", Verdict.COUNTED, a_reading(pod[0], None), a_reading(0.0, 0.0))


def after(
    before: Headroom,
    *found: Pod,
    lacking: int = 0,
    unlisted: int = 0,
    level: float = 20.0,
    policy: Policy = POLICY,
    supply: Supply | None = NO_UNITS,
    fan: Fan | None = None,
) -> Headroom:
    judged = [*map(read, found), *[unread((5, 0))] * lacking]
    filters = Filters(level=level, volatility=0.1, headroom=before)
    listed = None if supply is None else replace(supply, unlisted=unlisted)
    inputs = Inputs(START, on_grid=True, samples=(), supply=listed, cold_start=COLD_START, fan=fan)
    return trimmed(policy, filters, judged, inputs)


@given(headrooms, st.lists(pods, max_size=5), st.integers(0, 3))
def test_the_factor_stays_within_its_bounds(before: Headroom, found: list[Pod], lacking: int) -> None:
    assert LEAST_FACTOR <= after(before, *found, lacking=lacking).factor <= LARGEST_FACTOR


@given(headrooms, st.lists(pods, min_size=1, max_size=5), st.integers(0, 4))
def test_more_late_requests_never_give_less_headroom(before: Headroom, found: list[Pod], place: int) -> None:
    requests, late = found[place % len(found)]
    worse = [*found]
    worse[place % len(found)] = (requests, min(requests, late + 1))
    assert after(before, *worse).factor >= after(before, *found).factor


@given(headrooms, st.lists(pods, max_size=5), st.integers(1, 3), st.booleans())
def test_what_is_not_known_never_lowers_it(before: Headroom, found: list[Pod], lacking: int, listed: bool) -> None:
    lacks, unlisted = (lacking, 0) if listed else (0, lacking)
    assert after(before, *found, lacking=lacks, unlisted=unlisted).factor >= before.factor


def test_without_queue_times_it_stays() -> None:
    before = Headroom(0.8, 5e5, 5e3, 5760.0)
    assert after(before, lacking=3) == after(before) == after(before, (9, 9), supply=None) == before


def test_what_another_autoscaler_runs_says_nothing_about_it() -> None:
    before, shadow = Headroom(0.8, 5e5, 5e3, 5760.0), a_policy(mode=Mode.SHADOW)
    assert after(before, (100, 0), policy=shadow) == after(before, (100, 100), policy=shadow) == before


def test_it_sinks_only_where_no_more_serve_than_it_asks_for() -> None:
    found: list[Pod] = [(100, 0)] * 8
    asked = volatility_floor(POLICY, Filters(level=3.0, volatility=0.1), lead_seconds(COLD_START, Rung.IMAGE_READY))
    assert asked is not None
    assert 1.1 * asked.replicas + 1.0 < 8.0
    assert after(LEARNED, *found, level=3.0).factor == 1.0
    assert after(LEARNED, *found, level=6.0).factor < 1.0
    assert after(LEARNED, (100, 50), *found, level=3.0).factor > 1.0


def test_it_sinks_only_after_enough_late_requests() -> None:
    few = replace(LEARNED, late=ENOUGH_LATE - 1.0)
    assert after(few, (1000, 0)).factor == 1.0
    assert after(few, (1000, 100)).factor > 1.0
    assert after(LEARNED, (1000, 0)).factor < 1.0


def recorded(share: float, age_seconds: float = 0.0) -> Fan:
    return replace(a_fan(START - age_seconds, 20.0, proven=False), level_headroom=share)


def test_without_late_requests_it_sinks_as_far_as_the_recorded_days_allow() -> None:
    found, ticks = Headroom(), 0
    while found.factor > 0.6 and ticks < 2 * HOUR:
        found, ticks = after(found, (1000, 0), fan=recorded(0.6)), ticks + 1
    assert HOUR // 2 < ticks < HOUR
    assert after(found, (1000, 0), fan=recorded(0.6)).factor == found.factor == 0.6
    assert after(found, (1000, 0), fan=recorded(0.9)).factor == 0.6


def test_the_recorded_days_lower_nothing_where_they_are_old_or_pods_are_not_known_or_many_were_late() -> None:
    lowered = after(Headroom(), (1000, 0), fan=recorded(0.6)).factor
    assert lowered < 1.0
    assert after(Headroom(), (1000, 0), fan=recorded(0.6, FAN_STALE_SECONDS + 1.0)).factor == 1.0
    assert after(Headroom(), (1000, 0), lacking=1, fan=recorded(0.6)).factor == 1.0
    assert after(Headroom(), (1000, 0), policy=a_policy(mode=Mode.SHADOW), fan=recorded(0.6)).factor == 1.0
    late = Headroom(1.0, requests=1e4, late=2 * AIM * 0.01 * 1e4, ticks=100.0)
    assert lowered < after(late, (100, 0), fan=recorded(0.6)).factor < 1.0
    assert after(Headroom(), (1000, 100), fan=recorded(0.6)).factor > 1.0


def test_it_sinks_over_hours_and_rises_within_minutes() -> None:
    found, ticks = LEARNED, 0
    while found.factor > LEAST_FACTOR and ticks < 24 * HOUR:
        found, ticks = after(found, (1000, 0)), ticks + 1
    assert 8 * HOUR < ticks < 12 * HOUR
    for _ in range(22):
        found = after(found, (1000, 1000))
    assert found.factor > LARGEST_FACTOR - 0.05


@pytest.mark.parametrize("attainment", [0.5, 0.9, 0.99])
def test_a_busy_monday_after_a_quiet_weekend_does_not_lower_it_within_minutes(attainment: float) -> None:
    quiet, policy = (
        Headroom(requests=10.0 * 5760.0, late=2.0 * ENOUGH_LATE, ticks=5760.0),
        a_policy(attainment=attainment),
    )
    found = quiet
    for _ in range(HOUR // 6):
        found = after(found, (5000, 0), policy=policy)
    assert 0.88 < found.factor < 1.0


def test_it_stays_where_as_many_are_late_as_it_aims_at() -> None:
    late = 1000.0 * AIM * 0.01
    assert after(Headroom(0.9), (1000, round(late))).factor == pytest.approx(0.9)


def test_few_requests_move_it_little() -> None:
    assert 1.0 < after(Headroom(), (1, 1)).factor < 1.0 + 0.06 / ENOUGH_REQUESTS


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (a_reading(10.0, None), a_reading(20.0, 1.0)),
        (a_reading(10.0, 1.0), a_reading(None, 1.0)),
        (a_reading(10.0, 5.0), a_reading(20.0, 4.0)),  # another queue wait
        (a_reading(10.0, 5.0), a_reading(12.0, 9.0)),
        (replace(a_reading(10.0, 5.0), finished_total=10.0), replace(a_reading(90.0, 9.0), finished_total=11.0)),
    ],
)
def test_queue_times_that_contradict_each_other_are_unknown(before: PodSample, now: PodSample) -> None:
    assert queue_times(before, now) is None


def test_queue_times_are_whole() -> None:
    assert queue_times(a_reading(10.0, 5.0), a_reading(20.0, 8.0)) == (10.0, 3.0)


def test_the_factor_multiplies_the_deviations() -> None:
    def asked(factor: float) -> dict[str, float]:
        filters = Filters(level=4.0, volatility=0.1, headroom=Headroom(factor))
        reason = volatility_floor(POLICY, filters, 270.0)
        assert reason is not None
        return {**dict(reason.numbers), "replicas": reason.replicas}

    table, less = asked(1.0), asked(0.61)
    assert less["deviations"] == pytest.approx(0.61 * table["deviations"])
    assert 4.0 < less["replicas"] < table["replicas"]
    assert less["headroom_factor"] == 0.61
