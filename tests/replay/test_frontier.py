"""How the values of a knob are swept and picked."""

from collections.abc import Sequence

import numpy as np
import pytest

from replay.contenders.hpa_in_flight import between
from replay.driver import Outcome
from replay.frontier import Pick, Tried, at_attainment, at_cost, finer, most_runs, sweep
from replay.sim.views import Score, Timeline

NOTHING = np.zeros(1, np.int64)
TIMELINE = Timeline(np.zeros(1), NOTHING, NOTHING, NOTHING, NOTHING, NOTHING)


def outcome(gpu_hours: float, attainment: float) -> Outcome:
    return Outcome(Score(gpu_hours, gpu_hours, 0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0, 0, 0, 0, 0, TIMELINE), attainment)


def point(value: float, gpu_hours: float, attainment: float) -> Tried:
    return Tried(value, outcome(gpu_hours, attainment))


CHEAP = point(200.0, 8.0, 0.95)
FAIR = point(100.0, 10.0, 0.99)
SPIRAL = point(150.0, 12.0, 0.60)  # a target on which the queue runs away: dear and bad
GOOD = point(50.0, 14.0, 0.999)
BEST = point(10.0, 40.0, 1.0)
ALL = (CHEAP, FAIR, SPIRAL, GOOD, BEST)


@pytest.mark.parametrize(
    ("budget", "picked"),
    [
        (7.9, None),
        (8.0, CHEAP),
        (9.99, CHEAP),
        (10.0, FAIR),
        (13.0, FAIR),  # the spiral costs less than the budget, but attains less
        (14.0, GOOD),
        (1e9, BEST),
    ],
)
def test_at_cost_takes_the_best_attainment_that_costs_no_more(budget: float, picked: Tried | None) -> None:
    assert at_cost(ALL, budget) == picked


@pytest.mark.parametrize(
    ("attainment", "picked"),
    [(0.0, CHEAP), (0.95, CHEAP), (0.951, FAIR), (0.99, FAIR), (0.995, GOOD), (0.9999, BEST), (1.0, BEST)],
)
def test_at_attainment_takes_the_cheapest_that_attains_no_less(attainment: float, picked: Tried) -> None:
    assert at_attainment(ALL, attainment) == picked


def test_none_qualifies() -> None:
    assert at_attainment((CHEAP, FAIR), 0.991) is None
    assert at_cost((), 1.0) is None
    assert at_attainment((), 0.5) is None


def test_of_equals_the_cheaper_and_the_better() -> None:
    dear, cheap = point(1.0, 9.0, 0.9), point(2.0, 8.0, 0.9)
    assert at_cost((dear, cheap), 10.0) == cheap
    worse, better = point(1.0, 8.0, 0.9), point(2.0, 8.0, 0.95)
    assert at_attainment((worse, better), 0.5) == better


def test_the_finer_round_lies_around_both_picks() -> None:
    assert finer(ALL, between, 10.0, 0.99) == (71.0, 122.0)  # both picks are FAIR
    assert finer(ALL, between, 8.0, 1.0) == (22.0, 173.0)  # at both ends, one neighbour each


def test_the_finer_round_without_a_pick_lies_around_what_is_nearest() -> None:
    assert finer((CHEAP, FAIR, GOOD), between, 1.0, 1.0) == (71.0, 141.0)


def test_the_finer_round_repeats_nothing() -> None:
    assert finer((point(1.0, 1.0, 0.9), point(1.1, 2.0, 1.0)), between, 1.0, 1.0) == ()


def test_a_sweep_plays_the_grid_and_then_finer_around_its_picks() -> None:
    """Attainment falls with the target, and so does the cost: 100 / target GPU-hours."""
    played: list[float] = []

    def play(targets: Sequence[float]) -> list[Outcome]:
        played.extend(targets)
        return [outcome(100.0 / target, 1.0 - target / 1000.0) for target in targets]

    grid = (10.0, 20.0, 40.0, 80.0)
    found = sweep(play, grid, between, reference=outcome(100.0 / 30.0, 0.975))
    assert played == [10.0, 20.0, 40.0, 80.0, 14.0, 28.0, 57.0, 17.0, 24.0, 33.0, 48.0]
    assert len(played) <= most_runs(grid)
    assert [each.value for each in found.tried] == sorted(played)
    assert {pick: tried.value for pick, tried in found.picks.items()} == {Pick.AT_COST: 33.0, Pick.AT_ATTAINMENT: 24.0}


def test_a_pick_for_which_no_value_qualifies_is_missing() -> None:
    def play(targets: Sequence[float]) -> list[Outcome]:
        return [outcome(target, 0.5) for target in targets]

    found = sweep(play, (1.0, 2.0), between, reference=outcome(0.5, 0.4))
    assert set(found.picks) == {Pick.AT_ATTAINMENT}
