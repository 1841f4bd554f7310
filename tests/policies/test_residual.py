"""How long replicas that are starting still take, against Monte Carlo."""

import math
import random
from dataclasses import replace
from functools import cache
from statistics import quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.cold_start_text import coming
from policies.residual import Starting, rest, starting
from policies.supply import ColdStart, Role, Rung, Stage, StageName, Supply, Unit

IMAGE, GPU, WEIGHTS = Stage(230.0, 330.0), Stage(37.0, 110.0), Stage(60.0, 150.0)
COLD = ColdStart(node=Stage(38.0, 92.0), gpu=GPU, image=IMAGE, weights=WEIGHTS, warmup=Stage(149.0, 204.0))
AHEAD = replace(COLD, ahead=(StageName.IMAGE, StageName.WEIGHTS))
REQUESTED, ON_NODE, SERVING = Rung.REQUESTED.passed, Rung.NODE_READY.passed, Rung.SERVING.passed
ELAPSED = st.floats(0.0, 86_400.0)
STAGES = st.tuples(st.floats(1.0, 3600.0), st.floats(1.0, 20.0)).map(lambda at: Stage(at[0], at[0] * at[1]))


@cache
def draws(stage: Stage) -> list[float]:
    drawn = random.Random(f"{stage}")
    return [stage.p50_seconds * math.exp(drawn.gauss(0.0, stage.sigma)) for _ in range(50_000)]


def replica(name: str, done: tuple[StageName, ...], since_seconds: float | None) -> Unit:
    return Unit(name, Role.REPLICA, done, since_seconds)


def one(done: tuple[StageName, ...], elapsed: float, cold_start: ColdStart = COLD) -> Starting:
    [found] = starting(Supply(1, (replica("chat-1", done, 1_000.0),)), cold_start, 1_000.0 + elapsed)
    return found


@pytest.mark.parametrize("stage", [IMAGE, GPU])
@pytest.mark.parametrize("share", [0.3, 0.8, 1.2, 1.6])
def test_the_rest_is_that_of_the_draws_that_have_not_ended(stage: Stage, share: float) -> None:
    elapsed = share * stage.p50_seconds
    twentieths = quantiles([seconds - elapsed for seconds in draws(stage) if seconds > elapsed], n=20)
    left = rest(stage, elapsed)
    assert left.p50_seconds == pytest.approx(twentieths[9], rel=0.05)
    assert left.p95_seconds == pytest.approx(twentieths[18], rel=0.05)


@pytest.mark.parametrize("elapsed", [0.0, 60.0, 150.0])
def test_a_replica_without_a_node_still_has_the_rest_of_that_wait_and_all_that_follows(elapsed: float) -> None:
    placed = [sum(both) for both in zip(draws(COLD.node), draws(GPU), strict=True)]
    after = [sum(parts) for parts in zip(*(draws(each) for each in (IMAGE, WEIGHTS, COLD.warmup)), strict=True)]
    left = [wait - elapsed + rest for wait, rest in zip(placed, after, strict=True) if wait > elapsed]
    assert_like(one(REQUESTED, elapsed).left, left)


@pytest.mark.parametrize("elapsed", [0.0, 300.0, 500.0])
def test_of_a_replica_on_its_node_what_is_left_counts_as_one_stage(elapsed: float) -> None:
    whole = [sum(parts) for parts in zip(*(draws(each) for each in (IMAGE, WEIGHTS, COLD.warmup)), strict=True)]
    assert_like(one(ON_NODE, elapsed).left, [each - elapsed for each in whole if each > elapsed])


def assert_like(left: Stage, drawn: list[float]) -> None:
    twentieths = quantiles(drawn, n=20)
    assert left.p50_seconds == pytest.approx(twentieths[9], rel=0.06)
    assert left.p95_seconds == pytest.approx(twentieths[18], rel=0.06)


@pytest.mark.parametrize("cold_start", [COLD, AHEAD])
def test_what_is_left_falls_as_time_passes_until_a_replica_is_late(cold_start: ColdStart) -> None:
    for done in (REQUESTED, ON_NODE):
        usual = one(done, 0.0, cold_start).usual_seconds
        left = [one(done, share * usual, cold_start).left.p50_seconds for share in (0.0, 0.25, 0.5)]
        assert left == sorted(left, reverse=True)
        assert [one(done, seconds, cold_start).is_late for seconds in (usual - 1.0, usual + 1.0)] == [False, True]


