"""Rebuilds the filters from history before this process: demand and tokens.

History may lack pods, and its rates lag behind: beside a saved state it may raise the level, and never lowers anything.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from policies.capacity import request_work_seconds, sustainable_concurrency, work_seconds
from policies.demand import DRAIN_SECONDS
from policies.level import VOLATILITY_LAG_SECONDS, VOLATILITY_PRIOR, advance_level, interrupted, level_after
from policies.model import Filters, Policy, Signal, State, Tokens

MOST_OF_MAXIMUM = 10.0  # demand beyond so many times the largest fleet is no reading ...
LARGEST_FLEET = 100  # ... and a maximum may be far too small


@dataclass(frozen=True, slots=True)
class Past:
    """All pods of a workload together at one moment in the past. None means unknown; rates are per second."""

    at_seconds: float
    running: float | None
    waiting: float | None
    requests_per_second: float | None
    prompt_tokens_per_second: float | None
    generation_tokens_per_second: float | None


def lived(policy: Policy, state: State, history: Sequence[Past]) -> tuple[State, list[tuple[float, float]]]:
    """The state after a history in ascending order of time, and its known points: (seconds, demand in replicas)."""
    demand = [(past, past_demand(policy, state, past)) for past in history]
    known = [(past.at_seconds, replicas) for past, replicas in demand if replicas is not None]
    filters = backfilled(state.filters, known)
    tokens = past_tokens([past for past, replicas in demand if replicas is not None])
    if filters.tokens.requests < min(1.0, tokens.requests):
        filters = replace(filters, tokens=tokens)
    return replace(state, filters=filters), known


def caught_up(state: State, before: State, after: State, now_seconds: float) -> State:
    """The state with what a history would have given it, had it come before the first decisions.

    The history leads from `before`, where decisions began, to `after`. It gives the level until demand has been seen, and
    then may raise it; a volatility that nobody has observed yet is the history's.
    """
    filters, past = state.filters, after.filters
    if filters.tokens.requests < min(1.0, past.tokens.requests):
        filters = replace(filters, tokens=past.tokens)
    if past.level is None or past.tick_seconds is None or past.tick_seconds == before.filters.tick_seconds:
        return replace(state, filters=filters)  # it had nothing new
    is_recent = now_seconds - past.tick_seconds <= VOLATILITY_LAG_SECONDS
    if filters.level is None or (is_recent and past.level > filters.level):
        filters = interrupted(replace(filters, level=past.level), now_seconds)
    if past.volatility is not None:
        is_observed = filters.volatility not in (None, VOLATILITY_PRIOR)
        filters = replace(filters, volatility=max(past.volatility, (filters.volatility or 0.0) if is_observed else 0.0))
    return replace(state, filters=filters)


def backfilled(filters: Filters, points: Iterable[tuple[float, float]]) -> Filters:
    """Filters after these points, (seconds, demand in replicas) in ascending order; points up to the last tick are skipped.

    Neither level nor volatility is lower than before.
    """
    least, calmest = filters.level or 0.0, filters.volatility or 0.0
    for at_seconds, demand in points:
        if filters.tick_seconds is None or at_seconds > filters.tick_seconds:
            level = max(least, level_after(filters, at_seconds, demand))
            filters = advance_level(filters, at_seconds, level)
    if filters.volatility is not None:
        filters = replace(filters, volatility=max(filters.volatility, calmest))
    return filters


def past_tokens(history: Sequence[Past]) -> Tokens:
    """The tokens of recent requests as if counted live: from the last ten points that have all rates, a minute each."""
    rates = (
        (past.requests_per_second, past.prompt_tokens_per_second, past.generation_tokens_per_second) for past in history
    )
    whole = [(r, p, g) for r, p, g in rates if r is not None and p is not None and g is not None][-10:]
    requests, prompt, generation = (60.0 * sum(rate[column] for rate in whole) for column in range(3))
    return Tokens(requests=requests, prompt_tokens=prompt, generation_tokens=generation)


def past_demand(policy: Policy, state: State, past: Past) -> float | None:
    """Demand in replicas at one moment in the past, in the units of the state's level; None where it is unknown.

    Demand by work is not filled up with concurrency where rates are missing: it is far too low below saturation.
    """
    demand = _by_concurrency(policy, state, past) if policy.signal is Signal.CONCURRENCY else None
    if demand is None:
        demand = _by_work(policy, state, past)
    most = MOST_OF_MAXIMUM * max(policy.max_replicas, LARGEST_FLEET)
    return demand if demand is not None and 0.0 <= demand <= most else None


def _by_work(policy: Policy, state: State, past: Past) -> float | None:
    """Token-weighted work, with waiting requests on top."""
    requests, waiting = past.requests_per_second, past.waiting or 0.0
    prompt, generation = past.prompt_tokens_per_second, past.generation_tokens_per_second
    if requests is None or prompt is None or generation is None:
        return None
    if requests <= 0.0:
        return None if waiting > 0.0 else 0.0  # what waits and is not served is of unknown size
    # Work is linear in tokens except for its floor, so mean tokens per request give the mean work.
    prompt, generation = prompt / requests, generation / requests
    if _is_new(state):
        work = work_seconds(policy.engine, prompt, generation)
    else:
        mean = replace(state.filters.tokens, requests=1.0, prompt_tokens=prompt, generation_tokens=generation)
        work = request_work_seconds(policy.engine, state.capacity, mean) or 0.0
    return requests * work + waiting * work / DRAIN_SECONDS


def _by_concurrency(policy: Policy, state: State, past: Past) -> float | None:
    if past.running is None or past.waiting is None:
        return None
    new = _is_new(state)
    concurrency = policy.engine.max_concurrency if new else sustainable_concurrency(policy.engine, state.capacity)
    return (past.running + past.waiting) / concurrency


def _is_new(state: State) -> bool:
    """Whether there is no saved level whose units history has to share: then it is measured by the profile as it is."""
    return state.filters.level is None and state.capacity.count == 0.0
