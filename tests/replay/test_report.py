"""Figures, plots and series of a report."""

import math

import numpy as np
import pytest

from replay.report.columns import columns, percent, wait
from replay.report.plot import area
from replay.report.series import means


@pytest.mark.parametrize(("share", "shown"), [(1.0, "100.00%"), (0.999999, "99.99%"), (0.99, "99.00%"), (0.0, "0.00%")])
def test_only_all_is_a_hundred_percent(share: float, shown: str) -> None:
    assert percent(share) == shown


def test_a_wait_without_end() -> None:
    assert wait(math.inf) == "never"
    assert wait(1234.56) == "1,234.6 s"


def test_the_slo_has_a_column_of_its_own_where_none_is_there() -> None:
    assert [column.name for column in columns(5.0)] == [column.name for column in columns(1.0)]
    waits = [column.name for column in columns(2.5) if not column.lower]
    assert waits == ["waited at most 1 s", "waited at most 2.5 s", "waited at most 5 s"]


def test_an_area_of_two_rows() -> None:
    assert area([0, 1, 4, 8, 16], 16.0, 2) == ["    █", " ▁▄██"]
    assert area([0.01, 99.0], 16.0, 1) == ["▁█"]  # what is above 0 shows, what is above the top is cut
    assert area([0.0, 0.0], 0.0, 1) == ["  "]
    assert area([0, 8, 16], 16.0, 1, unicode=False) == [" =@"]


def test_means_of_what_holds_from_each_change() -> None:
    seconds, replicas = np.array([0.0, 5.0, 30.0]), np.array([2, 4, 10])
    assert means(seconds, replicas, np.array([0.0, 10.0, 20.0, 30.0])) == pytest.approx([3.0, 4.0, 4.0])
    assert means(seconds, replicas, np.array([0.0, 20.0, 40.0])) == pytest.approx([3.5, 7.0])
    assert means(np.array([0.0]), np.array([3]), np.array([0.0, 1.0, 2.0])) == pytest.approx([3.0, 3.0])
