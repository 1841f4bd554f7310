"""Which family is chosen, and the note where none is."""

import pickle

import numpy as np
import pytest

from forecasting.fit import fit
from forecasting.guard import objection, sound
from forecasting.models.naive import Naive
from forecasting.quantiles import Recent
from forecasting.series import Floats
from forecasting.worth import Worth
from tests.forecasting.traffic import DAY_STEPS, LAW, minutes, wave, with_gaps


@pytest.mark.parametrize(
    ("values", "note"),
    [
        pytest.param(
            wave(0.03),
            "autoreg: needs 2 h of known demand, has 0.48 h; seasonal: needs 48 h of known demand, has 0.48 h; "
            "hourly: needs 24 h of known demand, has 0.48 h",
            id="short",
        ),
        pytest.param(np.full(DAY_STEPS, 3.0), "constant: 3 replicas in each of the 960 known steps", id="constant"),
        pytest.param(with_gaps(0.6), "too many gaps: ", id="gaps"),
        pytest.param(np.arange(600) % 2 + 1.0, "autoreg: rank-deficient: ", id="no fit"),
    ],
)
def test_where_no_family_can_be_fitted_naive_is_chosen_and_the_note_says_why(values: Floats, note: str) -> None:
    fitted = fit(minutes(values), LAW)
    assert fitted.chosen.model == Naive()
    assert fitted.note.startswith(note)
    assert fitted.worth == Worth()


def test_the_profile_of_the_day_is_chosen_for_a_jump_at_some_hours_of_every_day() -> None:
    values = wave(5, swing=0.0, noise=0.03)
    for hour in (7, 9, 15, 22):
        for day in range(5):
            start = day * DAY_STEPS + hour * 60
            values[start : start + 60] *= 3.0
    fitted = fit(minutes(values), LAW)
    assert fitted.chosen.family == "seasonal"
    assert fitted.worth.proven(used=False)


def test_the_profile_of_the_hour_is_chosen_for_jobs_at_each_full_hour() -> None:
    values = wave(2, swing=0.0, noise=0.03)
    values[np.arange(len(values)) % 60 < 8] *= 2.5
    fitted = fit(minutes(values), LAW)
    assert fitted.chosen.family == "hourly"
    assert fitted.worth.proven(used=False)


def test_a_forecast_of_a_random_walk_is_not_proven() -> None:
    steps = np.random.default_rng(4).normal(scale=0.02, size=2 * DAY_STEPS)
    assert not fit(minutes(np.exp(3 + np.cumsum(steps))), LAW).worth.proven(used=False)


def test_gaps_do_not_stop_a_fit() -> None:
    fitted = fit(minutes(with_gaps(0.2)), LAW)
    assert fitted.chosen.family != "naive"
    assert sound(fitted.chosen.quantiles(Recent.of(minutes(with_gaps(0.2)), 100)))


def test_a_fit_can_be_pickled() -> None:
    series = minutes(wave(3))
    fitted = fit(pickle.loads(pickle.dumps(series)), LAW)
    again = pickle.loads(pickle.dumps(fitted))
    assert again.worth == fitted.worth
    recent = Recent.of(series)
    assert (again.chosen.quantiles(recent) == fitted.chosen.quantiles(recent)).all()


def test_there_is_no_objection_to_a_good_series() -> None:
    assert objection(minutes(wave(1))) == ""


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1])
def test_quantiles_that_are_not_finite_or_negative_are_not_sound(value: float) -> None:
    assert not sound(np.array([[1.0, value]]))
