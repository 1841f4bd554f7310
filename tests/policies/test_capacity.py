"""Capacity is learned from queues and from busy replicas, never at the start; what nothing confirms sinks slowly."""

import math
from dataclasses import replace

import pytest

from policies.capacity import (
    learn,
    request_work_seconds,
    sustainable_concurrency,
    work_ratio,
    work_seconds,
)
from policies.demand import observe
from policies.model import Capacity, Inputs, State, Tokens
from tests.support.worlds import COLD_START, ENGINE, START, TICK, a_policy, a_sample, a_supply


def learned_from(true_ratio: float, moments: int, running: float = 20.0) -> Capacity:
    capacity = Capacity()
    for _ in range(moments):
        capacity = learn(capacity, ENGINE, START, 15.0, 15.0 / true_ratio, running)
    return capacity


@pytest.mark.parametrize(
    ("prompt", "generated", "seconds"),
    [
        (1000.0, 200.0, 0.9),  # 0.4 s of prefill and 0.5 s of decoding
        (10_000.0, 10.0, 10_000 / 2500 / 0.85),  # prefill may not take all of the GPU
        (0.0, 200.0, 0.5),  # all of the prompt was cached
        (0.0, 0.0, 0.0),
    ],
)
def test_the_work_of_a_request(prompt: float, generated: float, seconds: float) -> None:
    assert work_seconds(ENGINE, prompt, generated) == pytest.approx(seconds)


@pytest.mark.parametrize("true_ratio", [0.5, 0.8, 1.0, 1.3, 2.0])
def test_the_work_ratio_converges_to_the_truth(true_ratio: float) -> None:
    assert work_ratio(learned_from(true_ratio, 200)) == pytest.approx(true_ratio, rel=0.06)
    errors = [abs(math.log(work_ratio(learned_from(true_ratio, n)) / true_ratio)) for n in (0, 10, 200)]
    assert errors[2] <= errors[0] + 1e-9


def test_the_profile_counts_until_something_is_learned() -> None:
    assert work_ratio(Capacity()) == 1.0
    assert sustainable_concurrency(ENGINE, Capacity()) == 32.0


def test_the_sustainable_concurrency_converges_and_is_at_least_one() -> None:
    assert sustainable_concurrency(ENGINE, learned_from(1.0, 200, running=16.0)) == pytest.approx(16.0, rel=0.07)
    assert sustainable_concurrency(ENGINE, learned_from(1.0, 200, running=1.0)) >= 1.0


def test_a_cache_that_holds_a_tenth_of_the_requests_is_learned() -> None:
    engine, capacity = replace(ENGINE, max_concurrency=256.0), Capacity()
    for _ in range(200):
        capacity = learn(capacity, engine, START, 15.0, 7.5, 24.0)
    assert sustainable_concurrency(engine, capacity) == pytest.approx(24.0, rel=0.1)


@pytest.mark.parametrize(
    ("span", "done", "running"),
    [(0.0, 5.0, 20.0), (15.0, 0.0, 20.0), (15.0, 1.4, 20.0), (15.0, 15.0, 0.0)],
)
def test_a_frozen_engine_teaches_nothing(span: float, done: float, running: float) -> None:
    assert learn(Capacity(), ENGINE, START, span, done, running) == Capacity()


def test_one_odd_moment_says_at_most_three_times() -> None:
    assert work_ratio(learned_from(7.5, 2000)) <= 3.0 + 1e-9


def test_what_was_learned_can_be_unlearned() -> None:
    capacity = learned_from(1.0, 1000)
    for _ in range(1000):
        capacity = learn(capacity, ENGINE, START, 15.0, 15.0 / 2.0, 20.0)
    assert work_ratio(capacity) == pytest.approx(2.0, rel=0.06)


def test_no_request_no_work() -> None:
    assert request_work_seconds(ENGINE, Capacity(), Tokens()) is None


def lived(
    ticks: int,
    waiting: float,
    age_seconds: float,
    served_per_second: float,
    *,
    moves: bool = True,
    generated: bool = True,
    jump: float = 0.0,
) -> Capacity:
    """What one pod that serves that many requests a second, and is that old at the end, teaches."""
    state, started = State(), START + (ticks - 1) * TICK - age_seconds
    for tick in range(ticks):
        now = START + tick * TICK
        queue = waiting + (tick % 2 if moves else 0)
        sample = a_sample("qwen-0", now, 1000 + served_per_second * tick * TICK + queue, queue, running=20.0)
        counter = sample.generation_tokens_total if generated else None
        read = (sample.prompt_tokens_total or 0.0) + jump * (tick == ticks - 1)
        sample = replace(sample, started_seconds=started, generation_tokens_total=counter, prompt_tokens_total=read)
        seen = observe(a_policy(), state, Inputs(now, True, (sample,), a_supply(1), COLD_START))
        state = State(seen.filters, seen.capacity)
    return state.capacity


def test_only_saturated_moments_teach_at_once() -> None:
    served = 1.0 / 0.9 / 1.5  # a replica that takes 1.5 times what the profile says
    for waiting in (0.0, 2.0):  # of 20 that run
        unsure = lived(100, waiting=waiting, age_seconds=3600.0, served_per_second=served)
        assert (unsure.count, unsure.queued_seconds) == (0.0, None)
        assert -0.01 < unsure.log_work_ratio < 0.0  # nothing confirms the profile for 25 minutes
    learned = lived(100, waiting=30.0, age_seconds=3600.0, served_per_second=served)
    assert work_ratio(learned) == pytest.approx(1.5, rel=0.06)


def test_a_queue_that_stands_still_teaches_nothing() -> None:
    assert lived(20, waiting=30.0, age_seconds=3600.0, served_per_second=0.7, moves=False) == Capacity()


def test_tokens_that_no_requests_can_have_teach_nothing() -> None:
    """Of 50 requests with 1,000 prompt tokens each, 250,000 are not read in 15 s, though the engine might."""
    calm = lived(19, waiting=30.0, age_seconds=3585.0, served_per_second=0.7)
    assert lived(20, waiting=30.0, age_seconds=3600.0, served_per_second=0.7, jump=250_000.0) == calm


def test_work_whose_tokens_are_not_counted_teaches_nothing() -> None:
    learned = lived(20, waiting=30.0, age_seconds=3600.0, served_per_second=0.7, generated=False)
    assert learned == Capacity()


def test_start_up_never_teaches() -> None:
    assert lived(4, waiting=30.0, age_seconds=59.0, served_per_second=0.2) == Capacity()
    assert lived(4, waiting=30.0, age_seconds=61.0, served_per_second=0.2) != Capacity()
