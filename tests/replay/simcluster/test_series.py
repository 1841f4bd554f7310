import numpy as np
import pytest

from replay.simcluster.series import Series, total


def _series(times: list[float], values: list[float], stale: float = float("inf")) -> Series:
    return Series({"__name__": "x"}, times, values, stale)


def _at(series: Series, moment: float, lookback: float = 300.0) -> float:
    return float(series.at(np.array([moment]), lookback)[0])


def _rate(series: Series, moment: float, window: float = 300.0) -> float:
    return float(series.rate(np.array([moment]), window)[0])


def test_the_newest_value_within_the_lookback() -> None:
    series = _series([0.0, 15.0], [1.0, 2.0])
    assert [_at(series, moment) for moment in (0.0, 14.9, 15.0, 314.9)] == [1.0, 1.0, 2.0, 2.0]
    assert np.isnan(_at(series, -1.0))
    assert np.isnan(_at(series, 315.0))
    assert np.isnan(_at(series, 20.0, lookback=5.0))


def test_no_value_once_stale() -> None:
    series = _series([0.0, 15.0], [1.0, 2.0], stale=30.0)
    assert _at(series, 29.9) == 2.0
    assert np.isnan(_at(series, 30.0))


def test_a_steady_counter_has_its_rate() -> None:
    times = [15.0 * i for i in range(100)]
    series = _series(times, [100.0 + 2.0 * at for at in times])
    assert _rate(series, 1000.0) == pytest.approx(2.0)
    assert _rate(series, 1485.0) == pytest.approx(2.0)


def test_a_reset_is_no_fall() -> None:
    series = _series([0.0, 60.0, 120.0, 180.0, 240.0, 300.0], [600.0, 660.0, 720.0, 0.0, 60.0, 120.0])
    # (0, 300]: 660 -> 720 -> reset -> 120 is an increase of 180 over 240 s; both ends are whole to the border.
    assert _rate(series, 300.0) == pytest.approx(180.0 * 300.0 / 240.0 / 300.0)


def test_extrapolation_never_goes_below_zero() -> None:
    # 0 s .. 60 s of a counter that starts at 0: its increase cannot have begun before.
    series = _series([100.0, 160.0], [0.0, 60.0])
    assert _rate(series, 160.0, window=100.0) == pytest.approx(60.0 / 100.0)


def test_far_ends_are_extrapolated_by_half_an_interval() -> None:
    series = _series([1000.0, 1060.0], [1000.0, 1060.0])
    # Window (860, 1160]: both borders are further than 1.1 * 60 s away, so 30 s are added on each side.
    assert _rate(series, 1160.0) == pytest.approx((60.0 * 120.0 / 60.0) / 300.0)


def test_one_sample_has_no_rate() -> None:
    assert np.isnan(_rate(_series([0.0], [1.0]), 10.0))


def test_a_sum_of_nothing_is_nothing() -> None:
    moments = np.array([0.0, 1.0])
    known, unknown = np.array([1.0, np.nan]), np.array([2.0, np.nan])
    assert np.array_equal(total([known, unknown], moments), [3.0, np.nan], equal_nan=True)
    assert np.isnan(total([], moments)).all()
