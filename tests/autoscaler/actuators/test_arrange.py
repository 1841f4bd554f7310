"""What a plan's prepared nodes are for."""

import pytest

from autoscaler.actuators.arrange import count_awaited
from policies.model import Plan, Reason, Rule, Supply


def a_plan(desired: int, prepared: int, *reasons: tuple[Rule, int]) -> Plan:
    return Plan(0.0, desired, prepared, (), tuple(Reason(code, float(value)) for code, value in reasons))


def placed(count: int) -> Supply:
    return Supply(count, (), count, 0, 0, 0)


@pytest.mark.parametrize(
    ("plan", "supply", "count"),
    [
        (a_plan(3, 2, (Rule.PREPARED, 2)), placed(1), 0),  # for later, whatever comes now
        (a_plan(3, 2, (Rule.HANDOVER, 2), (Rule.PREPARED, 0)), placed(1), 2),
        (a_plan(3, 2, (Rule.HANDOVER, 2), (Rule.PREPARED, 1)), placed(1), 1),
        (a_plan(3, 2, (Rule.HANDOVER, 2), (Rule.PREPARED_HOLD, 1), (Rule.PREPARED, 0)), placed(1), 1),
        (a_plan(3, 2, (Rule.HANDOVER, 2), (Rule.PREPARED, 0)), placed(2), 1),  # one has arrived since
        (a_plan(3, 2, (Rule.RESTARTED, 2), (Rule.PREPARED, 0)), placed(1), 2),
        (a_plan(1, 2, (Rule.RESTARTED, 2), (Rule.PREPARED, 0)), placed(1), 0),
        (a_plan(3, 2, (Rule.UNKNOWN, 2)), placed(1), 0),
        (a_plan(3, 2, (Rule.HANDOVER, 2), (Rule.PREPARED, 0)), None, 0),
    ],
)
def test_what_is_prepared_only_for_replicas_on_their_way(plan: Plan, supply: Supply | None, count: int) -> None:
    assert count_awaited(plan, supply) == count
