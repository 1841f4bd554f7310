"""What a plan's prepared nodes are for."""

import pytest

from policies.balloons import count_awaited
from policies.model import Plan, Reason, Rule
from policies.supply import Supply
from tests.support import worlds
from tests.support.worlds import a_supply


def a_plan(desired: int, prepared: int, *reasons: tuple[Rule, int]) -> Plan:
    why = tuple(Reason(rule, float(value)) for rule, value in reasons)
    return worlds.a_plan(desired, prepared=prepared, prepared_reasons=why)


def placed(count: int) -> Supply:
    return a_supply(0, starting=count)


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
