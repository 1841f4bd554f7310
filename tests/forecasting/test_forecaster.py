"""The forecaster as live and replay use it: history in, fans out."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.fit import UNFITTED, Fit, FittedModel, fit
from forecasting.forecaster import Forecaster
from forecasting.models.autoreg import AutoReg
from forecasting.quantiles import prior
from forecasting.worth import KEPT_SHARE, LEAST_SHARE, Worth
from policies.explain import forecast
from policies.model import Fan
from tests.forecasting.traffic import LAW, MONDAY_SECONDS, minutes, points, wave

NOW = MONDAY_SECONDS + 3 * 86_400


@pytest.fixture(scope="module")
def three_days() -> Fit:
    return fit(minutes(wave(3)), LAW)


def with_history(days: float = 3) -> Forecaster:
    forecaster = Forecaster()
    forecaster.backfill(points(minutes(wave(days))))
    return forecaster


def assert_sound(fan: Fan) -> None:
    values = np.array(fan.values)
    assert values.shape == (len(fan.horizons_seconds), len(fan.probabilities))
    assert np.isfinite(values).all()
    assert (values >= 0).all()
    assert (np.diff(values, axis=0) >= 0).all()
    assert (np.diff(values, axis=1) >= 0).all()


def test_without_data_there_is_no_fan() -> None:
    assert Forecaster().fan(NOW) is None
    assert Forecaster().fit_due(NOW) is None


def test_naive_forecasts_from_the_first_closed_step_on_and_is_not_proven() -> None:
    forecaster = Forecaster()
    for tick in range(1, 5):
        forecaster.observe(NOW + 15 * tick, 4.0)
    fan = forecaster.fan(NOW + 60)
    assert fan is not None
    assert (fan.model, fan.proven, fan.note, fan.as_of_seconds) == ("naive", False, "no fit yet", NOW + 60)
    assert fan.values[0][0] == pytest.approx(4.0)
    assert_sound(fan)


def test_after_a_restart_with_history_a_family_forecasts_at_once(three_days: Fit) -> None:
    forecaster = with_history()
    assert forecaster.fit_due(NOW) is not None
    forecaster.adopt(three_days, NOW)
    fan = forecaster.fan(NOW + 15)
    assert fan is not None
    assert fan.model in {"autoreg", "seasonal", "hourly"}
    assert_sound(fan)


def test_a_fit_is_due_once_an_hour() -> None:
    forecaster = with_history()
    assert forecaster.fit_due(NOW) is not None
    assert forecaster.fit_due(NOW + 3_599) is None
    assert forecaster.fit_due(NOW + 3_600) is not None


def test_a_fit_is_used_after_the_tick_that_adopted_it(three_days: Fit) -> None:
    forecaster = with_history()
    forecaster.adopt(three_days, NOW)
    assert (before := forecaster.fan(NOW)) is not None
    assert before.model == "naive"
    assert (after := forecaster.fan(NOW + 15)) is not None
    assert after.model != "naive"


def test_a_failed_fit_leaves_the_old_one_in_use_and_the_note_says_so(three_days: Fit) -> None:
    forecaster = with_history()
    forecaster.adopt(three_days, NOW)
    first = forecaster.fan(NOW + 15)
    forecaster.adopt(None, NOW + 15)
    second = forecaster.fan(NOW + 30)
    assert first is not None
    assert second is not None
    assert second.model == first.model
    assert second.note == "the last fit failed"


def test_the_fan_is_made_once_a_step() -> None:
    forecaster = with_history()
    first = forecaster.fan(NOW)
    forecaster.observe(NOW + 15, 50.0)
    assert forecaster.fan(NOW + 15) is first
    for tick in range(2, 5):
        forecaster.observe(NOW + 15 * tick, 50.0)
    later = forecaster.fan(NOW + 60)
    assert later is not None
    assert later.as_of_seconds == NOW + 60
    assert later.values[0][-1] > 50


def test_when_demand_becomes_unknown_the_last_fan_ages() -> None:
    forecaster = with_history()
    for tick in range(1, 41):
        forecaster.observe(NOW + 15 * tick, None if tick % 2 else math.nan)
    fan = forecaster.fan(NOW + 600)
    assert fan is not None
    assert fan.as_of_seconds == NOW


def test_the_forecaster_survives_an_outage_longer_than_its_history(three_days: Fit) -> None:
    forecaster = with_history()
    forecaster.adopt(three_days, NOW)
    assert forecaster.fan(NOW + 1) is not None
    later = NOW + 60 * 86_400
    for tick in range(1, 20):
        forecaster.observe(later + 60 * tick, 5.0)
    fan = forecaster.fan(later + 1200)
    assert fan is not None
    assert fan.as_of_seconds == later + 1140
    assert_sound(fan)


def fan_of(forecaster: Forecaster, fitted: Fit, share: float, at_seconds: float) -> Fan:
    """The fan after a fit that saved this share of the GPU-hours."""
    forecaster.adopt(replace(fitted, worth=Worth(100.0 * share, share, 3.0)), at_seconds)
    fan = forecaster.fan(at_seconds + 1)
    assert fan is not None
    return fan


def test_a_forecast_is_used_once_it_has_saved_enough_and_until_it_costs(three_days: Fit) -> None:
    forecaster = with_history()
    shares = (LEAST_SHARE - 0.001, LEAST_SHARE, KEPT_SHARE, KEPT_SHARE - 0.001, KEPT_SHARE)
    used = [fan_of(forecaster, three_days, share, NOW + 10 * n).proven for n, share in enumerate(shares)]
    assert used == [False, True, True, False, False]


def test_a_forecast_that_is_used_has_the_headroom_that_its_trial_needed(three_days: Fit) -> None:
    forecaster = with_history()
    for share, headroom in ((LEAST_SHARE, 0.6), (0.0, 1.0)):
        forecaster.adopt(replace(three_days, worth=Worth(100.0, share, 3.0, 0.6)), NOW)
        fan = forecaster.fan(NOW + 1)
        assert fan is not None
        assert (fan.proven, fan.headroom) == (share > 0.0, headroom)


def test_a_fan_has_the_headroom_that_the_recorded_days_needed_whether_it_is_used_or_not(three_days: Fit) -> None:
    forecaster = with_history()
    for share in (LEAST_SHARE, 0.0):
        forecaster.adopt(replace(three_days, worth=Worth(100.0, share, 3.0), level_headroom=0.7), NOW)
        fan = forecaster.fan(NOW + 1)
        assert fan is not None
        assert (fan.proven, fan.level_headroom) == (share > 0.0, 0.7)


def test_a_silent_forecast_says_what_it_would_have_cost(three_days: Fit) -> None:
    fan = fan_of(with_history(), three_days, -0.041, NOW)
    assert fan.note == "over the last 3 days it would have cost 4.1 GPU-hours (4.1%) more at equal attainment"
    assert forecast(fan).startswith(f"The {fan.model} forecast is not used: over the last 3 days it would have cost ")


def test_a_forecast_in_use_says_what_it_would_have_saved(three_days: Fit) -> None:
    fan = fan_of(with_history(), three_days, 0.061, NOW)
    assert forecast(fan).endswith(
        " is used: over the last 3 days it would have saved 6.1 GPU-hours (6.1%) at equal attainment."
    )


def test_the_same_history_gives_the_same_fans() -> None:
    fans = []
    for _ in range(2):
        forecaster = with_history()
        series = forecaster.fit_due(NOW)
        assert series is not None
        forecaster.adopt(fit(series, LAW), NOW)
        fans.append(forecaster.fan(NOW + 1))
    assert fans[0] == fans[1]


def test_a_model_with_absurd_quantiles_is_replaced_by_naive() -> None:
    forecaster = with_history()
    wild = AutoReg(0.0, np.array([1e9] + [0.0] * 19))
    forecaster.adopt(Fit(FittedModel("autoreg", wild, prior()), UNFITTED), NOW)
    fan = forecaster.fan(NOW + 1)
    assert fan is not None
    assert (fan.model, fan.proven) == ("naive", False)
    assert fan.note == "autoreg: a quantile is not a number from 0 to 1e+06 replicas"
    assert_sound(fan)


def test_demand_that_jumps_without_bound_gives_a_sound_fan() -> None:
    forecaster = Forecaster()
    for tick in range(1, 50):
        forecaster.observe(NOW + 60 * tick, 1e300 if tick % 2 else 0.0)
    fan = forecaster.fan(NOW + 3000)
    assert fan is not None
    assert_sound(fan)


readings = st.one_of(
    st.none(), st.just(math.nan), st.just(0.0), st.floats(0, 1e4), st.just(math.inf), st.floats(-5, -1)
)


@given(st.lists(readings, max_size=300), st.booleans())
def test_a_fan_is_monotone_finite_and_never_negative(values: list[float | None], fitted: bool) -> None:
    forecaster = Forecaster()
    for tick, value in enumerate(values, 1):
        forecaster.observe(NOW + 60 * tick, value)
    now = NOW + 60 * len(values)
    series = forecaster.fit_due(now) if fitted else None
    if series is not None:
        forecaster.adopt(fit(series, LAW), now)
    fan = forecaster.fan(now + 1)
    usable = [value for value in values if value is not None and math.isfinite(value) and value >= 0]
    assert (fan is None) == (not usable)
    if fan is not None:
        assert_sound(fan)
