"""What a forecast is worth: it earns where demand repeats, and is worth nothing where there is nothing to foresee."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.fit import fit_family
from forecasting.models.naive import NAIVE
from forecasting.quantiles import PROBABILITIES, Recent, realised_maxima
from forecasting.series import Floats
from forecasting.worth import (
    AS_DECIDED,
    ENOUGH,
    KEPT_SHARE,
    LEAST_DAYS,
    LEAST_SHARE,
    Counterfactual,
    Law,
    Worth,
    at_late,
    filters,
    headroom,
    level_headroom,
    newest_max,
)
from policies.ladder import headroom_deviations
from policies.level import LEVEL_OFFSET
from policies.model import Filters
from policies.recommend.predictive import BASE_DEVIATION, LEAST_FACTOR, SAMPLING_VARIANCE, volatility_floor
from tests.forecasting.traffic import DAY_STEPS, LAW, minutes, wave
from tests.support.worlds import COLD_START, a_policy


def foreseen(values: Floats) -> Floats:
    """Forecasts that know the future, [step, horizon, probability]."""
    maxima = np.nan_to_num(realised_maxima(minutes(values)), nan=float(values[-1]))
    return np.repeat(maxima[:, :, None], len(PROBABILITIES), axis=2)


def worth_of(values: Floats, forecast: Floats, law: Law = LAW, used: Floats | None = None) -> Worth:
    """The worth of a forecast of all of these values."""
    demand = minutes(values)
    naive = fit_family(NAIVE, demand).quantiles(Recent.of(demand, len(demand)))
    return Counterfactual(demand, len(demand), law, naive).worth(forecast, used)


def spikes(days: float = 1.0) -> Floats:
    """Demand that triples for ten minutes at each full hour."""
    at = np.arange(round(days * DAY_STEPS))
    return np.where(at % 60 < 10, 18.0, 6.0)


def test_to_know_the_future_of_spikes_saves_gpu_hours() -> None:
    worth = worth_of(spikes(), foreseen(spikes()))
    assert worth.days == 1.0
    assert worth.share > 0.2
    assert worth.gpu_hours > 24.0


def test_a_replica_of_several_gpus_saves_as_many_times_the_gpu_hours() -> None:
    single, eight = (
        worth_of(spikes(0.5), foreseen(spikes(0.5)), replace(LAW, gpus_per_replica=gpus)) for gpus in (1, 8)
    )
    assert eight.gpu_hours == pytest.approx(8 * single.gpu_hours)
    assert eight.share == single.share


def test_the_outcome_of_a_shorter_lead_is_cheaper_and_less_late() -> None:
    """And with forecasts that know the future, nothing of the spikes is late."""
    demand, foresight = minutes(spikes()), foreseen(spikes())
    used, unused = np.ones(len(demand)), np.full(len(demand), np.nan)
    long, short = (
        Counterfactual(demand, len(demand), replace(LAW, lead_seconds=lead)).outcome(foresight, unused)
        for lead in (600.0, 120.0)
    )
    assert short.gpu_hours < long.gpu_hours
    assert short.late_share < long.late_share
    foreseeing = Counterfactual(demand, len(demand), LAW).outcome(foresight, used)
    assert foreseeing.late_share < Counterfactual(demand, len(demand), LAW).outcome(foresight, unused).late_share


def test_a_forecast_that_is_not_used_is_worth_nothing() -> None:
    unused = np.full(len(spikes(0.5)), np.nan)
    assert worth_of(spikes(0.5), foreseen(spikes(0.5)), used=unused).gpu_hours == 0.0


def test_what_naive_saves_as_well_is_no_foresight() -> None:
    values = wave(1, noise=0.3)
    demand = minutes(values)
    naive = fit_family(NAIVE, demand).quantiles(Recent.of(demand, len(demand)))
    assert worth_of(values, naive).gpu_hours <= 0.0


def test_a_forecast_is_used_with_the_headroom_that_it_needed() -> None:
    """Wide quantiles need little of it: the law then costs less, and still no more is late than may be."""
    values = wave(1, noise=0.05)
    demand, wide = minutes(values), foreseen(values) * np.linspace(1.0, 1.5, len(PROBABILITIES))
    worth, played = worth_of(values, wide), Counterfactual(demand, len(demand), LAW)
    assert worth.headroom == LEAST_FACTOR
    full, used = (played.outcome(wide, np.full(len(demand), share)) for share in (1.0, worth.headroom))
    assert used.gpu_hours < 0.9 * full.gpu_hours
    assert used.late_share <= ENOUGH * (1.0 - LAW.attainment)


def test_a_forecast_after_which_too_much_was_late_keeps_all_of_its_headroom() -> None:
    assert worth_of(spikes(), 0.5 * foreseen(spikes())).headroom == 1.0


def test_forecasts_of_too_much_cost_gpu_hours() -> None:
    values = wave(1, noise=0.05)
    worth = worth_of(values, 3.0 * foreseen(values))
    assert worth.gpu_hours < 0.0
    assert not worth.proven(used=True)
    assert "would have cost" in worth.text(used=False)


@pytest.mark.parametrize(
    ("worth", "text"),
    [
        (
            Worth(-4.12, -0.02, 3.0),
            "over the last 3 days it would have cost 4.1 GPU-hours (2.0%) more at equal attainment",
        ),
        (
            Worth(50.0, 0.31, 7 / 3),
            "over the last 2.3 days it would have saved 50.0 GPU-hours (31.0%) at equal attainment",
        ),
        (
            Worth(0.1, 0.004, 0.5),
            (
                "over the last 12 hours it would have saved 0.1 GPU-hours (0.4%) at equal attainment; "
                "it is used once it would have saved 5% over 12 hours or more"
            ),
        ),
    ],
)
def test_a_worth_is_a_clause(worth: Worth, text: str) -> None:
    assert worth.text(used=worth.share > 0.05) == text


@pytest.mark.parametrize(
    ("share", "begins", "stays"),
    [(LEAST_SHARE, True, True), (LEAST_SHARE - 0.001, False, True), (KEPT_SHARE - 0.001, False, False)],
)
def test_more_has_to_be_saved_to_begin_than_to_stay(share: float, begins: bool, stays: bool) -> None:
    worth = Worth(100.0 * share, share, 3.0)
    assert (worth.proven(used=False), worth.proven(used=True)) == (begins, stays)
    assert not replace(worth, days=LEAST_DAYS - 0.01).proven(used=True)


values = st.lists(st.one_of(st.floats(0, 500), st.just(math.nan)), min_size=40, max_size=200)


@given(values, st.floats(0.1, 9.0), st.booleans())
def test_a_worth_is_finite_and_its_share_is_at_most_one(values: list[float], factor: float, bounded: bool) -> None:
    demand = minutes([1.0, *values])
    law = Law(270.0, 120.0, 0.99, 5.0, 1, 3 if bounded else 400, 2)
    naive = fit_family(NAIVE, demand).quantiles(Recent.of(demand, 30))
    worth = Counterfactual(demand, 30, law, naive).worth(factor * naive)
    assert math.isfinite(worth.gpu_hours)
    assert worth.share <= 1.0
    assert abs(worth.gpu_hours) <= law.max_replicas * law.gpus_per_replica * 0.5


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e300, -1.0])
def test_absurd_forecasts_have_a_finite_worth(value: float) -> None:
    values = spikes(0.2)
    assert math.isfinite(worth_of(values, np.full((len(values), 7, 5), value)).gpu_hours)


@given(st.floats(0.0, 100.0))
def test_constant_demand_is_not_worth_a_forecast(level: float) -> None:
    values = np.full(300, level)
    assert not worth_of(values, foreseen(values)).proven(used=False)


def test_the_replayed_floor_is_that_of_the_core() -> None:
    policy = a_policy()
    law = Law.of(policy, COLD_START)
    demand = wave(0.2)
    level, sigma = filters(demand, 60.0)
    floors = headroom(level, headroom_deviations(law.lead_seconds, law.attainment) * sigma)[AS_DECIDED]
    volatility_seen = np.sqrt(sigma[99] ** 2 - SAMPLING_VARIANCE / (level[99] + LEVEL_OFFSET) - BASE_DEVIATION**2)
    reason = volatility_floor(
        policy, Filters(level=float(level[99]), volatility=float(volatility_seen)), law.lead_seconds
    )
    assert reason is not None
    assert floors[99] == pytest.approx(reason.replicas)


def test_calm_days_needed_the_least_headroom_and_bursts_all_of_it() -> None:
    calm = 20.0 + 5.0 * np.sin(np.arange(DAY_STEPS) * 2.0 * np.pi / DAY_STEPS)
    assert level_headroom(minutes(calm), LAW) == LEAST_FACTOR
    assert level_headroom(minutes(spikes()), LAW) == 1.0
    between = level_headroom(minutes(np.where(np.arange(2 * DAY_STEPS) % 200 < 3, 1.1, 1.0) * np.tile(calm, 2)), LAW)
    assert LEAST_FACTOR <= between <= 1.0


def test_less_than_a_day_of_traffic_says_nothing_about_the_headroom() -> None:
    calm = np.full(DAY_STEPS, 20.0)
    assert level_headroom(minutes(calm), LAW) == LEAST_FACTOR
    for missing in (0.0, np.nan):
        short = np.where(np.arange(DAY_STEPS) == 7, missing, calm)
        assert level_headroom(minutes(short), LAW) == 1.0


def test_a_minimum_does_not_hide_what_headroom_was_needed() -> None:
    assert level_headroom(minutes(spikes()), replace(LAW, min_replicas=20)) == 1.0


def test_the_newest_maximum_is_that_of_a_sliding_window() -> None:
    values = np.random.default_rng(1).random((2, 50))
    for steps in (1, 2, 3, 7, 60):
        expected = np.stack([values[:, max(0, at + 1 - steps) : at + 1].max(axis=1) for at in range(50)], axis=1)
        np.testing.assert_array_equal(newest_max(values, steps), expected)


def test_of_equal_lateness_the_cheapest_counts() -> None:
    cost, late = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.1, 0.01, 0.01, 0.01])
    assert at_late(cost, late, np.array([0.01, 0.1, 0.5])) == pytest.approx([2.0, 1.0, 1.0])
