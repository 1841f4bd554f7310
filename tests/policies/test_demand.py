"""Samples in, demand out: what counts, what is a lower bound, and what is not known."""

import math
from dataclasses import replace

import pytest

from policies.backfill import backfilled
from policies.demand import Observation, observe
from policies.level import advance_level
from policies.model import Basis, Filters, Inputs, PodSample, Policy, Signal, State
from policies.physics import COUNTERS
from tests.support.worlds import COLD_START, START, TICK, Fleet, a_policy, a_sample, a_supply

POLICY = a_policy()
WORK_SECONDS = 0.9  # of a request of 1,000 prompt and 200 generated tokens, while nothing is learned
TOKEN_COUNTERS = tuple(name for name in COUNTERS if "tokens" in name)


def watch(*moments: Inputs, policy: Policy = POLICY, filters: Filters | None = None) -> Observation:
    """What is seen at the last of the moments."""
    state = State(filters=filters or Filters())
    for moment in moments:
        seen = observe(policy, state, moment)
        state = State(seen.filters, seen.capacity, state.decided)
    return seen


def look(tick: int, *samples: PodSample, ready: int | None = None) -> Inputs:
    """A tick at which these samples are there, of pods qwen-0, qwen-1, ..."""
    return Inputs(START + tick * TICK, True, samples, a_supply(len(samples) if ready is None else ready), COLD_START)


def pod(tick: int, arrived: float, index: int = 0, **changes: object) -> PodSample:
    waiting, running = float(changes.pop("waiting", 0.0)), float(changes.pop("running", 4.0))  # type: ignore[arg-type]
    sample = a_sample(f"qwen-{index}", START + tick * TICK - 1.0, arrived, waiting, running)
    return replace(sample, **changes)  # type: ignore[arg-type]


def without_tokens(sample: PodSample) -> PodSample:
    return replace(sample, **dict.fromkeys(TOKEN_COUNTERS))  # type: ignore[arg-type]


def test_arrivals_are_differences_weighted_by_their_work() -> None:
    demand = watch(look(0, pod(0, 1000), pod(0, 500, 1)), look(1, pod(1, 1090), pod(1, 530, 1))).demand
    assert demand.arrivals_per_second == pytest.approx((90 + 30) / TICK)
    assert (demand.basis, demand.coverage) == (Basis.WORK, 1.0)
    assert demand.replicas == pytest.approx(8.0 * WORK_SECONDS)


def test_an_arrival_counts_once_whether_it_waits_runs_or_is_finished() -> None:
    queued = watch(look(0, pod(0, 1000)), look(1, pod(1, 1060, waiting=50.0))).demand
    served = watch(look(0, pod(0, 1000)), look(1, pod(1, 1060))).demand
    assert queued.arrivals_per_second == served.arrivals_per_second == 4.0


def test_what_an_engine_rejects_has_arrived() -> None:
    demand = watch(look(0, pod(0, 1000)), look(1, pod(1, 1000, rejected_total=30.0))).demand
    assert demand.arrivals_per_second == 2.0


def test_clients_that_hang_up_do_not_hide_the_arrivals_of_another_pod() -> None:
    demand = watch(look(0, pod(0, 1000), pod(0, 1000, 1)), look(1, pod(1, 992), pod(1, 1060, 1))).demand
    assert demand.arrivals_per_second == 4.0


def test_what_came_to_a_process_before_it_started_again_is_not_known() -> None:
    again = [look(tick, pod(tick, 60 * tick - 32, started_seconds=START + 5.0)) for tick in range(1, 4)]
    seen = [watch(look(0, pod(0, 1000)), *again[: count + 1]).demand for count in range(3)]
    assert [demand.coverage for demand in seen] == [0.0, 0.0, 1.0]
    assert seen[-1].arrivals_per_second == 4.0


@pytest.mark.parametrize("started", [None, START - 900.0])
def test_a_counter_that_fell_without_a_restart_shows_no_arrivals(started: float | None) -> None:
    before = (look(0, pod(0, 1000)), look(1, pod(1, 1060)))
    seen = watch(*before, look(2, pod(2, 28, started_seconds=started)))
    assert (seen.demand.coverage, seen.demand.arrivals_per_second) == (0.0, None)
    assert seen.filters.level == watch(*before).filters.level
    later = watch(*before, *(look(tick, pod(tick, 60 * tick - 92, started_seconds=started)) for tick in range(2, 5)))
    assert (later.demand.coverage, later.demand.arrivals_per_second) == (1.0, 4.0)


def test_a_pod_whose_clock_is_ahead_is_not_taken_for_a_new_one() -> None:
    ahead = START + 100.0
    moments = (look(0, pod(0, 1000, started_seconds=ahead)), look(1, pod(1, 1030, started_seconds=ahead)))
    assert watch(*moments).demand.arrivals_per_second == 2.0


