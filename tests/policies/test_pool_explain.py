"""A pool's plan in sentences."""

from dataclasses import replace

import pytest

from policies.allocate import allocate
from policies.pool import Claim, Limits, PoolPlan, PoolReason, Step
from policies.pool_explain import PHRASES, STEPS, explain_pool, pool_phrase
from policies.standby import StandbyRule
from tests.support.pools import a_pool, a_seat, an_ask

SHARED = PoolReason(
    StandbyRule.SHARED,
    2.0,
    (("level_gpus", 9.6), ("lead_seconds", 270.0), ("needed_gpus", 15.0), ("held_gpus", 13.0)),
)
PLAN = PoolPlan(0.0, (), 0, (), (), granted_gpus=14, held_gpus=12)


def test_a_pool_says_what_it_grants_and_to_whom_it_refuses() -> None:
    code = an_ask("code", 7, kept=7, seat=a_seat("search", owner="search"))
    pool = a_pool(16, 900.0)
    grants = allocate(pool, [an_ask("chat", 9, kept=9), code, an_ask("late", 2)], spent_usd=0.0, projected_usd=0.0)
    plan = replace(PLAN, grants=grants, granted_gpus=16, projected_usd=768.0)
    assert explain_pool(pool, plan) == (
        (
            "Pool h100 of platform (contact: #gpus) grants 16 of 16 GPUs; 12 are held;"
            " the day comes to $768.00 if that stays, of a limit of $900.00."
        ),
        "late: 2 of 2 refused: pool h100 is at its limit of 16 GPUs; chat holds 9, code 7 of team search.",
    )


def test_a_pool_without_limits_and_names() -> None:
    pool = replace(a_pool(), owner="", contact="", limits=Limits())
    assert explain_pool(pool, PLAN) == ("Pool h100 grants 14 GPUs; 12 are held.",)


def test_standby_is_explained_by_the_rule_that_decided_and_what_it_overruled() -> None:
    limited = PoolReason(StandbyRule.POOL_LIMIT, 1.0, (("asked", 2.0), ("limit_gpus", 16.0)))
    plan = replace(PLAN, standby_nodes=1, reasons=(limited, SHARED), claims=(Claim("spot", 1, Step.FIRST),))
    assert explain_pool(a_pool(16), plan)[1:] == (
        (
            "Holds 1 node in standby: the limit of 16 GPUs leaves room for 1 (otherwise 2: demand of all members together,"
            " 9.6 GPUs, may need 15 before a new node is up (4 min 30 s), and they hold 13)."
        ),
        "Holds 1 node from spot, the first offering that is open and does not rest.",
    )


def test_a_pool_without_standby_says_nothing_of_it() -> None:
    none = replace(PLAN, reasons=(replace(SHARED, nodes=0.0),), claims=(Claim("spot", 0, Step.FIRST),))
    assert len(explain_pool(a_pool(), none)) == 1
    most = PoolReason(StandbyRule.MAXIMUM, 0.0, (("asked", 2.0),))  # none is asked for, whatever demand is
    assert len(explain_pool(a_pool(), replace(PLAN, reasons=(most, SHARED)))) == 1


def test_what_is_unknown_is_named() -> None:
    reason = PoolReason(StandbyRule.UNKNOWN, 2.0, (("levels", 1.0), ("standby", 1.0)))
    assert (
        pool_phrase(reason)
        == "the demand of 1 member and which nodes stand by are not known, so no standby node is let go"
    )


@pytest.mark.parametrize("step", Step)
def test_every_step_of_an_offering_has_a_sentence(step: Step) -> None:
    assert explain_pool(a_pool(), replace(PLAN, claims=(Claim("spot", 1, step),)))[1].endswith(".")


def test_every_rule_of_standby_has_a_phrase() -> None:
    assert set(PHRASES) == set(StandbyRule)
    assert set(STEPS) == set(Step)