def test_what_is_fetched_ahead_shortens_what_is_left() -> None:
    assert one(ON_NODE, 10.0, AHEAD).left.p50_seconds < one(ON_NODE, 10.0).left.p50_seconds


def test_only_replicas_of_known_age_that_do_not_serve_are_starting_and_the_next_to_serve_comes_first() -> None:
    units = (
        replica("no-node", REQUESTED, 1_000.0),
        replica("on-node", ON_NODE, 1_000.0),
        replica("of-unknown-age", ON_NODE, None),
        replica("serves", SERVING, 900.0),
        Unit("balloon", Role.STANDBY, ON_NODE, 1_000.0),
    )
    found = starting(Supply(4, units), COLD, 1_100.0)
    assert [each.unit.name for each in found] == ["on-node", "no-node"]


def test_a_clock_that_is_behind_the_cluster_s_makes_nothing_longer() -> None:
    assert one(ON_NODE, -30.0) == one(ON_NODE, 0.0)


def test_the_sentence_says_when_the_first_and_the_last_serve() -> None:
    units = tuple(replica(f"chat-{since}", ON_NODE, since) for since in (700.0, 800.0, 1_000.0))
    assert coming(()) == ""
    assert coming(starting(Supply(1, units[:1]), COLD, 1_000.0)) == (
        "1 replica is starting, and is expected to serve in about 2 min 32 s."
    )
    assert coming(starting(Supply(3, units), COLD, 1_000.0)) == (
        "3 replicas are starting: the first is expected to serve in about 2 min 32 s, the last in about 7 min 32 s."
    )
    together = tuple(replica(name, ON_NODE, 700.0) for name in ("a", "b"))
    assert coming(starting(Supply(2, together), COLD, 1_000.0)) == (
        "2 replicas are starting, and are expected to serve in about 2 min 32 s."
    )


def test_the_sentence_names_the_replica_that_is_later_than_19_of_20_and_expects_nothing_of_it() -> None:
    stuck = replica("chat-1", REQUESTED, 400.0)
    no_node = "chat-1 has waited 10 min for a node, while 19 of 20 get one within 2 min 50 s"
    assert coming(starting(Supply(1, (stuck,)), COLD, 1_000.0)) == f"{no_node}."
    hangs = tuple(replica(f"chat-{index}", ON_NODE, 100.0 * index) for index in (3, 2))
    assert coming(starting(Supply(3, (stuck, *hangs)), COLD, 1_000.0)) == f"{no_node}; 2 more are late too."
    fine = replica("chat-4", ON_NODE, 700.0)
    assert coming(starting(Supply(3, (*hangs, fine)), COLD, 1_000.0)) == (
        "1 replica is starting, and is expected to serve in about 2 min 32 s. chat-2 has had a node for 13 min 20 s and does not"
        " serve, while 19 of 20 serve within 9 min 47 s; 1 more is late too."
    )


def test_what_has_not_begun_is_left_whole() -> None:
    assert rest(IMAGE, 0.0) == IMAGE


@given(STAGES, ELAPSED)
def test_what_is_left_is_finite_and_together_no_shorter_than_the_whole(stage: Stage, elapsed: float) -> None:
    left = rest(stage, elapsed)
    assert 0.5 <= left.p50_seconds <= left.p95_seconds < math.inf
    assert elapsed + left.p50_seconds >= stage.p50_seconds * 0.999
    assert elapsed + left.p95_seconds >= stage.p95_seconds * 0.999


@given(STAGES, STAGES, STAGES, ELAPSED, st.sampled_from([REQUESTED, ON_NODE, Rung.WEIGHTS_READY.passed]))
def test_any_start_has_something_finite_left(
    node: Stage, image: Stage, warmup: Stage, elapsed: float, done: tuple[StageName, ...]
) -> None:
    found = one(done, elapsed, ColdStart(node=node, image=image, weights=None, warmup=warmup))
    assert 0.5 <= found.left.p50_seconds <= found.left.p95_seconds < math.inf


def test_a_late_stage_is_expected_to_take_longer_the_later_it_is() -> None:
    left = [rest(IMAGE, each).p50_seconds for each in (900.0, 1800.0, 3600.0, 86_400.0)]
    assert left == sorted(left)
    assert left[0] > 20.0