def test_a_pod_born_since_the_last_tick_needs_no_earlier_sample() -> None:
    born = pod(1, 30, 1, started_seconds=START + 3.0)
    demand = watch(look(0, pod(0, 1000)), look(1, pod(1, 1015), born)).demand
    assert demand.arrivals_per_second == pytest.approx(1.0 + 30 / 14.0)
    assert demand.coverage == 1.0


def test_arrivals_at_a_pod_seen_for_the_first_time_are_not_known() -> None:
    before = (look(0, pod(0, 1000)), look(1, pod(1, 1060)))
    alone, joined = watch(*before), watch(*before, look(2, pod(2, 1075), pod(2, 5000, 1)))
    assert joined.demand.coverage == 0.5
    assert joined.filters.level == alone.filters.level


def test_a_sample_seen_at_two_ticks_adds_nothing_at_the_second() -> None:
    """It is fresh, and yet its arrivals since are unknown, which is not zero."""
    before = (look(0, pod(0, 1000), pod(0, 1000, 1)), look(1, pod(1, 1060), pod(1, 1060, 1)))
    again = look(2, pod(2, 1120), pod(1, 1060, 1))
    seen = watch(*before, again)
    assert seen.demand.coverage == 0.5
    assert seen.filters.level == watch(*before).filters.level
    caught_up = watch(*before, again, look(3, pod(3, 1180), pod(3, 1180, 1))).demand
    assert caught_up.arrivals_per_second == pytest.approx(8.0)


def test_a_pod_given_twice_counts_once() -> None:
    twice = look(1, pod(1, 1060), pod(1, 1060), ready=2)
    demand = watch(look(0, pod(0, 1000), pod(0, 1000, 1)), twice).demand
    assert demand.coverage == 0.5
    assert demand.running == 4.0


def test_missing_token_counters_leave_concurrency() -> None:
    moments = [look(tick, without_tokens(pod(tick, 1000 + 60 * tick, running=16.0))) for tick in range(3)]
    demand = watch(*moments).demand
    assert demand.basis is Basis.CONCURRENCY
    assert demand.replicas == pytest.approx(16.0 / 32.0)


def test_a_token_counter_that_goes_and_comes_back_is_no_jump() -> None:
    """What passed meanwhile is in no sum, neither its requests nor its tokens."""
    gone = replace(pod(2, 1120), request_prompt_tokens_sum=None, prompt_tokens_total=None)
    moments = [look(tick, gone if tick == 2 else pod(tick, 1000 + 60 * tick)) for tick in range(5)]
    coverage = [watch(*moments[: count + 1]).demand.coverage for count in range(5)]
    assert coverage == [0.0, 1.0, 0.0, 0.0, 1.0]
    tokens = watch(*moments).filters.tokens
    assert (tokens.prompt_tokens, tokens.generation_tokens) == (1000.0 * tokens.requests, 200.0 * tokens.requests)


def test_the_basis_changes_to_work_once_a_request_has_finished() -> None:
    begun = replace(pod(1, 4), generation_tokens_total=7.0)
    young = (look(0, pod(0, 4)), look(1, begun), look(2, pod(2, 40)))
    assert [watch(*young[: n + 1]).demand.basis for n in range(3)] == [Basis.CONCURRENCY, Basis.CONCURRENCY, Basis.WORK]
    assert watch(*young[:2]).filters.level is None  # concurrency below saturation says too little to begin with


def test_an_idle_workload_is_known_to_be_idle() -> None:
    seen = watch(*(look(tick, pod(tick, 0, running=0.0)) for tick in range(2)))
    assert seen.demand.replicas == 0.0
    assert seen.filters.level == 0.0


def test_concurrency_as_the_signal_never_weighs_tokens() -> None:
    policy = a_policy(signal=Signal.CONCURRENCY)
    demand = watch(*(look(tick, pod(tick, 1000 + 60 * tick, waiting=1.0)) for tick in range(3)), policy=policy).demand
    assert demand.basis is Basis.CONCURRENCY
    assert demand.replicas == pytest.approx(5.0 / 32.0)


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        ({"at_seconds": START + 2 * TICK - 31.0}, "stale"),
        ({"at_seconds": START + 2 * TICK + 31.0}, "from the future"),
        ({"asleep": True, "running": 0.0}, "asleep, which shows 0"),
        ({"waiting": None}, "without a gauge"),
        ({"finished_total": None}, "without its counter"),
        ({"pod": "stranger"}, "of a pod that does not serve"),
    ],
)
def test_a_pod_without_a_reading_makes_the_demand_a_lower_bound(broken: dict[str, object], what: str) -> None:
    before = (look(0, pod(0, 1000), pod(0, 1000, 1)), look(1, pod(1, 1060), pod(1, 1060, 1)))
    seen = watch(*before, look(2, pod(2, 1070), replace(pod(2, 1070, 1), **broken)))  # type: ignore[arg-type]
    assert seen.demand.coverage == 0.5, what
    assert seen.filters.level == watch(*before).filters.level


