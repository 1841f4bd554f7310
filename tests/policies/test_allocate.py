"""What a pool grants, case by case."""

from dataclasses import replace
from typing import Any

import pytest

from policies.allocate import allocate, without_pool
from policies.model import Grant
from policies.pool import Ask, Granted, Limit, Pool
from policies.pool_text import refusal_sentence
from tests.support.pools import a_pool, a_seat, an_ask

NAN = float("nan")


def granted(
    pool: Pool, *asks: Ask, projected_usd: float | None = 0.0, hours_left: float = 0.0, spent_usd: float = 0.0
) -> dict[str, Granted]:
    found = allocate(pool, asks, spent_usd=spent_usd, projected_usd=projected_usd, hours_left=hours_left)
    return {each.workload: each for each in found}


def replicas(found: dict[str, Granted]) -> dict[str, int]:
    return {workload: each.grant.replicas for workload, each in found.items()}


def test_without_limits_everyone_gets_what_is_asked() -> None:
    found = granted(a_pool(), an_ask("chat", 9), an_ask("code", 7, prepared=2))
    assert [each.grant for each in found.values()] == [Grant(9, 0), Grant(7, 2)]
    assert all(each.refusal is None for each in found.values())


def test_a_refusal_names_the_limit_and_who_holds_what() -> None:
    code = an_ask("code", 7, kept=7, seat=a_seat("search", owner="search", priority=1))
    found = granted(a_pool(16), an_ask("chat", 9, kept=9), code, an_ask("late", 2))
    assert replicas(found) == {"chat": 9, "code": 7, "late": 0}
    clause = "pool h100 is at its limit of 16 GPUs; chat holds 9, code 7 of team search"
    assert refusal_sentence("h100", found["late"]) == f"2 of 2 refused: {clause}"
    assert found["late"].grant.note == clause


def test_what_is_kept_counts_before_guarantees() -> None:
    search = a_seat("search", guaranteed_gpus=8)
    assert replicas(granted(a_pool(8), an_ask("chat", 6, kept=6), an_ask("code", 8, seat=search))) == {
        "chat": 6,
        "code": 2,
    }


def test_what_is_guaranteed_and_not_used_stays_free() -> None:
    search = a_seat("search", owner="search", guaranteed_gpus=4)
    found = granted(a_pool(8), an_ask("chat", 8), an_ask("code", 1, seat=search))
    assert replicas(found) == {"chat": 4, "code": 1}
    assert refusal_sentence("h100", found["chat"]) == (
        "4 of 8 refused: what is left of pool h100 is guaranteed to others; 3 to search of team search"
    )


def test_what_fits_only_beside_unused_guarantees_is_refused() -> None:
    search = a_seat("search", guaranteed_gpus=4)
    found = granted(a_pool(8), an_ask("chat", 5), an_ask("code", 1, seat=search))
    assert replicas(found) == {"chat": 4, "code": 1}
    assert found["chat"].refusal is not None
    assert found["chat"].refusal.limit is Limit.GUARANTEES


def test_a_guarantee_and_a_maximum_are_shared_by_the_workloads_of_a_rule() -> None:
    search = a_seat("search", guaranteed_gpus=4, max_gpus=5)
    found = granted(a_pool(8), an_ask("chat", 8), an_ask("code", 4, seat=search), an_ask("docs", 4, seat=search))
    assert replicas(found) == {"chat": 4, "code": 2, "docs": 2}
    found = granted(a_pool(), an_ask("code", 4, seat=search), an_ask("docs", 4, seat=search))
    assert replicas(found) == {"code": 3, "docs": 2}
    assert found["docs"].grant.note == "its member rule in pool h100 allows 5 GPUs; code holds 3, docs 2"


def test_priority_goes_first_then_weight() -> None:
    first, double = a_seat("first", priority=1), a_seat("double", weight=2.0)
    found = granted(
        a_pool(11), an_ask("a", 2, seat=first), an_ask("b", 9, seat=double), an_ask("c", 9), an_ask("d", 1, kept=1)
    )
    assert replicas(found) == {"a": 2, "b": 6, "c": 2, "d": 1}  # c and d share one rule


def test_fairness_counts_gpus_and_not_replicas() -> None:
    found = granted(a_pool(8), an_ask("large", 9, seat=a_seat("l"), gpus_per_replica=4), an_ask("small", 9))
    assert replicas(found) == {"large": 1, "small": 4}


