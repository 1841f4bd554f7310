"""Weekly windows in UTC, through changes of clocks."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds.schedules import DAYS, overlaps, windows
from crds.workload import Schedule
from policies.model import Window

HOUR, DAY = 3600.0, 86_400.0


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def schedule(start: str, end: str, days: tuple[str, ...] = DAYS, time_zone: str = "UTC", name: str = "day") -> Schedule:
    return Schedule(name, days, start, end, time_zone, 3)


def spans(found: tuple[Window, ...]) -> list[tuple[str, str]]:
    return [(_minute(it.start_seconds), _minute(it.end_seconds)) for it in found]


def _minute(at_seconds: float) -> str:
    return datetime.fromtimestamp(at_seconds, UTC).isoformat()[:16]


def test_a_window_in_local_time() -> None:
    found = windows([schedule("08:30", "18:00", ("Mon",), "Europe/Berlin")], at("2026-06-01"), DAY)
    assert spans(found) == [("2026-06-01T06:30", "2026-06-01T16:00")]
    assert found[0].min_replicas == 3
    winter = windows([schedule("08:30", "18:00", ("Mon",), "Europe/Berlin")], at("2026-01-05"), DAY)
    assert spans(winter) == [("2026-01-05T07:30", "2026-01-05T17:00")]


def test_a_window_past_midnight_belongs_to_the_day_on_which_it_opens() -> None:
    night = schedule("22:00", "06:00", ("Sat",))
    assert spans(windows([night], at("2026-06-07T01:00"), HOUR)) == [("2026-06-06T22:00", "2026-06-07T06:00")]
    assert windows([night], at("2026-06-06T01:00"), HOUR) == ()


def test_a_whole_day() -> None:
    found = windows([schedule("00:00", "24:00", ("Sun",))], at("2026-06-07"), DAY)
    assert spans(found) == [("2026-06-07T00:00", "2026-06-08T00:00")]


def test_edges_a_window_that_ends_now_is_over_and_one_that_starts_at_the_horizon_is_not_yet() -> None:
    day = schedule("08:00", "18:00")
    assert windows([day], at("2026-06-01T18:00"), HOUR) == ()
    assert windows([day], at("2026-06-01T07:00"), HOUR) == ()
    assert len(windows([day], at("2026-06-01T07:00"), HOUR + 1)) == 1


@pytest.mark.parametrize(
    ("day", "start", "end", "expected"),
    [
        # The clocks go from 02:00 to 03:00 local time, which is 01:00 UTC: 02:30 is not there.
        ("2026-03-29", "02:30", "06:00", ("2026-03-29T00:30", "2026-03-29T04:00")),
        ("2026-03-29", "00:00", "02:30", ("2026-03-28T23:00", "2026-03-29T01:30")),
        # They go from 03:00 back to 02:00, which is 01:00 UTC: 02:30 is there twice.
        ("2026-10-25", "02:30", "06:00", ("2026-10-25T00:30", "2026-10-25T05:00")),
        ("2026-10-25", "00:00", "02:30", ("2026-10-24T22:00", "2026-10-25T01:30")),
    ],
)
def test_a_change_of_clocks_shortens_no_window(day: str, start: str, end: str, expected: tuple[str, str]) -> None:
    found = windows([schedule(start, end, time_zone="Europe/Berlin")], at(f"{day}T01:00"), 60.0)
    assert spans(found) == [expected]


@given(
    st.floats(min_value=at("2020-01-01"), max_value=at("2030-01-01")),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Pacific/Apia", "Asia/Kathmandu", "Australia/Lord_Howe"]),
    st.integers(0, 1439),
    st.integers(1, 1439),
    st.sets(st.sampled_from(DAYS), min_size=1),
)  # fmt: skip
def test_windows_are_open_between_now_and_the_horizon(
    now: float, zone: str, start: int, length: int, days: set[str]
) -> None:
    end = (start + length) % 1440
    one = schedule(f"{start // 60:02}:{start % 60:02}", f"{end // 60:02}:{end % 60:02}", tuple(days), zone)
    found = windows([one], now, 8 * DAY)
    assert len(found) >= len(days) - 1
    assert list(found) == sorted(found, key=lambda it: it.start_seconds)
    for window in found:
        assert now < window.end_seconds
        assert window.start_seconds < now + 8 * DAY
        # An hour more or less where the clocks change, a day where a zone skips one.
        assert length * 60 - HOUR <= window.end_seconds - window.start_seconds <= length * 60 + HOUR + DAY


def test_windows_that_meet() -> None:
    a, b = schedule("08:00", "12:00", ("Mon",)), schedule("11:00", "13:00", ("Mon", "Tue"))
    assert overlaps([a, b]) == [(0, 1, "Mon 11:00")]
    assert overlaps([a, schedule("12:00", "13:00")]) == []
    assert overlaps([a, schedule("11:00", "13:00", time_zone="Asia/Tokyo")]) == []
    assert overlaps([schedule("23:00", "01:00", ("Sun",)), schedule("00:00", "02:00", ("Mon",))]) == [
        (0, 1, "Mon 00:00")
    ]
