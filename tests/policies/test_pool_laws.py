"""The laws of a pool's grants, over any pool that Hypothesis can think of."""

import math
import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

from hypothesis import given, settings

from policies.allocate import allocate, granted_gpus, without_pool
from policies.model import Grant
from policies.pool import Ask, Granted, Limit
from policies.pool_text import refusal_sentence
from tests.support.pools import Turn, gpus_of, kept_gpus, turns

POOL_WIDE = {Limit.POOL_GPUS, Limit.GUARANTEES, Limit.MONEY}

Found = list[tuple[Ask, Granted]]


def allocated(turn: Turn) -> Found:
    """Every member's ask and its grant."""
    money = {"spent_usd": turn.spent_usd, "projected_usd": turn.projected_usd, "hours_left": turn.hours_left}
    grants = allocate(turn.pool, turn.asks, **money)  # type: ignore[arg-type]
    return list(zip(sorted(turn.asks, key=lambda ask: ask.workload), grants, strict=True))


def grown(ask: Ask, granted: Granted) -> int:
    """Replicas beyond those kept."""
    return granted.grant.replicas - ask.kept_replicas


def new_nodes(ask: Ask, granted: Granted) -> int:
    """Prepared nodes beyond those that exist."""
    return max(0, granted.grant.prepared_nodes - ask.held_prepared)


def by_rule(found: Found, gpus: Callable[[Ask, Granted], int] = gpus_of) -> dict[str, int]:
    totals: dict[str, int] = defaultdict(int)
    for ask, granted in found:
        if ask.seat is not None:
            totals[ask.seat.member] += gpus(ask, granted)
    return totals


def priority(ask: Ask) -> float:
    return float("-inf") if ask.seat is None else ask.seat.priority


def limit_of(granted: Granted) -> Limit | None:
    return None if granted.refusal is None else granted.refusal.limit


def lacks_replicas(granted: Granted) -> bool:
    return granted.refusal is not None and granted.refusal.refused_replicas > 0


def largest(found: Found) -> dict[str, int]:
    """GPUs of the largest replica of each rule."""
    return {
        name: max(ask.gpus_per_replica for ask, _ in found if ask.seat is not None and ask.seat.member == name)
        for name in by_rule(found)
    }


def can_fit(turn: Turn, ask: Ask) -> bool:
    """Whether one replica of it could ever be granted: nobody waits for one that could not."""
    seat, limit, gpus = ask.seat, turn.pool.limits.gpus, ask.gpus_per_replica
    guaranteed = {each.seat.member: each.seat.guaranteed_gpus for each in turn.asks if each.seat is not None}
    if seat is None or (seat.max_gpus is not None and gpus > seat.max_gpus):
        return False
    return limit is None or gpus <= limit - sum(guaranteed.values()) + seat.guaranteed_gpus


def grew_freely(found: Found) -> Found:
    """Those whose replicas grew, the last one for sure wholly beyond the guarantee of their rule."""
    after = by_rule(
        found, lambda ask, granted: gpus_of(ask, granted) - granted.grant.prepared_nodes * ask.gpus_per_replica
    )
    return [
        (ask, granted)
        for ask, granted in found
        if ask.seat is not None
        and grown(ask, granted) > 0
        and after[ask.seat.member] - largest(found)[ask.seat.member] >= ask.seat.guaranteed_gpus
    ]


def l1_no_more_is_granted_than_the_limit_or_what_is_kept(turn: Turn) -> None:
    found, limit = allocated(turn), turn.pool.limits.gpus
    total, kept = sum(gpus_of(*each) for each in found), sum(kept_gpus(ask) for ask, _ in found)
    assert total == granted_gpus(turn.asks, [granted for _, granted in found])
    if limit is not None:
        assert total <= max(limit, kept)
        revisable = [each for each in found if not each[0].settled and not each[0].shadow]
        if any(grown(*each) > 0 for each in found) or any(granted.grant.prepared_nodes for _, granted in revisable):
            assert total <= limit
    for member, gpus in by_rule(found).items():
        most = next(ask.seat.max_gpus for ask in turn.asks if ask.seat is not None and ask.seat.member == member)
        assert most is None or gpus <= max(most, by_rule(found, lambda ask, _: kept_gpus(ask))[member])


def l2_nobody_gets_more_than_asked_or_less_than_present_demand(turn: Turn) -> None:
    for ask, granted in allocated(turn):
        assert granted.grant.replicas <= ask.asked.replicas
        assert granted.grant.prepared_nodes <= ask.asked.prepared_nodes
        assert granted.grant.replicas >= min(ask.kept_replicas, ask.needed_replicas)
        if ask.settled or ask.shadow:
            assert granted.grant.replicas >= ask.kept_replicas
        if ask.shadow or ask.seat is None:
            assert grown(ask, granted) <= 0