def test_what_a_large_replica_lacks_no_small_one_behind_it_gets() -> None:
    large = an_ask("large", 1, seat=a_seat("l", priority=1), gpus_per_replica=4)
    found = granted(a_pool(6), an_ask("small", 6, kept=3), large)
    assert replicas(found) == {"large": 0, "small": 3}
    assert refusal_sentence("h100", found["large"]) == (
        "1 of 1 refused: pool h100 has 3 of its 6 GPUs left, too few for the replica that is next; small holds 3"
    )


def test_nobody_waits_for_a_replica_that_can_never_fit() -> None:
    """It is larger than its rule's limit, the pool's, or what the pool's leaves beside guarantees."""
    first, small = a_seat("first", priority=1), an_ask("small", 6, kept=2)
    large = an_ask("large", 1, gpus_per_replica=16, seat=first)
    assert replicas(granted(a_pool(8), large, small)) == {"large": 0, "small": 6}
    other = an_ask("other", 2, kept=2, seat=a_seat("other", guaranteed_gpus=4))
    medium = replace(large, gpus_per_replica=5)
    assert replicas(granted(a_pool(8), medium, other, an_ask("small", 6, kept=1))) == {
        "large": 0,
        "other": 2,
        "small": 4,
    }
    shared = a_seat("everyone", max_gpus=4)
    found = granted(a_pool(8), replace(large, seat=shared), an_ask("small", 6, kept=2, seat=shared))
    assert replicas(found) == {"large": 0, "small": 4}


def test_a_refused_higher_priority_ends_a_hold_but_not_present_demand() -> None:
    first = a_seat("first", priority=1)
    found = granted(a_pool(8), an_ask("batch", 8, kept=8, needed=5), an_ask("chat", 6, kept=0, seat=first))
    assert replicas(found) == {"batch": 5, "chat": 3}
    assert found["batch"].ended_hold_for == "chat"
    assert found["batch"].grant.note == (
        "pool h100 is at its limit of 8 GPUs; batch holds 5, chat 3; its hold was ended for chat, which has a higher priority"
    )


@pytest.mark.parametrize(
    "batch",
    [
        an_ask("batch", 8, kept=8, needed=5, seat=a_seat("first", priority=1)),  # of the same priority
        an_ask("batch", 8, kept=8, needed=5, seat=a_seat("batch", guaranteed_gpus=8)),
        an_ask("batch", 8, kept=8, needed=5, settled=True),  # it does not ask in this turn
        an_ask("batch", 8, kept=8, needed=5, shadow=True),
    ],
    ids=["priority", "guarantee", "settled", "shadow"],
)
def test_these_holds_stay(batch: Ask) -> None:
    assert replicas(granted(a_pool(8), batch, an_ask("chat", 6, seat=a_seat("first", priority=1)))) == {
        "batch": 8,
        "chat": 0,
    }


def test_no_hold_ends_in_vain() -> None:
    large = an_ask("chat", 1, seat=a_seat("first", priority=1), gpus_per_replica=8)
    assert replicas(granted(a_pool(8), an_ask("batch", 8, kept=8, needed=5), large)) == {"batch": 8, "chat": 0}


def test_a_lowered_limit_ends_holds_of_the_lowest_priority_first() -> None:
    first = a_seat("first", priority=1)
    chat, batch = an_ask("chat", 6, kept=6, needed=2, seat=first), an_ask("batch", 6, kept=6, needed=4)
    assert replicas(granted(a_pool(11), chat, batch)) == {"batch": 5, "chat": 6}
    assert replicas(granted(a_pool(9), chat, batch)) == {"batch": 4, "chat": 5}
    found = granted(a_pool(3), chat, batch)
    assert replicas(found) == {"batch": 4, "chat": 2}
    assert found["chat"].grant.note == "pool h100 is over its limit of 3 GPUs; batch holds 4, chat 2"


def test_prepared_nodes_come_after_all_replicas_and_count() -> None:
    first = a_seat("first", priority=1)
    chat = an_ask("chat", 2, kept=2, prepared=2, held_prepared=2, seat=first)
    assert granted(a_pool(4), chat)["chat"].grant == Grant(2, 2)
    found = granted(a_pool(4), chat, an_ask("code", 1))
    assert (found["code"].grant.replicas, found["chat"].grant.prepared_nodes) == (1, 1)
    assert refusal_sentence("h100", found["chat"]).startswith(
        "1 of 2 prepared nodes refused: pool h100 is at its limit"
    )


def test_who_does_not_ask_keeps_prepared_nodes_too() -> None:
    chat = an_ask("chat", 2, kept=2, prepared=2, held_prepared=2, settled=True)
    assert replicas(granted(a_pool(4), chat, an_ask("code", 1))) == {"chat": 2, "code": 0}


