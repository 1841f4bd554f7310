"""Timestamps: what the API server writes is read, and what we write it takes."""

import pytest

from crds.notation.timestamps import timestamp, unix_seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-05-04T09:30:00Z", 1777887000.0),  # metav1.Time
        ("2026-05-04T09:30:00.250000Z", 1777887000.25),  # metav1.MicroTime
        ("2026-05-04T09:30:00.123456789Z", 1777887000.123456),  # a node's clock; microseconds are kept
        ("2026-05-04T11:30:00+02:00", 1777887000.0),
        ("2026-05-04T09:30", 1777887000.0),
        ("2026-05-04", 1777852800.0),
    ],
)
def test_a_time_is_read_to_the_microsecond_and_in_utc_without_a_zone(text: str, seconds: float) -> None:
    assert unix_seconds(text) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize("text", ["", "now", "09:30", "2026-13-01T00:00:00Z", "1777887000"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - datetime's own text
        unix_seconds(text)


def test_whole_seconds_are_written() -> None:
    assert timestamp(1777887000.999) == "2026-05-04T09:30:00Z"
    assert unix_seconds(timestamp(1777887000.0)) == 1777887000.0
