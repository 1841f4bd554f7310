"""Up fast, down slow, as timelines: what is asked for, tick by tick, and what is decided."""

import pytest

from policies import stabilize
from policies.demand import Observation
from policies.engine import restarted, stabilized, step
from policies.model import Basis, Capacity, Decided, Demand, Filters, Inputs, Policy, Reason, Rule, State
from tests.support.worlds import COLD_START, START, TICK, Fleet, a_policy, a_supply


def decide(policy: Policy, *asked: float, start: int = 0, coverage: float = 1.0) -> list[tuple[int, Rule]]:
    """What is decided at each tick, and the rule that set it, when this was asked for."""
    decided, decisions = Decided(replicas=start), []
    for tick, replicas in enumerate(asked):
        now = START + tick * TICK
        demand = Demand(now, Basis.WORK, coverage, replicas, replicas, 0.0, 0.0, 0.0, 1.0)
        seen = Observation(demand, Filters(level=replicas), Capacity(), faulty=False)
        inputs = Inputs(now, True, (), a_supply(start), COLD_START)
        count, reasons, decided, _ = stabilized(policy, decided, (Reason(Rule.VOLATILITY, replicas),), seen, inputs)
        decided = stabilize.moved(decided, count, now)
        decisions.append((count, reasons[0].rule))
    return decisions


def counts(policy: Policy, *asked: float, **changes: float) -> list[int]:
    return [count for count, _ in decide(policy, *asked, **changes)]  # type: ignore[arg-type]


FREE = a_policy(hold_seconds=0.0, scale_down_percent_per_minute=100.0)


@pytest.mark.parametrize(
    ("policy", "asked", "decided"),
    [
        (FREE, (1, 9, 2), [1, 9, 2]),
        (a_policy(hold_seconds=30.0, scale_down_percent_per_minute=100.0), (1, 9, 2, 2, 2), [1, 9, 9, 2, 2]),
        # The newest peak within the hold stays, and a smaller one that follows it takes over when it ends;
        # another release comes a minute later.
        (
            a_policy(hold_seconds=45.0, scale_down_percent_per_minute=100.0),
            (9, 5, 2, 2, 2, 2, 2, 2),
            [9, 9, 9, 5, 5, 5, 5, 2],
        ),
        # A quarter a minute, one replica at the least.
        (a_policy(hold_seconds=0.0), (12, 1, 1, 1, 1, 1), [12, 9, 9, 9, 9, 7]),
        (a_policy(hold_seconds=0.0), (3, 1, 1, 1, 1, 1), [3, 2, 2, 2, 2, 1]),
        (a_policy(hold_seconds=0.0, scale_down_percent_per_minute=1.0), (9, 1, 1), [9, 8, 8]),
        # Growth within a minute, seen from the least of it.
        (a_policy(scale_up_replicas_per_minute=3), (9, 9, 9, 9, 9, 9), [3, 3, 3, 3, 6, 6]),
        (FREE, (99,), [20]),
        (a_policy(min_replicas=2, hold_seconds=0.0), (0,), [2]),
    ],
)
def test_timelines(policy: Policy, asked: tuple[float, ...], decided: list[int]) -> None:
    assert counts(policy, *asked) == decided


def test_each_rule_that_changes_the_number_says_so() -> None:
    assert decide(a_policy(hold_seconds=30.0), 9, 2)[1] == (9, Rule.HOLD)
    assert decide(a_policy(hold_seconds=0.0), 9, 2)[1] == (7, Rule.SCALE_DOWN_LIMIT)
    assert decide(a_policy(scale_up_replicas_per_minute=1), 9)[0] == (1, Rule.SCALE_UP_LIMIT)
    assert decide(a_policy(max_replicas=3), 9)[0] == (3, Rule.MAXIMUM)
    assert decide(FREE, 0)[0] == (1, Rule.MINIMUM)
    assert decide(FREE, 1, start=5, coverage=0.0)[0] == (5, Rule.UNKNOWN)
    assert decide(FREE, 1, start=5, coverage=0.8)[0] == (5, Rule.PARTIAL)
    assert decide(FREE, 4)[0] == (4, Rule.VOLATILITY)


def test_the_maximum_beats_the_hold_and_the_minimum_beats_the_growth_limit() -> None:
    assert counts(a_policy(max_replicas=4, hold_seconds=900.0), 9, 1, start=9) == [4, 4]
    assert counts(a_policy(min_replicas=3, scale_up_replicas_per_minute=1), 9) == [3]


def test_peaks_are_few() -> None:
    peaks: stabilize.Peaks = ()
    for second in range(1000):
        peaks = stabilize.remember(peaks, START + second, second % 7, 300.0)
    assert len(peaks) <= 7
    assert [count for _, count in peaks] == sorted({count for _, count in peaks}, reverse=True)


def test_within_the_bounds_there_is_no_reason() -> None:
    assert stabilize.bound(a_policy(min_replicas=2, max_replicas=4), 3) is None


def test_a_restart_holds_what_runs_and_what_was_decided() -> None:
    policy = a_policy(hold_seconds=60.0, scale_down_percent_per_minute=100.0)
    fleet = Fleet(pods=6)
    state = restarted(policy, COLD_START, State(decided=Decided(replicas=8)), fleet.now)
    plans = []
    for _ in range(6):
        result = step(policy, state, fleet.tick(1.0))
        state = result.state
        assert result.plan is not None
        plans.append((result.plan.desired_replicas, result.plan.replica_reasons[0].rule))
    assert plans[:3] == [(8, Rule.HOLD)] * 3
    assert plans[3][0] < 8


def test_after_a_restart_without_anything_known_there_is_no_plan() -> None:
    result = step(
        a_policy(), restarted(a_policy(), COLD_START, State(), START), Inputs(START, True, (), None, COLD_START)
    )
    assert result.plan is None
