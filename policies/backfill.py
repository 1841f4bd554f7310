"""Rebuilds the filters from history before this process: demand and tokens."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from policies.capacity import work_seconds
from policies.demand import DRAIN_SECONDS
from policies.level import advance_level, level_after
from policies.model import Filters, Policy, State, Tokens


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
    known = [(past.at_seconds, demand) for past in history if (demand := past_demand(policy, past)) is not None]
    filters = backfilled(state.filters, known)
    if filters.tokens.requests < 1.0:
        filters = replace(filters, tokens=past_tokens(history))
    return replace(state, filters=filters), known


def backfilled(filters: Filters, points: Iterable[tuple[float, float]]) -> Filters:
    """Filters after these points, (seconds, demand in replicas) in ascending order; points up to the last tick are skipped."""
    for at_seconds, demand in points:
        if filters.tick_seconds is None or at_seconds > filters.tick_seconds:
            filters = advance_level(filters, at_seconds, level_after(filters, at_seconds, demand))
    return filters


def past_tokens(history: Sequence[Past]) -> Tokens:
    """The tokens of recent requests as if counted live: from the last ten points that have all rates, a minute each."""
    rates = (
        (past.requests_per_second, past.prompt_tokens_per_second, past.generation_tokens_per_second) for past in history
    )
    whole = [(r, p, g) for r, p, g in rates if r is not None and p is not None and g is not None][-10:]
    requests, prompt, generation = (60.0 * sum(rate[column] for rate in whole) for column in range(3))
    return Tokens(requests=requests, prompt_tokens=prompt, generation_tokens=generation)


def past_demand(policy: Policy, past: Past) -> float | None:
    """Demand in replicas at one moment in the past, by the policy's profile; waiting requests are added on top.

    Token-weighted work where the rates are known, else running + waiting over a replica's concurrency, else None.
    """
    rates = (past.requests_per_second, past.prompt_tokens_per_second, past.generation_tokens_per_second)
    waiting = past.waiting or 0.0
    requests, prompt, generation = (0.0 if rate is None else rate for rate in rates)
    if None not in rates and requests > 0:
        # Work is linear in tokens except for its floor, so mean tokens per request give the mean work.
        work = work_seconds(policy.engine, prompt / requests, generation / requests)
        return requests * work + waiting * work / DRAIN_SECONDS
    if past.running is None:
        return None if None in rates else 0.0
    return (past.running + waiting) / policy.engine.max_concurrency
