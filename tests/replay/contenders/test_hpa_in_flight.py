"""The targets that the HPA on requests in flight is tried with."""

import pytest

from replay.contenders.hpa_in_flight import between, rounded, targets


def test_the_first_targets_span_the_shares() -> None:
    assert targets(256) == (7.7, 12.0, 17.0, 26.0, 40.0, 60.0, 90.0, 136.0, 205.0)
    assert targets(32)[0] == 1.0
    assert targets(32)[-1] == 26.0


@pytest.mark.parametrize(("target", "written"), [(0.01, 0.1), (1.04, 1.0), (9.96, 10.0), (10.4, 10.0), (110.6, 111.0)])
def test_a_target_is_written_as_a_person_would(target: float, written: float) -> None:
    assert rounded(target) == written


def test_between_two_targets_lies_the_one_at_equal_ratios() -> None:
    assert between(50.0, 100.0) == between(100.0, 50.0) == 71.0
    assert between(1.0, 1.1) == 1.0
