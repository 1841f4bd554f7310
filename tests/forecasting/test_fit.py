"""Which family is chosen, and the note where none is."""

import pickle

import numpy as np
import pytest

from forecasting.fit import fit
from forecasting.guard import objection, sound
from forecasting.models.naive import Naive
from forecasting.quantiles import Recent
from forecasting.series import Floats
from forecasting.skill import LEAST_MATURED, WINDOW_SECONDS, Matured, Skill
from tests.forecasting.traffic import DAY_STEPS, minutes, wave, with_gaps


@pytest.mark.parametrize(
    ("values", "note"),
    [
        pytest.param(
            wave(0.03),
            "autoreg: needs 2 h of known demand, has 0.48 h; seasonal: needs 48 h of known demand, has 0.48 h",
            id="short",
        ),
        pytest.param(np.full(DAY_STEPS, 3.0), "constant: 3 replicas in each of the 960 known steps", id="constant"),
        pytest.param(with_gaps(0.6), "too many gaps: ", id="gaps"),
        pytest.param(np.arange(600) % 2 + 1.0, "autoreg: rank-deficient: ", id="no fit"),
    ],
)
def test_where_no_family_can_be_fitted_naive_is_chosen_and_the_note_says_why(values: Floats, note: str) -> None:
    fitted = fit(minutes(values))
    assert fitted.chosen.model == Naive()
    assert fitted.note.startswith(note)
    assert fitted.holdout == ()


def test_the_autoregression_is_chosen_for_noise_around_a_level() -> None:
    fitted = fit(minutes(wave(1)))
    assert fitted.chosen.family == "autoreg"
    assert fitted.note == ""
    assert sum(each.loss for each in fitted.holdout) < 0.9 * sum(each.naive_loss for each in fitted.holdout)


def test_the_profile_is_chosen_for_a_jump_at_the_same_hour_of_every_day() -> None:
    values = wave(5, swing=0.0, noise=0.03)
    for hour in range(1, 24, 2):
        for day in range(5):
            start = day * DAY_STEPS + hour * 60
            values[start : start + 60] *= 3.0
    assert fit(minutes(values)).chosen.family == "seasonal"


def test_a_forecast_of_a_random_walk_is_not_proven() -> None:
    steps = np.random.default_rng(4).normal(scale=0.05, size=2 * DAY_STEPS)
    fitted = fit(minutes(np.exp(3 + np.cumsum(steps))))
    skill = Skill()
    skill.add(fitted.holdout)
    assert not skill.proven


def test_gaps_do_not_stop_a_fit() -> None:
    fitted = fit(minutes(with_gaps(0.2)))
    assert fitted.chosen.family == "autoreg"
    assert sound(fitted.chosen.quantiles(Recent.of(minutes(with_gaps(0.2)), 100)))


def test_a_fit_can_be_pickled() -> None:
    series = minutes(wave(3))
    fitted = fit(pickle.loads(pickle.dumps(series)))
    again = pickle.loads(pickle.dumps(fitted))
    assert again.holdout == fitted.holdout
    recent = Recent.of(series)
    assert (again.chosen.quantiles(recent) == fitted.chosen.quantiles(recent)).all()


def test_there_is_no_objection_to_a_good_series() -> None:
    assert objection(minutes(wave(1))) == ""


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1])
def test_quantiles_that_are_not_finite_or_negative_are_not_sound(value: float) -> None:
    assert not sound(np.array([[1.0, value]]))


def matured(count: int, loss: float, naive_loss: float = 1.0, start: float = 0.0) -> list[Matured]:
    return [Matured(start + 60.0 * at, loss, naive_loss) for at in range(count)]


def test_skill_needs_enough_matured_forecasts() -> None:
    skill = Skill()
    skill.add(matured(LEAST_MATURED - 1, 0.5))
    assert (skill.value, skill.proven) == (None, False)
    skill.add(matured(LEAST_MATURED, 0.5))
    assert skill.value == pytest.approx(0.5)
    assert skill.proven


@pytest.mark.parametrize(("loss", "proven"), [(0.97, True), (0.99, False), (1.5, False)])
def test_without_skill_a_forecast_is_not_proven(loss: float, proven: bool) -> None:
    skill = Skill()
    skill.add(matured(500, loss))
    assert skill.proven is proven


def test_a_forecast_that_goes_wrong_is_no_longer_proven_within_the_hour() -> None:
    skill = Skill()
    skill.add(matured(1440, 0.5))
    skill.add(matured(30, 1.5, start=1440 * 60.0))
    assert skill.value is not None
    assert skill.value > 0.4
    assert not skill.proven


def test_the_first_score_of_a_moment_stays_and_old_scores_are_dropped() -> None:
    skill = Skill()
    skill.add(matured(200, 0.5))
    skill.add(matured(200, 2.0))
    assert skill.value == pytest.approx(0.5)
    skill.add([Matured(WINDOW_SECONDS + 100 * 60.0, 1.0, 1.0)])
    assert skill.count == 101


def test_without_any_loss_there_is_no_skill() -> None:
    skill = Skill()
    skill.add(matured(200, 0.0, 0.0))
    assert (skill.value, skill.proven) == (0.0, False)
