"""Divides what a pool has among its members: what must be kept, then guarantees, then priority, then weighted max-min fairness.

What the next in this order lacks, nobody after it gets: else small replicas would take for good what a large one waits for.
Prepared nodes come last: none keeps a replica from growing.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from policies.grants import POOL_WIDE, Division, Share, division
from policies.line import Line, ended_holds
from policies.model import Grant
from policies.pool import Ask, Granted, Limit, Limits, Pool, Refusal
from policies.pool_text import refusal_clause


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
    found = division(pool.limits, asks, _room_usd(pool.limits, spent_usd, projected_usd), hours_left)
    _end_holds_beyond_limits(found)
    if not _give_all(found):
        for prepared in (False, True):
            _fill(found, prepared=prepared, guaranteed=True)
            _fill(found, prepared=prepared, guaranteed=False)
    return tuple([_granted(pool.name, found, share) for share in found.shares])


def without_pool(asks: Sequence[Ask], name: str = "") -> tuple[Granted, ...]:
    """The grants of workloads whose pool does not exist or is invalid: nothing grows. `name` is the pool's."""
    found = division(Limits(), asks, 0.0, 0.0)
    for share in found.shares:
        share.refused_by = Limit.NO_POOL
        share.prepared = min(share.ask.held_prepared, share.ask.asked.prepared_nodes)
    return tuple([_granted(name, found, share) for share in found.shares])


def granted_gpus(asks: Iterable[Ask], grants: Iterable[Granted]) -> int:
    """GPUs of all grants of the same asks. Of a shadow member all that run count."""
    by_workload = {ask.workload: ask for ask in asks}
    total = 0
    for each in grants:
        ask, grant = by_workload[each.workload], each.grant
        units = (
            ask.held_replicas + ask.held_prepared if ask.shadow else grant.replicas + grant.prepared_nodes
        )  # as `Share.gpus`
        total += units * ask.gpus_per_replica
    return total


def _room_usd(limits: Limits, spent_usd: float, projected_usd: float | None) -> float:
    if limits.usd_per_day is None:
        return float("inf")
    if projected_usd is None or not math.isfinite(spent_usd + projected_usd):
        return -math.inf  # also where a hold ends
    return limits.usd_per_day - max(spent_usd, projected_usd)


def _end_holds_beyond_limits(found: Division) -> None:
    """Where more is kept than a limit in GPUs allows, since it was lowered, holds end until it is met or none is left."""
    for rule in found.rules.values():
        most = rule.seat.max_gpus
        holds = ended_holds(found, float("inf"), rule)
        while most is not None and rule.gpus > most and (victim := next(holds, None)):
            victim.refused_by = Limit.MEMBER_GPUS
    holds = ended_holds(found, float("inf"))
    while found.room_gpus < 0.0 and (victim := next(holds, None)):
        victim.refused_by = Limit.POOL_GPUS


def _give_all(found: Division) -> bool:
    """Give every member that may grow all that it asks for, if all of it fits; else nothing."""
    before = [(share, share.replicas, share.prepared) for share in found.shares if share.refused_by is None]
    for share, _, _ in before:
        asked = share.ask.asked
        found.add(share, replicas=asked.replicas - share.replicas)
        found.add(share, prepared=asked.prepared_nodes - share.prepared)
    fits = (
        found.room_gpus - found.unheeded_gpus >= sum([rule.unused_gpus for rule in found.rules.values()])
        and found.room_usd > 0.0
        and all(
            rule.seat.max_gpus is None or rule.gpus + rule.unheeded_gpus <= rule.seat.max_gpus
            for rule in found.rules.values()
        )
    )
    for share, replicas, prepared in () if fits else before:
        found.add(share, prepared=prepared - share.prepared)
        found.add(share, replicas=replicas - share.replicas)
    return fits


