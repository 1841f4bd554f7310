"""Lead times of the ladder's rungs, and the headroom for them."""

import math
import random
from dataclasses import replace

import pytest

from policies.ladder import (
    CONTENTION,
    CONTROL_SECONDS,
    NORMAL_P90,
    headroom_deviations,
    hold_seconds,
    lead_quantile_seconds,
    lead_seconds,
    normal_quantile,
    replica_rung,
)
from policies.supply import NORMAL_P95, ColdStart, Rung, Stage, StageName
from tests.support.worlds import COLD_START, a_policy

# Reaction and machine, cold image, weights to disk, process to probe, and GPU visible, whose cold start has been simulated stage
# by stage: p50 and p95 of the whole in seconds, one after another and with image and weights prepared ahead.
SIMULATED = [
    (
        ColdStart(Stage(38, 93), Stage(230, 330), Stage(60, 150), Stage(149, 204), Stage(37, 110)),
        (548, 707),
        (469, 602),
    ),
    (
        ColdStart(Stage(53, 123), Stage(220, 320), Stage(40, 110), Stage(122, 168), Stage(25, 60)),
        (488, 630),
        (446, 581),
    ),
    (ColdStart(Stage(183, 483), Stage(180, 300), Stage(20, 60), Stage(46, 69), Stage(30, 90)), (492, 806), (458, 772)),
    (
        ColdStart(Stage(203, 543), Stage(180, 300), Stage(75, 240), Stage(165, 237), Stage(30, 90)),
        (712, 1096),
        (618, 985),
    ),
]
BOTH = (StageName.IMAGE, StageName.WEIGHTS)
AHEAD = [(), (StageName.IMAGE,), (StageName.WEIGHTS,), BOTH]


@pytest.mark.parametrize(("cold_start", "serial", "overlapped"), SIMULATED)
def test_the_lead_agrees_with_the_simulated_one(
    cold_start: ColdStart, serial: tuple[float, float], overlapped: tuple[float, float]
) -> None:
    for ahead, quantiles in (((), serial), (BOTH, overlapped)):
        found = [lead_quantile_seconds(replace(cold_start, ahead=ahead), (), z) for z in (0.0, NORMAL_P95)]
        assert found == pytest.approx(quantiles, rel=0.05)


def drawn(cold_start: ColdStart, rung: Rung, chance: random.Random) -> float:
    """One time to serving, drawn stage by stage."""

    def draw(name: StageName) -> float:
        stage: Stage | None = getattr(cold_start, name)
        if stage is None or name in rung.passed:
            return 0.0
        at_once = set(BOTH) <= set(cold_start.ahead) and not set(BOTH) & set(rung.passed)
        factor = CONTENTION if at_once and name in BOTH else 1.0
        return factor * stage.p50_seconds * math.exp(chance.gauss(0, stage.sigma))

    gpu, image, weights = (draw(name) for name in (StageName.GPU, *BOTH))
    started = max(gpu, image) if StageName.IMAGE in cold_start.ahead else gpu + image
    loaded = max(started, weights) if StageName.WEIGHTS in cold_start.ahead else started + weights
    return draw(StageName.NODE) + loaded + draw(StageName.WARMUP)


@pytest.mark.parametrize("ahead", AHEAD)
@pytest.mark.parametrize("rung", [Rung.REQUESTED, Rung.NODE_READY])
def test_the_approximation_is_near_to_monte_carlo(rung: Rung, ahead: tuple[StageName, ...]) -> None:
    """3 % at the worst: sums and maxima of log-normals are nearly log-normal."""
    chance, cold_start = random.Random(1), replace(SIMULATED[0][0], ahead=ahead)
    draws = sorted(drawn(cold_start, rung, chance) for _ in range(10_000))
    for share, quantile in ((0.5, 0.0), (0.9, NORMAL_P90), (0.95, NORMAL_P95)):
        found = lead_quantile_seconds(cold_start, rung.passed, quantile)
        assert found == pytest.approx(draws[int(share * 10_000)], rel=0.03)


def test_more_ahead_is_never_slower_at_the_median() -> None:
    """Fetched at the same time each takes longer, but no longer than one after the other."""
    alone, image, both = (
        lead_quantile_seconds(replace(SIMULATED[0][0], ahead=ahead), (), 0.0) for ahead in ((), BOTH[:1], BOTH)
    )
    assert alone > image > both


def test_a_stage_that_is_not_there_takes_no_time() -> None:
    cold_start = SIMULATED[0][0]
    without = replace(cold_start, gpu=None, image=None, weights=None)
    assert lead_quantile_seconds(without, (), 0.0) == pytest.approx(
        lead_quantile_seconds(cold_start, (StageName.GPU, *BOTH), 0.0)
    )


def test_every_rung_is_nearer_to_serving() -> None:
    leads = [lead_seconds(COLD_START, rung) for rung in Rung]
    assert leads == sorted(leads, reverse=True)
    assert leads[-1] == CONTROL_SECONDS


def test_one_stage_is_its_own_quantiles() -> None:
    cold_start, done = replace(COLD_START, warmup=Stage(100.0, 180.0)), Rung.WEIGHTS_READY.passed
    assert lead_quantile_seconds(cold_start, done, 0.0) == pytest.approx(100.0)
    assert lead_quantile_seconds(cold_start, done, NORMAL_P95) == pytest.approx(180.0)


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
