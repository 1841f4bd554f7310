"""Lead times of the ladder's rungs, and the headroom for them."""

import math
import random
from dataclasses import replace

import pytest

from policies.ladder import (
    CONTROL_SECONDS,
    NORMAL_P90,
    headroom_deviations,
    hold_seconds,
    lead_quantile_seconds,
    lead_seconds,
    normal_quantile,
    remaining,
    replica_rung,
)
from policies.supply import NORMAL_P95, ColdStart, Rung, Stage
from tests.support.worlds import COLD_START, a_policy

# Reaction + machine + GPU visible, cold image, weights to disk, and process to probe, whose serial cold start has been
# simulated stage by stage: p50 and p95 of the whole, in seconds.
SIMULATED = [
    (ColdStart(Stage(75, 170.0), Stage(230, 330), Stage(60, 150), Stage(149, 204.0)), 548, 707),
    (ColdStart(Stage(78, 157.0), Stage(220, 320), Stage(40, 110), Stage(122, 168.0)), 488, 630),
    (ColdStart(Stage(213, 519.0), Stage(180, 300), Stage(20, 60), Stage(46, 69.0)), 492, 806),
    (ColdStart(Stage(233, 578.0), Stage(180, 300), Stage(75, 240), Stage(165, 237.0)), 712, 1096),
]


@pytest.mark.parametrize(("cold_start", "p50", "p95"), SIMULATED)
def test_the_serial_lead_agrees_with_the_simulated_one(cold_start: ColdStart, p50: float, p95: float) -> None:
    stages = remaining(cold_start, Rung.REQUESTED)
    assert lead_quantile_seconds(stages, 0.0) == pytest.approx(p50, rel=0.05)
    assert lead_quantile_seconds(stages, NORMAL_P95) == pytest.approx(p95, rel=0.05)


@pytest.mark.parametrize("rung", [Rung.REQUESTED, Rung.NODE_READY, Rung.IMAGE_READY, Rung.WEIGHTS_READY])
def test_a_sum_of_log_normals_is_nearly_log_normal(rung: Rung) -> None:
    stages, chance = remaining(COLD_START, rung), random.Random(1)

    def draw(stage: Stage) -> float:
        return stage.p50_seconds * math.exp(chance.gauss(0, stage.sigma))

    draws = sorted(sum(draw(stage) for stage in stages) for _ in range(20_000))
    for share, quantile in ((0.5, 0.0), (0.9, NORMAL_P90), (0.95, NORMAL_P95)):
        assert lead_quantile_seconds(stages, quantile) == pytest.approx(draws[int(share * 20_000)], rel=0.03)


def test_every_rung_is_nearer_to_serving() -> None:
    leads = [lead_seconds(COLD_START, rung) for rung in Rung]
    assert leads == sorted(leads, reverse=True)
    assert leads[-1] == CONTROL_SECONDS


def test_one_stage_is_its_own_quantiles() -> None:
    stage = (Stage(100.0, 180.0),)
    assert lead_quantile_seconds(stage, 0.0) == pytest.approx(100.0)
    assert lead_quantile_seconds(stage, NORMAL_P95) == pytest.approx(180.0)


def test_a_replica_starts_from_a_prepared_node_where_such_are_held() -> None:
    assert replica_rung(a_policy(max_prepared_nodes=1)) is Rung.IMAGE_READY
    assert replica_rung(a_policy(max_prepared_nodes=0)) is Rung.REQUESTED


def test_the_hold_is_what_a_restart_takes() -> None:
    assert hold_seconds(a_policy(hold_seconds=5.0), COLD_START) == 5.0
    without, with_nodes = a_policy(max_prepared_nodes=0), a_policy()
    assert hold_seconds(without, COLD_START) > hold_seconds(with_nodes, COLD_START) > 60.0
    quick = replace(COLD_START, weights=Stage(1, 2), warmup=Stage(3, 5))
    assert hold_seconds(a_policy(), quick) == 60.0


def test_headroom_grows_with_the_lead_and_with_the_attainment() -> None:
    leads = [1.0, 20.0, 30.0, 90.0, 100.0, 270.0, 300.0, 600.0, 3600.0]
    by_lead = [headroom_deviations(lead, 0.99) for lead in leads]
    assert by_lead == sorted(by_lead)
    assert by_lead[-1] == by_lead[-2]  # the limit
    by_attainment = [headroom_deviations(120.0, share) for share in (0.5, 0.9, 0.95, 0.99, 0.999, 0.9999)]
    assert by_attainment == sorted(by_attainment)
    assert by_attainment[0] == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize(("share", "deviations"), [(0.5, 0.0), (0.9, 1.28155), (0.95, 1.64485), (0.9999, 3.71902)])
def test_normal_quantiles(share: float, deviations: float) -> None:
    assert normal_quantile(share) == pytest.approx(deviations, abs=5e-4)
