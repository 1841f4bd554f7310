"""History from Prometheus: where a state begins without one, and what it may do to a saved one."""

import math
from dataclasses import replace

import pytest

from policies.backfill import Past, caught_up, lived
from policies.level import VOLATILITY_PRIOR
from policies.model import Capacity, Filters, Signal, State, Tokens
from tests.support.worlds import START, a_policy

POLICY = a_policy(max_replicas=40)
MINUTE = 60.0
WORK = 0.9  # replica-seconds of a request of 1,000 prompt and 200 generated tokens, by the profile
RATE = 7.9  # requests per second
STEADY = Past(
    START,
    running=30.0,
    waiting=0.0,
    requests_per_second=RATE,
    prompt_tokens_per_second=1000 * RATE,
    generation_tokens_per_second=200 * RATE,
)
SAVED = State(
    Filters(
        tick_seconds=START - 30.0,
        level=RATE * WORK,
        volatility=0.05,
        tokens=Tokens(300.0, 300_000.0, 60_000.0),
    ),
    Capacity(),
)


def points(**changes: float | None) -> list[Past]:
    return [replace(STEADY, at_seconds=START + i * MINUTE, **changes) for i in range(60)]


def share(of: float) -> list[Past]:
    rates = {
        name: of * getattr(STEADY, name)
        for name in ("requests_per_second", "prompt_tokens_per_second", "generation_tokens_per_second", "running")
    }
    return points(**rates)


def test_a_new_state_begins_at_the_level_of_its_history() -> None:
    state, known = lived(POLICY, State(), points())
    assert state.filters.level == pytest.approx(RATE * WORK)
    assert state.filters.volatility == pytest.approx(0.0, abs=0.02)
    assert len(known) == 60
    assert state.filters.tokens.prompt_tokens / state.filters.tokens.requests == pytest.approx(1000.0)


@pytest.mark.parametrize("of", [1.0, 0.5, 0.0, 0.01])
def test_history_never_lowers_a_saved_state(of: float) -> None:
    """Half of the pods may be missing in Prometheus, or all."""
    state, _ = lived(POLICY, SAVED, share(of))
    level, volatility = state.filters.level, state.filters.volatility
    assert level is not None
    assert level >= (SAVED.filters.level or 0.0) * 0.9999
    assert volatility is not None
    assert volatility >= 0.05
    assert state.filters.tokens == SAVED.filters.tokens
    assert all(each >= (SAVED.filters.level or 0.0) * 0.9999 for _, each in state.filters.levels)


def test_history_raises_a_saved_level_in_the_units_that_were_learned() -> None:
    learned = replace(SAVED, capacity=Capacity(count=200.0, log_work_ratio=math.log(1.5)))
    state, _ = lived(POLICY, learned, share(2.0))
    assert state.filters.level == pytest.approx(2 * RATE * WORK * 1.5, rel=0.03)


def test_what_is_cached_is_no_work() -> None:
    tokens = Tokens(300.0, 300_000.0, 60_000.0, prefilled_tokens=300_000.0, cached_tokens=150_000.0)
    warm = replace(SAVED, filters=replace(SAVED.filters, tokens=tokens))
    _, known = lived(POLICY, warm, points())
    _, cold = lived(POLICY, SAVED, points())
    assert 0.0 < known[0][1] < cold[0][1]


def test_a_burst_that_is_over_leaves_the_level_where_it_was() -> None:
    burst = [replace(past, requests_per_second=5 * RATE) for past in points()[:5]]
    state, _ = lived(
        POLICY, SAVED, [*burst, *(replace(past, at_seconds=past.at_seconds + 5 * MINUTE) for past in points())]
    )
    assert state.filters.level == pytest.approx(SAVED.filters.level)


@pytest.mark.parametrize("missing", ["requests_per_second", "prompt_tokens_per_second", "generation_tokens_per_second"])
def test_demand_by_work_is_unknown_where_a_rate_is(missing: str) -> None:
    """Running requests over a replica's concurrency would be a tenth of it."""
    state, known = lived(POLICY, State(), points(**{missing: None}))
    assert known == []
    assert state == State()


