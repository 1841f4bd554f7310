"""Which family speaks, and what is said where none can."""

import pickle

import numpy as np
import pytest

from forecasting.fit import fit
from forecasting.guard import objection, sound
from forecasting.models.naive import Naive
from forecasting.series import Floats
from forecasting.skill import LEAST_MATURED, WINDOW_SECONDS, Matured, Skill
from tests.forecasting.traffic import DAY_STEPS, minutes, wave


def with_gaps(share: float) -> Floats:
    values = wave(1)
    values[np.random.default_rng(2).random(len(values)) < share] = np.nan
    return values


@pytest.mark.parametrize(
    ("values", "why"),
    [
        pytest.param(wave(0.1), "too short: 96 known steps to learn from, a fit needs 120", id="short"),
        pytest.param(np.full(DAY_STEPS, 3.0), "constant: 3 replicas on all 960 known steps", id="constant"),
        pytest.param(with_gaps(0.6), "too many gaps: ", id="gaps"),
        pytest.param(np.arange(600) % 2 + 1.0, "autoreg: statsmodels found no fit: ", id="no fit"),
    ],
)
def test_where_no_family_can_be_fitted_naive_speaks_and_says_why(values: Floats, why: str) -> None:
    fitted = fit(minutes(values))
    assert fitted.voice.model == Naive()
    assert fitted.note.startswith(why)
    assert fitted.hindcast == ()


def test_noise_around_a_level_is_left_to_the_autoregression() -> None:
    fitted = fit(minutes(wave(1)))
    assert fitted.voice.model.family == "autoreg"
    assert fitted.note == ""
    assert sum(each.loss for each in fitted.hindcast) < 0.9 * sum(each.naive_loss for each in fitted.hindcast)


def test_a_step_at_the_same_hour_of_every_day_is_left_to_the_profile() -> None:
    values = wave(5, swing=0.0, noise=0.03)
    for hour in range(1, 24, 2):
        for day in range(5):
            start = day * DAY_STEPS + hour * 60
            values[start : start + 60] *= 3.0
    assert fit(minutes(values)).voice.model.family == "seasonal"


def test_a_random_walk_is_left_to_naive_or_gains_nothing_to_speak_of() -> None:
    steps = np.random.default_rng(4).normal(scale=0.05, size=2 * DAY_STEPS)
    fitted = fit(minutes(np.exp(3 + np.cumsum(steps))))
    skill = Skill()
    skill.add(fitted.hindcast)
    assert not skill.proven


def test_gaps_do_not_stop_a_fit() -> None:
    fitted = fit(minutes(with_gaps(0.2)))
    assert fitted.voice.model.family == "autoreg"
    assert sound(fitted.voice.quantiles(minutes(with_gaps(0.2)), 100))


def test_a_fit_travels_between_processes() -> None:
    series = minutes(wave(3))
    fitted = fit(pickle.loads(pickle.dumps(series)))
    again = pickle.loads(pickle.dumps(fitted))
    assert again.hindcast == fitted.hindcast
    assert (again.voice.quantiles(series) == fitted.voice.quantiles(series)).all()


def test_a_good_series_meets_no_objection() -> None:
    assert objection(minutes(wave(1))) == ""


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1])
def test_what_is_not_finite_or_negative_is_not_shown(value: float) -> None:
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
def test_without_skill_there_is_no_voice(loss: float, proven: bool) -> None:
    skill = Skill()
    skill.add(matured(500, loss))
    assert skill.proven is proven


def test_a_voice_is_lost_within_the_hour_when_the_forecasts_go_wrong() -> None:
    skill = Skill()
    skill.add(matured(1440, 0.5))
    skill.add(matured(30, 1.5, start=1440 * 60.0))
    assert skill.value is not None
    assert skill.value > 0.4
    assert not skill.proven


def test_the_first_score_of_a_moment_stays_and_old_ones_go() -> None:
    skill = Skill()
    skill.add(matured(200, 0.5))
    skill.add(matured(200, 2.0))
    assert skill.value == pytest.approx(0.5)
    skill.add([Matured(WINDOW_SECONDS + 100 * 60.0, 1.0, 1.0)])
    assert skill.count == 101


def test_nothing_to_lose_is_no_skill() -> None:
    skill = Skill()
    skill.add(matured(200, 0.0, 0.0))
    assert (skill.value, skill.proven) == (0.0, False)
