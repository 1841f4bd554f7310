"""One record, one sentence: every reason that the core can give has its sentence."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given

from policies.engine import step
from policies.explain import PHRASES, duration, explain, phrase
from policies.model import Mode, Plan, Policy, Reason, Rule, State, Window
from tests.policies.test_properties import histories, lived, policies
from tests.support import worlds
from tests.support.worlds import Fleet, Moment, a_fan, a_policy, a_supply


def test_every_rule_has_a_phrase() -> None:
    assert set(PHRASES) == set(Rule)


@given(policies, histories)
def test_every_reason_of_any_history_has_its_sentence(policy: Policy, history: list[Moment]) -> None:
    _, steps, _ = lived(policy, history)
    for _, result in steps:
        if result.plan is not None:
            assert explain(result.plan).endswith(".")
            for reason in (*result.plan.replica_reasons, *result.plan.prepared_reasons):
                assert "{" not in phrase(reason)


def a_rich_history() -> list[Plan]:
    """A day that provokes every rule: a fan, windows, bursts, silence, limits, a restart, events between ticks."""
    plans: list[Plan] = []
    calm = a_policy(max_prepared_nodes=2, scale_up_replicas_per_minute=2, min_replicas=2, max_replicas=14)
    fleet, state = Fleet(pods=3), State()

    def live(policy: Policy, rate: float, waiting: float = 0.0, **changes: object) -> None:
        nonlocal state
        result = step(policy, state, fleet.tick(rate, waiting, **changes))
        state = result.state
        plans.extend([result.plan] if result.plan else [])

    for _ in range(8):
        live(calm, 2.0)
    for _ in range(4):
        live(calm, 9.0, 30.0)
    live(calm, 9.0, 60.0, on_grid=False)
    live(calm, 0.1, on_grid=False)
    live(calm, 0.1, samples=())
    live(calm, 0.1, supply=None)
    live(calm, 80.0, fan=a_fan(fleet.now + 15.0, 30.0))
    for ahead in (200.0, 500.0):
        live(calm, 2.0, windows=(Window("fair", fleet.now + ahead, fleet.now + 9e3, 18),))
    for _ in range(120):
        live(calm, 0.1, supply=a_supply(3, prepared=1))
    for _ in range(120):
        live(replace(calm, min_replicas=1), 0.9, supply=a_supply(2))
    free = replace(calm, hold_seconds=0.0, max_prepared_nodes=0, scale_up_replicas_per_minute=None)
    for rate in (4.0, 4.0, 4.0, 0.0, 0.0, 0.0, 0.0):
        live(free, rate)
    state = replace(state, decided=replace(state.decided, replicas=9))
    live(free, 0.0, on_grid=False)
    live(free, 0.0, supply=a_supply(4))
    state = replace(state, decided=replace(state.decided, blind_until_seconds=fleet.now + 60.0))
    live(free, 0.0)
    return plans


def test_a_history_that_provokes_every_rule() -> None:
    plans = a_rich_history()
    reasons = [reason for plan in plans for reason in (*plan.replica_reasons, *plan.prepared_reasons)]
    assert {reason.rule for reason in reasons} == set(Rule) - {Rule.GRANT}  # a pool's, which `test_engine` provokes
    assert all(phrase(reason) for reason in reasons)
    assert all(explain(now, before) for before, now in pairwise(plans))


DEMAND = (("level", 3.9), ("lead_seconds", 250.0))


def a_plan(replicas: int, *reasons: Reason, prepared: int = 0) -> Plan:
    return worlds.a_plan(replicas, *reasons, prepared=prepared, prepared_reasons=(Reason(Rule.HANDOVER, 1.0),))


def shadow(replicas: int, *, current: int | None, prepared: int = 0) -> Plan:
    return replace(a_plan(replicas, prepared=prepared), mode=Mode.SHADOW, current_replicas=current)


@pytest.mark.parametrize(
    ("now", "before", "sentence"),
    [
        (a_plan(1), None, "Runs 1 replica: minReplicas is 1."),
        (a_plan(1), a_plan(1), "Keeps 1 replica: minReplicas is 1."),
        (a_plan(2), a_plan(1), "Grows from 1 to 2 replicas: minReplicas is 1."),
        (a_plan(1), a_plan(2), "Shrinks from 2 to 1 replica: minReplicas is 1."),
        (
            a_plan(6, Reason(Rule.VOLATILITY, 5.6, DEMAND)),
            a_plan(4),
            "Grows from 4 to 6 replicas: demand of 3.9 replicas may reach 5.6 before a new replica is up (4 min 10 s).",
        ),
        (
            a_plan(5, Reason(Rule.VOLATILITY, 4.9, (*DEMAND, ("headroom_factor", 0.74)))),
            a_plan(5),
            (
                "Keeps 5 replicas: demand of 3.9 replicas may reach 4.9 before a new replica is up (4 min 10 s, with 26% less"
                " headroom than usual, since few requests were late)."
            ),
        ),
        (
            a_plan(6, Reason(Rule.VOLATILITY, 5.9, (*DEMAND, ("headroom_factor", 1.29)))),
            a_plan(6),
            (
                "Keeps 6 replicas: demand of 3.9 replicas may reach 5.9 before a new replica is up (4 min 10 s, with 29% more"
                " headroom than usual, since many requests were late)."
            ),
        ),
        (
            a_plan(4, Reason(Rule.BETWEEN_TICKS, 4.0), Reason(Rule.MINIMUM, 1.0)),
            a_plan(4),
            "Keeps 4 replicas: nothing is scaled down between two decision ticks (next highest is 1: minReplicas is 1).",
        ),
        (
            a_plan(4, Reason(Rule.SCHEDULED, 4.0, (("starts_in_seconds", 0.0),), "fair")),
            None,
            "Runs 4 replicas: schedule fair requires 4 (open now).",
        ),
        (
            a_plan(4, Reason(Rule.SCHEDULED, 4.0, (("starts_in_seconds", 90.0),), "fair")),
            None,
            "Runs 4 replicas: schedule fair requires 4 (opens in 1 min 30 s).",
        ),
        (
            a_plan(1, prepared=1),
            a_plan(1),
            "Keeps 1 replica: minReplicas is 1; 1 prepared node: kept for 1 replica still without a node.",
        ),
        (
            a_plan(4, Reason(Rule.MAXIMUM, 4.0), Reason(Rule.MINIMUM, 5.0)),
            None,
            "Runs 4 replicas: maxReplicas is 4 (5 were asked for: minReplicas is 5).",
        ),
        (
            shadow(8, current=5),
            a_plan(7),
            "Would grow to 8 replicas (5 run): minReplicas is 1.",
        ),
        (
            replace(a_plan(8), current_replicas=5),
            shadow(8, current=5),
            "Grows from 5 to 8 replicas: minReplicas is 1.",
        ),
        (replace(a_plan(5), current_replicas=5), shadow(8, current=5), "Keeps 5 replicas: minReplicas is 1."),
        (a_plan(5), shadow(8, current=5), "Runs 5 replicas: minReplicas is 1."),
        (shadow(1, current=5), a_plan(7), "Would shrink to 1 replica (5 run): minReplicas is 1."),
        (shadow(8, current=1), None, "Would grow to 8 replicas (1 runs): minReplicas is 1."),
        (shadow(5, current=5), a_plan(7), "Would keep 5 replicas: minReplicas is 1."),
        (shadow(5, current=None), a_plan(7), "Would run 5 replicas (how many run is unknown): minReplicas is 1."),
        (
            shadow(5, current=5, prepared=1),
            None,
            "Would keep 5 replicas: minReplicas is 1; would hold 1 prepared node: kept for 1 replica still without a node.",
        ),
    ],
)
def test_sentences(now: Plan, before: Plan | None, sentence: str) -> None:
    assert explain(now, before) == sentence


@pytest.mark.parametrize(
    ("waiting", "recent", "clause"),
    [
        (0.0, 6.0, "demand over the last 30 s is 6.0 replicas"),
        (0.0, 0.01, "demand over the last 30 s is 0.0 replicas"),
        (12.0, 6.0, "requests waiting: 12 (1.5 s of work per replica); demand over the last 30 s is 6.0 replicas"),
        (12.0, 0.01, "requests waiting: 12 (1.5 s of work per replica)"),
    ],
)
def test_what_is_zero_is_left_out(waiting: float, recent: float, clause: str) -> None:
    numbers = (("waiting_requests", waiting), ("queue_seconds", 1.5), ("recent", recent))
    assert phrase(Reason(Rule.REACTIVE, 6.0, numbers)) == clause


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.6, "1 min"), (250.0, "4 min 10 s"), (3600.0, "1 h"), (7323.0, "2 h 2 min 3 s")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