def test_demand_by_concurrency_is_that_of_running_and_waiting_requests() -> None:
    policy = replace(POLICY, signal=Signal.CONCURRENCY)
    state, _ = lived(policy, State(), points())
    assert state.filters.level == pytest.approx(30.0 / policy.engine.max_concurrency)


@pytest.mark.parametrize("value", [1e300, 1e9, math.inf, math.nan, -1.0])
@pytest.mark.parametrize("column", ["requests_per_second", "prompt_tokens_per_second", "generation_tokens_per_second"])
def test_what_cannot_be_is_dropped(column: str, value: float) -> None:
    history = points()
    history[30] = replace(history[30], **{column: value})
    for before in (State(), SAVED):
        state, known = lived(POLICY, before, history)
        assert len(known) >= 59
        assert all(math.isfinite(each) for each in (state.filters.level or 0.0, state.filters.volatility or 0.0))
        assert (state.filters.level or 0.0) < 2 * RATE * WORK
        assert state.filters.tokens.requests < 1e4


def test_few_requests_of_before_are_worth_more_than_none_of_history() -> None:
    few = replace(SAVED, filters=replace(SAVED.filters, tokens=Tokens(0.5, 500.0, 100.0)))
    idle = points(requests_per_second=0.0, prompt_tokens_per_second=0.0, generation_tokens_per_second=0.0)
    assert lived(POLICY, few, idle)[0].filters.tokens == few.filters.tokens


def test_a_queue_that_nothing_leaves_is_unknown() -> None:
    idle = {"requests_per_second": 0.0, "prompt_tokens_per_second": 0.0, "generation_tokens_per_second": 0.0}
    assert [demand for _, demand in lived(POLICY, State(), points(**idle))[1]] == [0.0] * 60
    assert lived(POLICY, State(), points(waiting=40.0, **idle))[1] == []


def seen(state: State, level: float | None, volatility: float | None, at_seconds: float) -> State:
    """The state after some decisions."""
    filters = replace(state.filters, tick_seconds=at_seconds, level=level, volatility=volatility)
    return replace(state, filters=filters)


END = START + 59 * MINUTE


@pytest.mark.parametrize("level", [None, 1.0, 90.0])
def test_a_history_that_comes_late_raises_what_was_seen_meanwhile(level: float | None) -> None:
    after, _ = lived(POLICY, State(), points())
    now = seen(State(), level, None if level is None else VOLATILITY_PRIOR, END + MINUTE)
    late = caught_up(now, State(), after, END + MINUTE).filters
    assert late.level == max(level or 0.0, after.filters.level or 0.0)
    assert late.volatility == after.filters.volatility  # nobody has observed another
    assert late.tokens == after.filters.tokens
    assert late.tick_seconds == END + MINUTE


@pytest.mark.parametrize("of", [2.0, 1.0, 0.5, 0.0])
def test_a_history_that_comes_late_lowers_nothing_of_what_was_saved(of: float) -> None:
    now = seen(SAVED, SAVED.filters.level, 0.3, END + MINUTE)
    late = caught_up(now, SAVED, lived(POLICY, SAVED, share(of))[0], END + MINUTE).filters
    assert (late.level or 0.0) >= (SAVED.filters.level or 0.0)
    assert late.volatility == 0.3
    assert late.tokens == SAVED.filters.tokens


def test_a_history_without_news_changes_nothing() -> None:
    now = seen(SAVED, 1.0, 0.01, END + MINUTE)
    for history in ([], [replace(each, at_seconds=each.at_seconds - 2 * 60 * MINUTE) for each in points()]):
        assert caught_up(now, SAVED, lived(POLICY, SAVED, history)[0], END + MINUTE) == now


def test_a_level_of_long_ago_raises_none_that_was_seen_since() -> None:
    after, _ = lived(POLICY, State(), points())
    now = seen(State(), 1.0, VOLATILITY_PRIOR, END + 10 * MINUTE)
    assert caught_up(now, State(), after, END + 10 * MINUTE).filters.level == 1.0
