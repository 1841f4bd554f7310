"""How the HPA's target is tuned and picked."""

import pytest

from replay.frontier import Point, at_attainment, at_cost, finer, targets

CHEAP = Point(200.0, 8.0, 0.95)
FAIR = Point(100.0, 10.0, 0.99)
SPIRAL = Point(150.0, 12.0, 0.60)  # a target on which the queue runs away: dear and bad
GOOD = Point(50.0, 14.0, 0.999)
BEST = Point(10.0, 40.0, 1.0)
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
def test_at_cost_takes_the_best_attainment_that_costs_no_more(budget: float, picked: Point | None) -> None:
    assert at_cost(ALL, budget) == picked


@pytest.mark.parametrize(
    ("attainment", "picked"),
    [(0.0, CHEAP), (0.95, CHEAP), (0.951, FAIR), (0.99, FAIR), (0.995, GOOD), (0.9999, BEST), (1.0, BEST)],
)
def test_at_attainment_takes_the_cheapest_that_attains_no_less(attainment: float, picked: Point) -> None:
    assert at_attainment(ALL, attainment) == picked


def test_none_qualifies() -> None:
    assert at_attainment((CHEAP, FAIR), 0.991) is None
    assert at_cost((), 1.0) is None
    assert at_attainment((), 0.5) is None


def test_of_equals_the_cheaper_and_the_better() -> None:
    dear, cheap = Point(1.0, 9.0, 0.9), Point(2.0, 8.0, 0.9)
    assert at_cost((dear, cheap), 10.0) == cheap
    worse, better = Point(1.0, 8.0, 0.9), Point(2.0, 8.0, 0.95)
    assert at_attainment((worse, better), 0.5) == better


def test_the_first_round_spans_the_shares() -> None:
    assert targets(256) == (7.7, 12.0, 17.0, 26.0, 40.0, 60.0, 90.0, 136.0, 205.0)
    assert targets(32)[0] == 1.0
    assert targets(32)[-1] == 26.0


def test_the_finer_round_lies_around_both_picks() -> None:
    assert finer(ALL, 10.0, 0.99) == (71.0, 122.0)  # both picks are FAIR
    assert finer(ALL, 8.0, 1.0) == (22.0, 173.0)  # at both ends, one neighbour each


def test_the_finer_round_without_a_pick_lies_around_what_is_nearest() -> None:
    assert finer((CHEAP, FAIR, GOOD), 1.0, 1.0) == (71.0, 141.0)


def test_the_finer_round_repeats_nothing() -> None:
    assert finer((Point(1.0, 1.0, 0.9), Point(1.1, 2.0, 1.0)), 1.0, 1.0) == ()
