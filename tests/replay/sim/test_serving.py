"""Continuous batching: by hand, against the theory of queues, and what must hold whatever comes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.sim.kernel import End, Replica, _pop, _push, rows
from replay.sim.world import World

from .scenarios import START, SURE, scenario

# 1,000 prompt tokens/s; a step of n sequences takes 0.1 + 0.02 n seconds.
PLAIN = replace(
    SURE,
    prefill_tokens_per_second=1000.0,
    prefill_max_share=0.75,
    step_base_seconds=0.1,
    step_sequence_seconds=0.02,
    max_num_seqs=2,
    kv_tokens=10_000,
)


def served(world: World, seconds: float = 3600.0) -> World:
    world.advance(START + seconds)
    return world


def test_one_request_alone() -> None:
    log = served(World(scenario([10.0], 500, 11, hardware=PLAIN))).requests()
    assert log.wait_seconds[0] == 0.0
    assert log.first_token_seconds[0] == pytest.approx(0.5)
    assert log.finish_s[0] == pytest.approx(10 + 0.5 + 10 * 0.12)


def test_a_single_token_ends_with_the_prefill() -> None:
    log = served(World(scenario([0.0], 500, 1, hardware=PLAIN))).requests()
    assert log.finish_s[0] == pytest.approx(0.5)


def test_prefill_shares_the_gpu_with_decode() -> None:
    """The second prefill gets 3/4 of the GPU, so 300 tokens take 0.4 s; the first one decodes 0.4 / 4 / 0.12 steps."""
    log = served(World(scenario([0.0, 0.5], (np.array([500, 300])), 11, hardware=PLAIN))).requests()
    assert log.first_token_seconds[1] == pytest.approx(0.4)
    decoded = 0.1 / 0.12
    assert log.finish_s[0] == pytest.approx(0.9 + (10 - decoded) * 0.14)
    assert log.finish_s[1] == pytest.approx(log.finish_s[0] + (10 - (10 - decoded)) * 0.12)


def test_the_batch_is_limited_and_the_queue_in_order() -> None:
    log = served(World(scenario([0.0, 0.0, 0.0, 0.0], 10, 20, hardware=PLAIN))).requests()
    assert log.wait_seconds[0] == 0.0
    assert log.wait_seconds[1] == pytest.approx(0.01)  # its prefill begins after the first one's
    assert log.wait_seconds[2] == pytest.approx(log.finish_s[0])
    assert np.all(np.diff(log.wait_seconds) >= 0)


def test_the_kv_cache_limits_admission_but_not_of_an_empty_replica() -> None:
    small = replace(PLAIN, kv_tokens=150)
    log = served(World(scenario([0.0, 0.0], 100, 50, hardware=small))).requests()
    assert log.wait_seconds[1] == pytest.approx(log.finish_s[0])
    log = served(World(scenario([0.0], 1000, 50, hardware=small))).requests()
    assert log.wait_seconds[0] == 0.0


def test_a_request_goes_to_the_fewest_outstanding_the_first_among_equals() -> None:
    log = served(World(scenario([0.0, 0.1, 0.2, 0.3], 100, 1000, hardware=PLAIN, replicas=3))).requests()
    assert log.pod.tolist() == [0, 1, 2, 0]


def test_counters_count_as_vllm_does() -> None:
    world = World(scenario([0.0, 0.0, 0.0], 500, 11, hardware=PLAIN))
    world.advance(START + 0.25)
    (sample,) = world.samples()
    assert (sample.running, sample.waiting, sample.prompt_tokens_total, sample.generation_tokens_total) == (1, 2, 0, 0)
    world.advance(START + 0.5)
    (sample,) = world.samples()
    assert (sample.running, sample.waiting, sample.prompt_tokens_total, sample.generation_tokens_total) == (
        2,
        1,
        500,
        1,
    )
    assert sample.request_prompt_tokens_count == sample.finished_total == 0
    world.advance(START + 100)
    (sample,) = world.samples()
    assert (sample.running, sample.waiting, sample.finished_total) == (0, 0, 3)
    assert (sample.prompt_tokens_total, sample.generation_tokens_total) == (1500, 33)
    assert (sample.request_prompt_tokens_sum, sample.request_generation_tokens_sum) == (1500, 33)


def test_waits_agree_with_the_theory_of_one_server_with_equal_jobs() -> None:
    """Prompts of one output token make a replica a single server: M/D/1, whose mean wait is rho s / (2 (1 - rho))."""
    random = np.random.default_rng(1)
    workload, load = 0.5, 0.8
    arrivals = np.cumsum(random.exponential(workload / load, 100_000))
    world = served(World(scenario(arrivals, 500, 1, hardware=PLAIN)), float(arrivals[-1]) + 100)
    assert world.waits().wait_seconds.mean() == pytest.approx(load * workload / (2 * (1 - load)), rel=0.05)


def test_waits_agree_with_the_theory_of_many_servers() -> None:
    """Decoding whose step does not depend on the batch makes a replica M/M/c, whose mean wait Erlang's formula gives."""
    random = np.random.default_rng(2)
    servers, mean_tokens, load = 8, 400.0, 0.85
    hardware = replace(
        PLAIN, prefill_tokens_per_second=1e9, step_base_seconds=0.01, step_sequence_seconds=0.0, max_num_seqs=servers
    )
    workload = mean_tokens * 0.01
    arrivals = np.cumsum(random.exponential(workload / servers / load, 200_000))
    tokens = np.ceil(random.exponential(mean_tokens, len(arrivals))).astype(np.int64) + 1
    big = replace(hardware, kv_tokens=10**9)
    log = served(World(scenario(arrivals, 1, tokens, hardware=big)), float(arrivals[-1]) + 1000).requests()
    offered = servers * load
    blocked = 1.0
    for n in range(1, servers + 1):
        blocked = offered * blocked / (n + offered * blocked)
    must_wait = blocked / (1 - load * (1 - blocked))
    assert log.wait_seconds.mean() == pytest.approx(must_wait * workload / (servers * (1 - load)), rel=0.06)