@pytest.mark.parametrize("blind", [look(2, ready=1), replace(look(2), supply=None)])
def test_no_sample_is_unknown_and_keeps_the_level(blind: Inputs) -> None:
    before = (look(0, pod(0, 1000)), look(1, pod(1, 1060)))
    seen = watch(*before, blind)
    assert (seen.demand.basis, seen.demand.coverage, seen.demand.replicas) == (Basis.UNKNOWN, 0.0, None)
    assert seen.filters.level == watch(*before).filters.level
    later = watch(*before, blind, look(3, pod(3, 1180)))
    assert later.demand.arrivals_per_second == 4.0  # the marks outlast it


def test_cached_prompt_tokens_cost_no_prefill() -> None:
    def cached(tick: int) -> PodSample:
        sample = pod(tick, 1000 + 60 * tick)
        return replace(sample, cached_prompt_tokens_total=0.5 * (sample.prompt_tokens_total or 0.0))

    demand = watch(*(look(tick, cached(tick)) for tick in range(2))).demand
    assert demand.work_seconds == pytest.approx(500 / 2500 + 200 * 0.0025, rel=0.01)


def test_a_pod_that_counts_no_cached_tokens_says_nothing_about_the_share_that_is_cached() -> None:
    def cached(tick: int) -> PodSample:
        sample = pod(tick, 1000 + 60 * tick)
        return replace(sample, cached_prompt_tokens_total=0.5 * (sample.prompt_tokens_total or 0.0))

    def lacking(tick: int) -> PodSample:
        return pod(tick, 1000 + 60 * tick, 1, cached_prompt_tokens_total=None)

    seen = watch(*(look(tick, cached(tick), lacking(tick)) for tick in range(40)))
    assert seen.demand.work_seconds == pytest.approx(500 / 2500 + 200 * 0.0025, rel=0.05)


def test_half_a_histogram_says_nothing_about_a_request() -> None:
    gauges = replace(POLICY, signal=Signal.CONCURRENCY)
    lacking = [replace(pod(tick, 1000 + 60 * tick), request_prompt_tokens_count=None) for tick in range(4)]
    seen = watch(*(look(tick, sample) for tick, sample in enumerate(lacking)), policy=gauges)
    assert (seen.filters.tokens.requests, seen.filters.tokens.prompt_tokens) == (0.0, 0.0)


def test_the_level_follows_in_two_minutes() -> None:
    fleet = Fleet()
    low = watch(*(fleet.tick(4.0) for _ in range(20)))
    risen = watch(*(fleet.tick(8.0) for _ in range(8)), filters=low.filters)
    assert low.filters.level == pytest.approx(4.0 * WORK_SECONDS)
    share = (risen.filters.level / (4.0 * WORK_SECONDS)) - 1.0  # type: ignore[operator]
    assert share == pytest.approx(1 - math.exp(-1), abs=0.02)


def test_a_steady_level_loses_its_volatility_and_a_moving_one_gains() -> None:
    def volatility(*levels: float) -> float:
        filters = Filters()
        for index, level in enumerate(levels):
            filters = advance_level(filters, START + index * TICK, level)
        assert filters.volatility is not None
        return filters.volatility

    steady, swinging = volatility(*[4.0] * 400), volatility(*(4.0 + 3.0 * math.sin(i / 20) for i in range(400)))
    assert steady < 0.01
    assert swinging > 0.3


def test_what_moved_in_a_gap_is_no_volatility() -> None:
    filters = backfilled(Filters(), [(START + i * TICK, 1.0) for i in range(100)])
    after = advance_level(filters, START + 4 * 3600.0, 30.0)
    assert after.volatility == filters.volatility


def test_history_fills_the_filters_and_never_goes_back() -> None:
    filters = backfilled(Filters(), [(START + 60.0 * i, 5.0) for i in range(60)])
    assert filters.level == pytest.approx(5.0)
    assert backfilled(filters, [(START, 50.0)]) == filters


def test_a_moment_after_a_tick_weighs_as_a_moment() -> None:
    """Ten requests within the 2 s after a tick are 5 a second for 2 s, not for a third of the last 30 s."""
    state = State()
    for tick in range(1, 4):
        inputs = look(tick, pod(tick, 1000 + 15 * tick))
        state = State(filters=observe(POLICY, state, inputs).filters)
    now = inputs.now_seconds + 2.0
    sample = replace(pod(3, 1000 + 45 + 10), at_seconds=inputs.samples[0].at_seconds + 2.0)
    later = observe(POLICY, state, replace(inputs, now_seconds=now, on_grid=False, samples=(sample,))).demand
    assert later.recent_replicas == pytest.approx((28 * 1.0 + 2 * 5.0) / 30 * later.work_seconds)
