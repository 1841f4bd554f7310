"""Which scrapes count as missed, and how the clock's rate follows their lag."""

import math

import pytest

from replay.simcluster.lateness import FADING, Lateness

LOOKS_A_SECOND = 20


def _settled() -> Lateness:
    """After a minute of scrapes on time at full speed."""
    lateness = Lateness(30.0, 1.0)
    for now in range(0, 1800, 2):
        for pod in "ab":
            lateness.scraped(pod, float(now), 30.0)
        lateness.look("ab", float(now), 30.0)
    return lateness


def test_the_start_is_slow_until_the_lag_is_known() -> None:
    lateness = Lateness(30.0, 1.0)
    assert lateness.rate == pytest.approx(10.0)
    lateness.look("ab", 0.0, 10.0)
    assert lateness.rate == pytest.approx(10.0)  # nothing is scraped yet: nothing is learned
    assert _settled().rate == 30.0
    assert _settled().missed_share(1799.0) == 0.0


def test_a_late_scrape_slows_the_clock_before_a_round_is_missed() -> None:
    lateness = _settled()
    lateness.scraped("a", 1801.5, 30.0)  # 1.5 s late, 50 ms on the wall
    assert lateness.rate == pytest.approx(20.0)
    assert lateness.missed_share(1801.5) == 0.0


def test_a_missed_round_counts() -> None:
    lateness = _settled()
    lateness.scraped("a", 1804.5, 30.0)  # was due at 1800
    lateness.scraped("b", 1801.0, 30.0)
    assert lateness.missed_share(1804.5) == pytest.approx((2 + 1) / (1802 + 2 + 1))  # b is overdue since 1802


def test_who_hangs_slows_the_clock_while_he_hangs() -> None:
    lateness, now, rate, rates = _settled(), 1800.0, 30.0, list[float]()
    for _ in range(LOOKS_A_SECOND):  # a second on the wall without any scrape
        now += rate / LOOKS_A_SECOND
        lateness.look("ab", now, rate)
        rate = lateness.rate
        rates.append(rate)
    assert rates == sorted(rates, reverse=True)
    assert rate < 2.0
    assert lateness.missed_share(now) < 0.01


def test_the_clock_waits_for_a_scrape_before_its_round_is_missed() -> None:
    """At 30x a pause of a tenth of a second is three scenario seconds: the next look comes too late to slow down."""
    lateness = _settled()
    lateness.scraped("b", 1800.1, 30.0)
    assert lateness.limit_seconds == pytest.approx(1801.9)  # a is due at 1800
    lateness.scraped("a", lateness.limit_seconds, 30.0)
    assert lateness.missed_share(1802.0) == 0.0
    assert lateness.limit_seconds == pytest.approx(1803.9)


def test_at_the_lowest_rate_the_clock_waits_for_nobody() -> None:
    lateness = _settled()
    lateness.scraped("a", 1900.0, 30.0)
    assert lateness.rate == 1.0
    assert lateness.limit_seconds == math.inf
    assert Lateness(30.0, 1.0).limit_seconds == math.inf  # nothing is scraped yet


def test_the_lag_fades_and_the_limits_hold() -> None:
    lateness = _settled()
    lateness.scraped("a", 1900.0, 30.0)
    lateness.scraped("b", 1900.0, 30.0)
    assert lateness.rate == 1.0
    for _ in range(60 * LOOKS_A_SECOND):
        lateness.look("ab", 1901.0, 1.0)
    assert lateness.rate == 30.0
    assert pytest.approx(0.5, rel=0.02) == FADING ** (5 * LOOKS_A_SECOND)


def test_a_pod_that_is_gone_is_not_waited_for() -> None:
    lateness = _settled()
    lateness.look("b", 1799.0, 30.0)
    lateness.scraped("b", 1800.0, 30.0)
    assert lateness.missed_share(1801.0) == 0.0


def test_one_speed_is_kept() -> None:
    lateness = Lateness(5.0, 5.0)
    lateness.scraped("a", 0.0, 5.0)
    lateness.scraped("a", 100.0, 5.0)
    assert lateness.rate == 5.0
