"""What each family forecasts, and when it refuses a fit."""

import pickle

import numpy as np
import pytest

from forecasting.fit import fit_family
from forecasting.log_demand import to_log
from forecasting.models import FAMILIES
from forecasting.models.autoreg import LAGS, AutoReg, fit_autoreg
from forecasting.models.base import Family, Unfit
from forecasting.models.naive import NAIVE, Naive
from forecasting.models.seasonal import SEASONAL, fit_seasonal
from forecasting.profile import DAY_SECONDS, learn
from forecasting.quantiles import Recent
from forecasting.series import Floats, Series
from tests.forecasting.traffic import DAY_STEPS, MONDAY_SECONDS, growing, minutes, wave, with_gaps

families = pytest.mark.parametrize("family", [NAIVE, *FAMILIES], ids=lambda family: family.name)


def test_naive_carries_the_last_value_on() -> None:
    assert Naive().paths(minutes([1.0, 2.0]), 3).tolist() == [[1, 1, 1], [2, 2, 2]]


def test_an_autoregression_is_the_iterated_expectation() -> None:
    weights = np.zeros(LAGS)
    weights[:2] = [0.5, 0.3]
    path = AutoReg(1.0, weights).paths(minutes([2.0, 4.0]), 3)[-1]
    first = 1 + 0.5 * 4 + 0.3 * 2
    second = 1 + 0.5 * first + 0.3 * 4
    assert path == pytest.approx([first, second, 1 + 0.5 * second + 0.3 * first])


def test_a_fit_finds_the_process_that_made_the_series() -> None:
    noise = np.random.default_rng(3).normal(size=20_000)
    values = np.zeros(len(noise))
    for at in range(2, len(values)):
        values[at] = 0.2 + 0.6 * values[at - 1] + 0.3 * values[at - 2] + noise[at]
    model = fit_autoreg(minutes(values))
    assert model.weights[:2] == pytest.approx([0.6, 0.3], abs=0.03)
    assert np.abs(model.weights[2:]).max() < 0.05


@pytest.mark.slow  # importing statsmodels takes 2 s
@pytest.mark.parametrize("values", [wave(0.05), wave(3), wave(7, noise=0.01), with_gaps(0.2)])
def test_an_autoregression_is_that_of_statsmodels(values: Floats) -> None:
    from statsmodels.tsa.ar_model import AutoReg as Reference

    log_demand = minutes(to_log(values))
    model = fit_autoreg(log_demand)
    expected = Reference(log_demand.filled().values, LAGS, trend="c").fit().params
    assert [model.constant, *model.weights] == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_the_paths_of_an_autoregression_do_not_depend_on_later_values() -> None:
    log_demand = minutes(to_log(wave(0.2)))
    model = fit_autoreg(log_demand)
    whole = model.paths(log_demand, 10)
    assert model.paths(log_demand.cut(0, 200), 10)[-1] == pytest.approx(whole[199])


def test_a_series_that_grows_without_bound_is_refused() -> None:
    with pytest.raises(Unfit, match="explosive"):
        fit_autoreg(minutes(growing()))


def test_a_series_shorter_than_its_lags_is_refused() -> None:
    with pytest.raises(Unfit, match="needs 41 steps, has 5"):
        fit_autoreg(minutes(np.arange(5.0)))


def test_values_whose_squares_overflow_are_no_fault() -> None:
    values = np.full(300, 1e200)
    values[::2] = -1e200
    with pytest.raises(Unfit, match="rank-deficient"):
        fit_autoreg(minutes(values))


def test_a_fit_that_is_not_unique_is_refused() -> None:
    with pytest.raises(Unfit, match="rank-deficient"):
        fit_autoreg(minutes(np.arange(300) % 2))


def test_a_profile_needs_two_days() -> None:
    with pytest.raises(Unfit, match=r"needs 48 h of known demand, has 36\.00 h"):
        fit_family(SEASONAL, minutes(wave(1.5)))


def test_a_profile_forecasts_the_daily_wave() -> None:
    demand = minutes(to_log(wave(4, noise=0.01)))
    model = fit_seasonal(demand.cut(0, 3 * DAY_STEPS)).without_past()
    at = 3 * DAY_STEPS + 400
    ahead = model.paths(demand.tail(DAY_STEPS).cut(0, 401), 30)[-1]
    assert ahead == pytest.approx(demand.values[at + 1 : at + 31], abs=0.05)


def test_a_day_is_not_forecast_by_itself() -> None:
    """A day counts in the profile of later days, not in the one that its own forecasts are scored with."""
    values = np.zeros(3 * DAY_STEPS)
    values[DAY_STEPS : 2 * DAY_STEPS] = 9.0
    profile = learn(minutes(values))
    noon = MONDAY_SECONDS + np.array([0.5, 1.5, 2.5, 8.5]) * DAY_SECONDS
    past = profile.at(noon)
    assert past[1] == pytest.approx(0.0)
    assert past[0] == pytest.approx(4.5)
    assert past[3] == pytest.approx(3.0 + 6.0 / 3.0)  # a later Tuesday: a third of the way to its own shape
    assert profile.without_past().at(noon)[1] == pytest.approx(past[3])


def test_parts_of_the_day_that_were_never_seen_are_interpolated() -> None:
    values = np.ones(2 * DAY_STEPS)
    values[600:700] = values[DAY_STEPS + 600 : DAY_STEPS + 700] = np.nan
    profile = learn(minutes(values))
    assert profile.curves == pytest.approx(1.0)


def test_one_day_makes_no_profile() -> None:
    with pytest.raises(ValueError, match="two days"):
        learn(minutes(np.ones(100)))


@pytest.fixture(scope="module")
def three_days() -> Series:
    return minutes(with_gaps(0.2, days=3))


@families
def test_every_family_forecasts_each_step_ahead_from_the_past_alone(family: Family, three_days: Series) -> None:
    """Takes half a second a family, since every step of three days is forecast twice: this is what forbids a look ahead."""
    fitted = fit_family(family, three_days)
    log_demand = three_days.mapped(to_log).filled()
    paths = fitted.model.paths(log_demand, 30)
    assert paths.shape == (len(log_demand), 30)
    assert np.isfinite(paths).all()
    earlier = fitted.model.paths(log_demand.cut(0, 3_000), 30)
    assert paths[:3_000] == pytest.approx(earlier)


@families
def test_every_fitted_model_can_be_pickled(family: Family, three_days: Series) -> None:
    fitted = fit_family(family, three_days)
    again = pickle.loads(pickle.dumps(fitted))
    assert again.family == family.name
    recent = Recent.of(three_days, 9)
    assert (again.quantiles(recent) == fitted.quantiles(recent)).all()


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_no_family_is_fitted_to_less_than_it_needs(family: Family, three_days: Series) -> None:
    steps = round(family.least_seconds / three_days.step_seconds)
    enough = int(np.flatnonzero(np.cumsum(three_days.known) == steps)[0])
    fit_family(family, three_days.cut(0, enough + 1))
    with pytest.raises(Unfit, match="needs"):
        fit_family(family, three_days.cut(0, enough))


def test_no_two_families_share_a_name() -> None:
    names = [family.name for family in (NAIVE, *FAMILIES)]
    assert len(set(names)) == len(names)