def test_growth_stops_where_its_cost_until_the_days_end_passes_the_limit() -> None:
    chat = an_ask("chat", 9, kept=2)  # a replica costs $2 an hour
    pool = a_pool(usd_per_day=100.0)
    assert replicas(granted(pool, chat, projected_usd=80.0, hours_left=4.0)) == {"chat": 4}
    found = granted(pool, chat, projected_usd=100.0)
    assert replicas(found) == {"chat": 2}
    assert found["chat"].grant.note == "pool h100 would spend more than its limit of $100.00 a day; chat holds 2"


@pytest.mark.parametrize("unknown", [{"projected_usd": None}, {"projected_usd": NAN}, {"spent_usd": NAN}])
def test_while_spend_or_its_projection_is_unknown_nothing_grows_under_a_limit_on_money(unknown: dict[str, Any]) -> None:
    chat = an_ask("chat", 9, kept=2)
    found = granted(a_pool(usd_per_day=100.0), chat, hours_left=1.0, **unknown)
    assert replicas(found) == {"chat": 2}
    assert found["chat"].refusal is not None
    assert found["chat"].refusal.limit is Limit.MONEY
    assert replicas(granted(a_pool(), chat, hours_left=1.0, **unknown)) == {"chat": 9}


def test_a_price_that_is_no_number_lets_nothing_grow_under_a_limit_on_money() -> None:
    chat = an_ask("chat", 9, kept=2, price_per_gpu_hour=NAN)
    assert replicas(granted(a_pool(usd_per_day=100.0), chat, hours_left=1.0)) == {"chat": 2}


def test_the_limit_on_money_keeps_prepared_nodes_that_exist() -> None:
    chat = an_ask("chat", 2, kept=2, prepared=2, held_prepared=1)
    assert granted(a_pool(usd_per_day=9.0), chat, projected_usd=9.0)["chat"].grant.prepared_nodes == 1


def test_a_workload_that_no_rule_matches_keeps_what_it_has() -> None:
    found = granted(a_pool(16), an_ask("stray", 5, kept=3, seat=None))
    assert replicas(found) == {"stray": 3}
    assert refusal_sentence("h100", found["stray"]) == "2 of 5 refused: no member rule of pool h100 matches it"


def test_of_a_shadow_member_what_runs_counts() -> None:
    shadow = an_ask("trial", 9, kept=4, held_replicas=4, shadow=True)
    found = granted(a_pool(8), shadow, an_ask("chat", 8))
    assert replicas(found) == {"chat": 4, "trial": 4}
    assert found["trial"].grant.note == "in mode Shadow it is granted what runs"


def test_what_runs_although_it_was_given_up_leaves_no_room_and_ends_no_hold() -> None:
    """A paused ScaledObject: ten replicas run where four were decided."""
    paused = an_ask("paused", 4, kept=4, held_replicas=10, unheeded_replicas=6)
    holds, chat = an_ask("holds", 3, kept=3, needed=1), an_ask("chat", 9, kept=1)
    found = granted(a_pool(16), paused, holds, chat)
    assert replicas(found) == {"paused": 4, "holds": 3, "chat": 3}
    assert found["chat"].refusal is not None
    assert found["chat"].refusal.holders == (("paused", "", 10), ("chat", "", 3), ("holds", "", 3))
    assert replicas(granted(a_pool(10), paused, holds, chat)) == {"paused": 4, "holds": 3, "chat": 1}
    limited = a_seat("limited", max_gpus=12)
    asks = (replace(paused, seat=limited), replace(holds, seat=limited), replace(chat, seat=limited))
    assert replicas(granted(a_pool(), *asks)) == {"paused": 4, "holds": 3, "chat": 1}


def test_without_its_pool_a_workload_does_not_grow() -> None:
    (found,) = without_pool([an_ask("chat", 5, kept=3, prepared=2, held_prepared=1)], "h100")
    assert (found.grant.replicas, found.grant.prepared_nodes) == (3, 1)
    assert found.refusal is not None
    assert found.refusal.limit is Limit.NO_POOL
    assert refusal_sentence("h100", found) == (
        "2 of 5 and 1 of 2 prepared nodes refused: pool h100 does not exist or is invalid"
    )


def test_many_holders_are_counted_together_from_the_sixth_on() -> None:
    asks = [an_ask(f"m{at}", 10 - at, kept=10 - at) for at in range(9)]
    found = granted(a_pool(54), *asks, an_ask("late", 1))
    assert found["late"].grant.note.endswith("m0 holds 10, m1 9, m2 8, m3 7, m4 6, others 14")
