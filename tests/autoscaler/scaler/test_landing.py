"""Landing on an HPA whose tolerance cannot be zero (1.33 and later count its ends as inside)."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.scaler.landing import landing_value


def hpa(current: int, value: float, tolerance: float = 0.1) -> int:
    if current and 1 - tolerance <= value / current <= 1 + tolerance:
        return current
    return math.ceil(round(value, 3))


@pytest.mark.parametrize(
    ("desired", "current", "lands"),
    [
        pytest.param(10, 9, 10, id="small fleets are exact"),
        pytest.param(12, 11, 13, id="up inside the tolerance: the first step outside"),
        pytest.param(30, 11, 30, id="up outside: exact"),
        pytest.param(15, 16, 15, id="down by one of 16: the thousandth leaves the tolerance"),
        pytest.param(19, 20, 20, id="down by one of 20: stays"),
        pytest.param(18, 20, 18, id="down by two of 20: exact"),
        pytest.param(0, 5, 0, id="zero is zero"),
        pytest.param(7, 7, 7, id="nothing to do"),
    ],
)
def test_where_it_lands(desired: int, current: int, lands: int) -> None:
    assert hpa(current, landing_value(desired, current, 100, 0.1)) == lands


def test_the_maximum_is_not_overshot() -> None:
    assert landing_value(12, 11, 12, 0.1) == 12.0


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 300))
def test_it_never_lands_on_the_wrong_side(desired: int, current: int, maximum: int) -> None:
    lands = hpa(current, landing_value(min(desired, maximum), current, maximum, 0.1))
    wanted = min(desired, maximum)
    assert min(wanted, current) <= lands <= max(wanted, current, min(maximum, math.floor(1.1 * current) + 1))


@given(st.integers(1, 300), st.integers(1, 300))
def test_repeated_syncs_end_at_most_a_tolerance_above_the_decision(desired: int, current: int) -> None:
    for _ in range(5):
        current = hpa(current, landing_value(desired, current, 1000, 0.1))
    assert desired <= current <= math.ceil(desired / 0.9) + 1


def test_unknown_supply_sends_the_decision() -> None:
    assert landing_value(5, None, 10, 0.1) == 5.0