def l3_a_hold_ends_for_a_higher_priority_that_grows_or_where_more_is_kept_than_a_limit(turn: Turn) -> None:
    found = allocated(turn)
    by_name = {ask.workload: (ask, granted) for ask, granted in found}
    limit, kept = turn.pool.limits.gpus, sum(kept_gpus(ask) for ask, _ in found)
    kept_of = by_rule(found, lambda ask, _: kept_gpus(ask))
    for ask, granted in found:
        if granted.ended_hold_for:
            winner, won = by_name[granted.ended_hold_for]
            assert priority(winner) > priority(ask)
            assert grown(winner, won) > 0
            assert grown(ask, granted) < 0
        elif grown(ask, granted) < 0:
            seat = ask.seat
            of_rule = seat is not None and seat.max_gpus is not None and kept_of[seat.member] > seat.max_gpus
            assert of_rule or (limit is not None and kept > limit)
        if grown(ask, granted) < 0 and ask.seat is not None:  # what is guaranteed stays
            assert by_rule(found)[ask.seat.member] >= ask.seat.guaranteed_gpus


def l4_a_guarantee_comes_before_all_growth_beyond_guarantees(turn: Turn) -> None:
    found = allocated(turn)
    totals = by_rule(found)
    for ask, granted in found:
        seat = ask.seat
        if seat is None or not lacks_replicas(granted) or limit_of(granted) not in POOL_WIDE or grown(ask, granted) < 0:
            continue
        if not can_fit(turn, ask):
            continue
        if totals[seat.member] + ask.gpus_per_replica <= seat.guaranteed_gpus and limit_of(granted) is not Limit.MONEY:
            free = [each for each in grew_freely(found) if priority(each[0]) <= seat.priority]
            assert free == []


def l5_a_higher_priority_comes_first(turn: Turn) -> None:
    found = allocated(turn)
    for ask, granted in found:
        if (
            lacks_replicas(granted)
            and limit_of(granted) in POOL_WIDE
            and grown(ask, granted) >= 0
            and can_fit(turn, ask)
        ):
            assert all(priority(other) >= priority(ask) for other, _ in grew_freely(found))


def l6_equal_priorities_share_by_weight_in_gpus(turn: Turn) -> None:
    """Who grew had no more for its weight before its last replica than the one that was refused has now."""
    plain = [replace(ask, asked=Grant(ask.asked.replicas, 0), held_prepared=0) for ask in turn.asks]
    found = allocated(replace(turn, asks=tuple(plain)))
    totals, most = by_rule(found), largest(found)
    for ask, granted in found:
        refused = ask.seat
        if refused is None or limit_of(granted) not in POOL_WIDE or grown(ask, granted) < 0 or not can_fit(turn, ask):
            continue
        for other, _ in grew_freely(found):
            seat = other.seat
            if seat is not None and seat.member != refused.member and seat.priority == refused.priority:
                before = (totals[seat.member] - most[seat.member]) / seat.weight
                assert before <= totals[refused.member] / refused.weight + 1e-9


def l7_the_order_of_the_asks_does_not_matter(turn: Turn) -> None:
    by_size = sorted(turn.asks, key=lambda ask: (ask.asked.replicas, ask.gpus_per_replica))
    for asks in (tuple(reversed(turn.asks)), tuple(by_size)):
        assert allocated(replace(turn, asks=asks)) == allocated(turn)


def l8_the_limit_on_money_stops_growth_on_projected_spend(turn: Turn) -> None:
    found, limit = allocated(turn), turn.pool.limits.usd_per_day
    if limit is None:
        return
    spent = math.inf if turn.projected_usd is None else max(turn.spent_usd, turn.projected_usd)
    cost = 0.0
    for ask, granted in found:
        units = grown(ask, granted) + new_nodes(ask, granted)
        cost += units * ask.gpus_per_replica * ask.price_per_gpu_hour * turn.hours_left
    if any(grown(*each) > 0 or new_nodes(*each) > 0 for each in found):
        assert spent + cost <= limit + 1e-6


def l9_a_refusal_names_the_limit_and_who_holds_what(turn: Turn) -> None:
    found = allocated(turn)
    total = sum(gpus_of(*each) for each in found)
    for ask, granted in found:
        refusal, asked, grant = granted.refusal, ask.asked, granted.grant
        if refusal is None:
            assert grant == asked
            continue
        assert refusal.refused_replicas == asked.replicas - grant.replicas
        assert refusal.refused_prepared == asked.prepared_nodes - grant.prepared_nodes
        assert refusal.refused_replicas or refusal.refused_prepared
        assert refusal.limit is Limit.NO_POOL or refusal.limit is Limit.SHADOW or turn.pool.name in grant.note
        assert refusal_sentence(turn.pool.name, granted).endswith(grant.note)
        held = [gpus for _, _, gpus in refusal.holders]
        assert held[:5] == sorted(held[:5], reverse=True)
        assert all(held)
        if refusal.limit in (Limit.POOL_GPUS, Limit.MONEY):
            assert sum(held) == total
        if refusal.limit is Limit.MEMBER_GPUS and ask.seat is not None:
            assert refusal.limit_value == ask.seat.max_gpus
            assert sum(held) == by_rule(found)[ask.seat.member]
        if refusal.limit is Limit.GUARANTEES:
            assert sum(held) == refusal.limit_value > 0