def test_a_full_replica_serves_at_the_rate_of_its_work() -> None:
    """Saturated, a replica takes the seconds a request that `work_seconds` says, but for batches not quite full."""
    random = np.random.default_rng(3)
    count = 4000
    prompts, outputs = random.integers(100, 1500, count), random.integers(50, 400, count)
    world = served(World(scenario(np.zeros(count), prompts, outputs)), 20_000)
    total = SURE.work_seconds(float(prompts.sum()), float(outputs.sum()))
    assert world.requests().finish_s.max() == pytest.approx(total, rel=0.03)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.floats(0.2, 3.0))
def test_no_work_is_lost_and_time_runs_forward(seed: int, replicas: int, rate: float) -> None:
    random = np.random.default_rng(seed)
    count = 300
    arrivals = np.cumsum(random.exponential(1 / rate, count))
    prompts, outputs = random.integers(1, 3000, count), random.integers(1, 400, count)
    world = World(scenario(arrivals, prompts, outputs, hardware=replace(PLAIN, max_num_seqs=8), replicas=replicas))
    seen = 0.0
    for second in range(0, 6000, 15):
        world.advance(START + second)
        samples = world.samples()
        generated = sum(sample.generation_tokens_total or 0 for sample in samples)
        assert generated >= seen
        seen = generated
        arrived = int(np.searchsorted(arrivals, second, side="right"))
        counted = sum((s.running or 0) + (s.waiting or 0) + (s.finished_total or 0) for s in samples)
        assert counted == arrived
    log = world.requests()
    assert not np.isnan(log.finish_s).any()
    assert seen == outputs.sum()
    assert np.all(log.wait_seconds >= 0)
    assert np.all(log.first_token_seconds >= log.wait_seconds)
    assert np.all(log.finish_s >= log.arrival_s + log.first_token_seconds - 1e-9)


def test_looking_does_not_disturb() -> None:
    random = np.random.default_rng(4)
    arrivals = np.cumsum(random.exponential(0.5, 500))
    once = served(World(scenario(arrivals, 700, 150)), 900).requests()
    world = World(scenario(arrivals, 700, 150))
    for tenth in range(9001):
        world.advance(START + tenth / 10)
        world.samples()
    np.testing.assert_array_equal(once.finish_s, world.requests().finish_s)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=40))
def test_the_heap_gives_the_ends_in_order(ends: list[float]) -> None:
    replica, heap = rows(Replica, 1), rows(End, 40)
    for request, end in enumerate(ends):
        _push(replica[0], heap, end, request)
    popped = [ends[_pop(replica[0], heap)] for _ in ends]
    assert popped == sorted(ends)
