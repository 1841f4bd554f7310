"""What is left of a stage that is under way, against Monte Carlo."""

import math
import random
from functools import cache
from statistics import quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.ladder import lead_quantile_seconds
from policies.residual import residual, rest
from policies.supply import ColdStart, Stage, StageName

IMAGE = Stage(230.0, 330.0)
ELAPSED = st.floats(0.0, 86_400.0)
STAGES = st.tuples(st.floats(1.0, 3600.0), st.floats(1.0, 20.0)).map(lambda at: Stage(at[0], at[0] * at[1]))


@cache
def draws(stage: Stage) -> list[float]:
    drawn = random.Random(1)
    return [stage.p50_seconds * math.exp(drawn.gauss(0.0, stage.sigma)) for _ in range(200_000)]


@pytest.mark.parametrize("stage", [IMAGE, Stage(37.0, 110.0)])
@pytest.mark.parametrize("share", [0.3, 0.8, 1.2, 1.6])
def test_the_rest_is_that_of_the_draws_that_have_not_ended(stage: Stage, share: float) -> None:
    elapsed = share * stage.p50_seconds
    twentieths = quantiles([seconds - elapsed for seconds in draws(stage) if seconds > elapsed], n=20)
    left = rest(stage, elapsed)
    assert left.p50_seconds == pytest.approx(twentieths[9], rel=0.05)
    assert left.p95_seconds == pytest.approx(twentieths[18], rel=0.05)


def test_the_lead_of_a_unit_is_that_of_what_is_left() -> None:
    """Image and weights are under way for 200 s and 20 s while the driver, 50 s in, still starts."""
    start = ColdStart(
        node=Stage(38.0, 92.0),
        gpu=Stage(37.0, 110.0),
        image=IMAGE,
        weights=Stage(60.0, 150.0),
        warmup=Stage(149.0, 204.0),
        ahead=(StageName.IMAGE, StageName.WEIGHTS),
    )
    elapsed = {StageName.GPU: 50.0, StageName.IMAGE: 200.0, StageName.WEIGHTS: 20.0}
    left, drawn, totals = residual(start, elapsed), random.Random(2), []

    def under_way(stage: Stage, seconds: float, factor: float) -> float:
        while (took := stage.p50_seconds * math.exp(drawn.gauss(0.0, stage.sigma))) <= seconds:
            pass
        return factor * (took - seconds)

    for _ in range(5_000):
        branches = [
            under_way(IMAGE, 200.0, 1.15),
            under_way(Stage(60.0, 150.0), 20.0, 1.15),
            under_way(Stage(37.0, 110.0), 50.0, 1.0),
        ]
        totals.append(max(branches) + 149.0 * math.exp(drawn.gauss(0.0, start.warmup.sigma)))
    twentieths = quantiles(totals, n=20)
    for normal_quantile, expected in ((0.0, twentieths[9]), (1.2816, twentieths[17]), (1.645, twentieths[18])):
        assert lead_quantile_seconds(left, (StageName.NODE,), normal_quantile) == pytest.approx(expected, rel=0.05)


def test_what_has_not_begun_is_left_whole() -> None:
    assert rest(IMAGE, 0.0) == IMAGE
    start = ColdStart(node=IMAGE, image=None, weights=IMAGE, warmup=IMAGE)
    assert residual(start, {}) == start
    assert residual(start, {StageName.IMAGE: 100.0}) == start


@given(STAGES, ELAPSED)
def test_what_is_left_is_finite_and_together_no_shorter_than_the_whole(stage: Stage, elapsed: float) -> None:
    left = rest(stage, elapsed)
    assert 0.5 <= left.p50_seconds <= left.p95_seconds < math.inf
    assert elapsed + left.p50_seconds >= stage.p50_seconds * 0.999
    assert elapsed + left.p95_seconds >= stage.p95_seconds * 0.999


def test_a_late_stage_is_expected_to_take_longer_the_later_it_is() -> None:
    left = [rest(IMAGE, each).p50_seconds for each in (900.0, 1800.0, 3600.0, 86_400.0)]
    assert left == sorted(left)
    assert left[0] > 20.0