def l10_what_fits_is_granted(turn: Turn) -> None:
    """Without limits only strangers and shadow members are refused anything; and a refusal by the pool's limit is true."""
    found, limit = allocated(turn), turn.pool.limits.gpus
    unlimited = Turn(type(turn.pool)("h100", "", "", ()), turn.asks)
    for ask, granted in allocated(unlimited):
        most = ask.seat.max_gpus if ask.seat is not None else None
        if ask.seat is not None and not ask.shadow and most is None:
            assert granted.grant == ask.asked
    room = float("inf") if limit is None else limit - sum(gpus_of(*each) for each in found)
    by_pool = [ask for ask, granted in found if limit_of(granted) is Limit.POOL_GPUS and grown(ask, granted) >= 0]
    if by_pool and all(grown(*each) >= 0 for each in found):  # a hold that ends may leave room until the next turn
        assert room < max(ask.gpus_per_replica for ask in by_pool)


def l11_a_second_turn_in_which_nobody_asks_changes_nothing(turn: Turn) -> None:
    """Between two ticks the members that do not ask have what they settled: what one was given is not given twice."""
    found = allocated(turn)
    settled = Turn(
        turn.pool, tuple(_settled(ask, granted) for ask, granted in found), turn.spent_usd, turn.projected_usd
    )
    kept = sum(gpus_of(*each) for each in found)
    again = allocated(settled)
    limit = turn.pool.limits.gpus
    assert limit is None or sum(gpus_of(*each) for each in again) <= max(limit, kept)
    for (ask, granted), (_, before) in zip(again, found, strict=True):
        assert granted.grant.replicas >= before.grant.replicas or ask.shadow


def l12_without_its_pool_nothing_grows(turn: Turn) -> None:
    for ask, granted in zip(sorted(turn.asks, key=lambda ask: ask.workload), without_pool(turn.asks), strict=True):
        assert granted.grant.replicas == min(ask.kept_replicas, ask.asked.replicas)
        assert limit_of(granted) in (None, Limit.NO_POOL)


def l13_growth_beyond_guarantees_leaves_what_is_guaranteed_to_others(turn: Turn) -> None:
    found, limit = allocated(turn), turn.pool.limits.gpus
    room = float("inf") if limit is None else limit - sum(gpus_of(*each) for each in found)
    totals = by_rule(found)
    guaranteed = {ask.seat.member: ask.seat.guaranteed_gpus for ask in turn.asks if ask.seat is not None}
    for ask, _ in grew_freely(found):
        others = [name for name in totals if ask.seat is not None and name != ask.seat.member]
        assert room >= sum(max(0, guaranteed[name] - totals[name]) for name in others)


def l14_where_more_is_kept_than_the_limit_no_hold_is_left(turn: Turn) -> None:
    found, limit = allocated(turn), turn.pool.limits.gpus
    totals = by_rule(found)
    if limit is None or sum(gpus_of(*each) for each in found) <= limit:
        return
    for ask, granted in found:
        is_held = granted.grant.replicas > min(ask.kept_replicas, ask.needed_replicas)
        if not is_held or ask.settled or ask.shadow:
            continue
        assert ask.seat is not None
        assert totals[ask.seat.member] - ask.gpus_per_replica < ask.seat.guaranteed_gpus


def _settled(ask: Ask, granted: Granted) -> Ask:
    grant = granted.grant
    held = ask.held_replicas if ask.shadow else max(ask.held_replicas, grant.replicas)
    prepared = ask.held_prepared if ask.shadow else grant.prepared_nodes
    return replace(ask, kept_replicas=grant.replicas, held_replicas=held, held_prepared=prepared, settled=True)


LAWS = (
    l1_no_more_is_granted_than_the_limit_or_what_is_kept,
    l2_nobody_gets_more_than_asked_or_less_than_present_demand,
    l3_a_hold_ends_for_a_higher_priority_that_grows_or_where_more_is_kept_than_a_limit,
    l4_a_guarantee_comes_before_all_growth_beyond_guarantees,
    l5_a_higher_priority_comes_first,
    l6_equal_priorities_share_by_weight_in_gpus,
    l7_the_order_of_the_asks_does_not_matter,
    l8_the_limit_on_money_stops_growth_on_projected_spend,
    l9_a_refusal_names_the_limit_and_who_holds_what,
    l10_what_fits_is_granted,
    l11_a_second_turn_in_which_nobody_asks_changes_nothing,
    l12_without_its_pool_nothing_grows,
    l13_growth_beyond_guarantees_leaves_what_is_guaranteed_to_others,
    l14_where_more_is_kept_than_the_limit_no_hold_is_left,
)


# `make fuzz` draws 10,000 pools where it draws 2,000 of all else: each takes 8 ms.
POOLS = settings().max_examples * (5 if os.environ.get("OUTRIDER_HYPOTHESIS") == "explore" else 1)


@settings(max_examples=POOLS)
@given(turns())
def test_every_law_holds(turn: Turn) -> None:
    """One pool for all laws: to draw it takes longer than to check it."""
    for law in LAWS:
        law(turn)
