"""Quantiles of the maximum over a horizon, and their scores."""

import math

import numpy as np
import pytest

from forecasting.fit import UNFITTED, fit_family
from forecasting.log_demand import MINUTE_VARIANCE, from_log, smooth, spread, to_log
from forecasting.models.naive import NAIVE, Naive
from forecasting.quantiles import (
    HORIZONS_SECONDS,
    PROBABILITIES,
    Recent,
    expected_maxima,
    horizon_steps,
    learn_table,
    prior,
    realised_maxima,
)
from forecasting.scores import losses, pinball, scored, scored_maxima, skill_error
from policies.level import LEVEL_OFFSET
from policies.model import Filters
from policies.recommend.predictive import SAMPLING_VARIANCE, volatility_floor
from tests.forecasting.traffic import minutes, wave
from tests.support.worlds import a_policy


def test_the_logarithm_is_inverted_and_never_below_zero() -> None:
    demand = np.array([0.0, 0.3, 50.0])
    assert from_log(to_log(demand)) == pytest.approx(demand)
    assert from_log(np.array([-9.0]))[0] == 0.0


def test_smoothing_begins_at_its_start() -> None:
    assert smooth(np.array([1.0, 1.0]), 2.0, 0.0).tolist() == [0.5, 0.75]


@pytest.mark.parametrize("mean_age_steps", [1.0, 2.5, 30.0])
def test_smoothing_is_the_recursion(mean_age_steps: float) -> None:
    values = wave(2)
    expected, weight = [7.0], 1.0 / mean_age_steps
    for value in values.tolist():
        expected.append(weight * value + (1.0 - weight) * expected[-1])
    assert smooth(values, mean_age_steps, 7.0) == pytest.approx(expected[1:], rel=1e-14)


def test_spread_is_wider_where_demand_is_small_or_changes() -> None:
    calm, small = spread(to_log(np.full(60, 50.0)))[-1], spread(to_log(np.full(60, 0.2)))[-1]
    busy = spread(to_log(50.0 + 20.0 * (np.arange(60, dtype=np.float64) % 2)))[-1]
    assert calm < small
    assert calm < busy


def test_realised_maxima_begin_after_the_step_and_end_with_the_horizon() -> None:
    maxima = realised_maxima(minutes([9.0, 1.0, 3.0, 2.0, *[0.0] * 40]))
    assert maxima[0, :3].tolist() == [1.0, 3.0, 3.0]
    assert np.isnan(maxima[-1]).all()
    assert maxima[-2, 0] == 0.0


def test_a_gap_inside_the_horizon_makes_the_maximum_unknown() -> None:
    maxima = realised_maxima(minutes([1.0, 2.0, np.nan, 3.0, *[0.0] * 40]))
    assert maxima[0, 0] == 2.0
    assert np.isnan(maxima[0, 1:]).all()


def test_expected_maxima_follow_the_path() -> None:
    assert expected_maxima(Naive(), minutes([4.0])).tolist() == [[4.0] * 7]


def test_the_prior_widens_with_lead_and_probability() -> None:
    table = prior()
    assert (np.diff(table[:, 1:], axis=0) >= 0).all()
    assert (np.diff(table, axis=1) > 0).all()
    assert table[0, -1] < table[1, -1] < table[2, -1]


@pytest.mark.parametrize("level", [0.0, 9.0, 500.0])
def test_before_anything_is_learned_the_forecast_of_a_level_is_the_volatility_floor(level: float) -> None:
    values = UNFITTED.quantiles(Recent.of(minutes(np.full(60, level))))[0]
    sampling = math.sqrt((MINUTE_VARIANCE - SAMPLING_VARIANCE) / (level + LEVEL_OFFSET))
    for horizon_seconds, row in zip(HORIZONS_SECONDS, values, strict=True):
        for probability, replicas in zip(PROBABILITIES, row, strict=True):
            policy = a_policy(attainment=probability)
            floor = volatility_floor(policy, Filters(level=level, volatility=sampling), horizon_seconds)
            assert floor is not None
            assert replicas == pytest.approx(floor.replicas, rel=1e-6, abs=1e-6)


def test_learned_quantiles_have_their_nominal_coverage() -> None:
    demand = minutes(wave(4, noise=0.2))
    fitted = fit_family(NAIVE, demand.cut(0, 4000))
    values = fitted.quantiles(Recent.of(demand, len(demand) - 4000))
    maxima = realised_maxima(demand)[4000:]
    seen = np.isfinite(maxima).all(axis=1)
    coverage = (maxima[seen][:, :, None] <= values[seen]).mean(axis=(0, 1))
    assert coverage == pytest.approx(PROBABILITIES, abs=0.03)


def test_a_horizon_with_few_errors_keeps_the_prior() -> None:
    table = learn_table(Naive(), minutes(wave(1).tolist()[:90]))
    assert (table[0] != prior()[0]).any()
    assert (table[-1] == prior()[-1]).all()


def test_gaps_are_not_counted_as_errors() -> None:
    values = wave(1)
    with_gaps = values.copy()
    with_gaps[::7] = np.nan
    table, whole = learn_table(Naive(), minutes(with_gaps)), learn_table(Naive(), minutes(values))
    assert np.isfinite(table).all()
    assert table[0, :4] == pytest.approx(whole[0, :4], abs=0.3)


def test_a_horizon_is_one_step_at_least() -> None:
    assert horizon_steps(60.0) == (1, 2, 5, 10, 15, 20, 30)
    assert horizon_steps(300.0)[:3] == (1, 1, 1)


def test_the_pinball_loss_of_an_error_is_p_below_and_the_rest_above() -> None:
    loss = pinball(np.array([[8.0], [12.0]]), np.array([10.0, 10.0]), np.array([0.9]))
    assert loss.ravel() == pytest.approx([1.8, 0.2])


def test_the_true_quantile_loses_least() -> None:
    draws = np.random.default_rng(5).normal(size=20_000)
    tried = np.linspace(0.5, 2.5, 41)
    loss = [pinball(np.full((len(draws), 1), q), draws, np.array([0.9])).mean() for q in tried]
    assert tried[int(np.argmin(loss))] == pytest.approx(1.2816, abs=0.06)


def test_the_leads_at_which_replicas_are_added_are_scored() -> None:
    fan = np.arange(35.0).reshape(7, 5)
    assert scored(fan).tolist() == [[7, 8, 9], [12, 13, 14], [17, 18, 19]]
    assert scored_maxima(np.arange(7.0)).tolist() == [1, 2, 3]
    assert losses(scored(fan), scored_maxima(np.arange(7.0))).shape == (3, 3)
    assert losses(scored(fan)[None], np.array([[8.0, 13.0, 18.0]])).mean(axis=(-2, -1)).shape == (1,)


@pytest.mark.slow  # importing statsmodels takes 2 s
def test_the_error_of_a_skill_counts_losses_that_come_together_once() -> None:
    noise = np.random.default_rng(0).normal(size=4000)
    naive = np.full(4000, 2.0)
    alone = skill_error(1.5 + 0.1 * noise, naive, 0)
    assert alone == pytest.approx(0.1 / np.sqrt(4000) / 2.0, rel=0.05)
    together = skill_error(1.5 + 0.1 * np.repeat(noise[:400], 10), naive, 60)
    assert together == pytest.approx(np.sqrt(10) * alone, rel=0.2)


def test_without_losses_of_naive_a_skill_has_no_error() -> None:
    assert np.isnan(skill_error(np.zeros(9), np.zeros(9), 2))