def _fill(found: Division, *, prepared: bool, guaranteed: bool) -> None:
    """Give one unit after another to who is next, with `guaranteed` within the guarantee of its rule only."""
    if prepared:
        _refuse_behind_replicas(found)
    line = Line(found.shares, partial(Share.lacks, prepared=prepared))
    holds: dict[float, Iterator[Share]] = {}  # that may still end, by the priority for which
    is_left_guaranteed = False  # whether only those may grow to whom what is left is guaranteed
    while share := line.first():
        if guaranteed and share.rule.gpus + share.ask.gpus_per_replica > share.rule.seat.guaranteed_gpus:
            line.leave(share)
            continue
        limit = found.against(share, prepared=prepared)
        if limit in POOL_WIDE and not prepared and _make_room(found, share, limit, holds):
            limit = None
        if limit is None:
            found.add(share, replicas=0 if prepared else 1, prepared=1 if prepared else 0)
        else:
            for each in _behind(found, share, line, limit, prepared=prepared):
                each.refused_by = limit
        waits = share.refused_by is Limit.GUARANTEES and not found.never_fits(share)
        is_news = waits and not is_left_guaranteed
        is_left_guaranteed = is_left_guaranteed or is_news
        if is_news or (is_left_guaranteed and not share.rule.unused_gpus):
            for each in line.waiting():
                if not each.rule.unused_gpus:
                    each.refused_by = Limit.GUARANTEES


def _behind(found: Division, share: Share, line: Line, limit: Limit, *, prepared: bool) -> list[Share]:
    """Who gets no more, where the next does not: all that wait for the same limit; nobody waits for what can never fit."""
    if limit is not Limit.MONEY and found.never_fits(share):
        return [share]
    if limit is Limit.MEMBER_GPUS:
        return [each for each in line.waiting() if each.rule is share.rule]
    if limit is Limit.POOL_GPUS or (limit is Limit.MONEY and not prepared):  # a prepared node that exists costs no more
        return line.waiting()
    return [share]


def _refuse_behind_replicas(found: Division) -> None:
    """Refuse prepared nodes where a replica of the same priority or a higher one was refused."""
    waits_for = Limit.POOL_GPUS, Limit.GUARANTEES
    lacking = [each for each in found.shares if each.refused_by in waits_for and not found.never_fits(each)]
    for share in found.shares:
        if not share.lacks(prepared=True):
            continue
        before = [each for each in lacking if each.priority >= share.priority]
        if share.rule.unused_gpus:
            before = [each for each in before if each.refused_by is Limit.POOL_GPUS]
        if before:
            share.refused_by = min(before, key=lambda each: each.rank).refused_by


def _make_room(found: Division, share: Share, limit: Limit, holds: dict[float, Iterator[Share]]) -> bool:
    """End holds of lower priorities until one more replica fits; none if that is not enough.

    Those of `holds` go on where they were: nothing that is granted to this priority changes who of the lower ones is next.
    """
    if found.never_fits(share):
        return False
    ended: list[Share] = []
    for victim in holds.setdefault(share.priority, ended_holds(found, share.priority)):
        ended.append(victim)
        if found.against(share) is None:
            break
    else:
        for victim in ended:
            found.add(victim, replicas=1)
        del holds[share.priority]
        return False
    for victim in ended:
        victim.ended_for = victim.ended_for or share.ask.workload
        victim.refused_by = limit
    return True


def _granted(pool: str, found: Division, share: Share) -> Granted:
    ask, limit = share.ask, share.refused_by
    refused, refused_prepared = ask.asked.replicas - share.replicas, ask.asked.prepared_nodes - share.prepared
    if limit is None or not (refused or refused_prepared):
        return Granted(ask.workload, ask.asked)
    if limit is Limit.GUARANTEES and not found.reserved_gpus(share.rule):  # prepared nodes have used them
        limit = Limit.POOL_GPUS
    refusal = Refusal(limit, refused, found.limit_value(share, limit), found.holders(share, limit), refused_prepared)
    note = refusal_clause(pool, refusal, share.ended_for)
    return Granted(ask.workload, Grant(share.replicas, share.prepared, note), refusal, share.ended_for)
