"""Durations, quantities, percentages and times of day."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds.notation import units


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5s", 5.0), ("500ms", 0.5), ("1h30m", 5400.0), ("0s", 0.0), ("1m1s1ms", 61.001), ("99999h", 359_996_400.0)],
)
def test_durations(text: str, seconds: float) -> None:
    assert units.seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "-5s", "1.5s", "5 s", "1d", "100000s", "1h1h1h1h1h", "5s\n", "\u0665s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        units.seconds(text)


@pytest.mark.parametrize(("text", "seconds"), [("1d2h", 93_600.0), ("2d", 172_800.0), ("1h30m", 5400.0), ("0d1s", 1.0)])
def test_a_span_may_have_days(text: str, seconds: float) -> None:
    assert units.span_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "d", "d2h", "1d2", "1h1d", "1d1d", "-1d", "1.5d", "123456d", "\u0665d"])
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        units.span_seconds(text)


@given(st.integers(0, 10**9))
def test_a_written_duration_is_read_back(milliseconds: int) -> None:
    assert units.seconds(units.duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (2500, 2500.0),
        ("2500", 2500.0),
        ("2.5k", 2500.0),
        ("200u", 0.0002),
        ("1Ki", 1024.0),
        ("1e3", 1000.0),
        ("5.", 5.0),
        (".5", 0.5),
        ("1E", 1e18),
        ("1E2", 100.0),
        ("1n", 1e-9),
    ],
)
def test_quantities(value: int | str, number: float) -> None:
    assert units.quantity(value) == number


@pytest.mark.parametrize("value", ["", "-1", "1 k", "k", "1K", "1e", "1e100", "0x10", "NaN"])
def test_what_is_no_quantity(value: str) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        units.quantity(value)


def test_shares_are_exact() -> None:
    assert units.share("99.9%") == 0.999
    assert units.share("50%") == 0.5
    for text in ("100%", "49%", "99.999%", "99", ""):
        with pytest.raises(ValueError, match="not a percentage"):
            units.share(text)


def test_times_of_day() -> None:
    assert [units.minutes(text) for text in ("00:00", "08:30", "24:00")] == [0, 510, 1440]
    for text in ("8:30", "24:01", "12:60", "noon"):
        with pytest.raises(ValueError, match="not a time of day"):
            units.minutes(text)
