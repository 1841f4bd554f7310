"""Series with gaps, and the history that collects them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.history import History
from forecasting.series import Series

NAN = math.nan


def series(*values: float) -> Series:
    return Series(0.0, 60.0, np.array(values))


def known(history: History) -> tuple[float, list[float | None]]:
    closed = history.series()
    return closed.start_seconds, [None if math.isnan(v) else v for v in closed.values.tolist()]


def test_gaps_are_interpolated_and_ends_are_extended() -> None:
    assert series(NAN, 1, NAN, 3, NAN).filled().values.tolist() == [1, 1, 2, 3, 3]


def test_a_series_without_values_cannot_be_filled() -> None:
    with pytest.raises(ValueError, match="without a known value"):
        series(NAN, NAN).filled()


def test_a_cut_keeps_its_place_in_time() -> None:
    tail = series(1, 2, 3).tail(2)
    assert (tail.start_seconds, tail.end_seconds) == (60.0, 180.0)
    assert tail.ends_seconds.tolist() == [120.0, 180.0]
    assert series(1, 2).tail(5).values.tolist() == [1, 2]


def test_four_grid_ticks_are_one_step_and_the_tick_at_its_end_closes_it() -> None:
    history = History(60.0, 100)
    for at, value in [(615.0, 1.0), (630.0, 2.0), (645.0, 3.0)]:
        history.add(at, value)
    assert known(history) == (600.0, [])
    history.add(660.0, 6.0)
    assert known(history) == (600.0, [3.0])
    assert history.closed_seconds == 660.0


@pytest.mark.parametrize("missing", [None, NAN, math.inf, -1.0])
def test_an_impossible_reading_leaves_a_gap(missing: float | None) -> None:
    history = History(60.0, 100)
    for at, value in [(60.0, 1.0), (120.0, missing), (180.0, 2.0), (240.0, missing)]:
        history.add(at, value)
    assert known(history) == (0.0, [1.0, None, 2.0])
    assert history.closed_seconds == 240.0


def test_ticks_that_never_came_are_gaps_and_late_ones_are_ignored() -> None:
    history = History(60.0, 100)
    history.add(60.0, 1.0)
    history.add(300.0, 5.0)
    history.add(120.0, 99.0)
    assert known(history) == (0.0, [1.0, None, None, None, 5.0])


def test_only_the_newest_steps_are_kept() -> None:
    history = History(60.0, 3)
    for minute in range(1, 8):
        history.add(60.0 * minute, float(minute))
    assert known(history) == (240.0, [5.0, 6.0, 7.0])
    history.add(60.0 * 1_000_000, 1.0)
    assert len(history.series()) == 3


def test_backfill_goes_only_where_nothing_is_known() -> None:
    history = History(60.0, 100)
    history.add(300.0, 5.0)
    history.add(420.0, 7.0)
    history.backfill([(180.0, 3.0), (300.0, 99.0), (360.0, 6.0), (120.0, NAN), (480.0, 99.0), (165.0, 1.0)])
    assert known(history) == (120.0, [2.0, None, 5.0, 6.0, 7.0])


def test_backfill_before_anything_else_leaves_its_last_step_closed() -> None:
    history = History(60.0, 2)
    history.backfill([(60.0, 1.0), (180.0, 3.0), (120.0, 2.0)])
    assert known(history) == (60.0, [2.0, 3.0])


def test_a_step_of_no_length_is_refused() -> None:
    with pytest.raises(ValueError, match="positive number of seconds"):
        History(0.0, 10)


@given(st.lists(st.tuples(st.integers(0, 40), st.floats(0, 100)), min_size=1, max_size=60, unique_by=lambda p: p[0]))
def test_backfill_and_live_ticks_give_the_same_history(points: list[tuple[int, float]]) -> None:
    live, filled = History(60.0, 1_000), History(60.0, 1_000)
    for minute, value in sorted(points):
        live.add(60.0 * minute, value)
    filled.backfill((60.0 * minute, value) for minute, value in points)
    assert known(live) == known(filled)
