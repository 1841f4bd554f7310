"""Prepared nodes: enough for the long lead, kept until their replica stands on them, never bought twice."""

from dataclasses import replace

import pytest

from policies import echelons
from policies.echelons import HOLD_SECONDS
from policies.ladder import lead_seconds
from policies.model import Decided, Filters, Inputs, Policy, Reason, Rule, Window
from policies.recommend.total import total_floor
from policies.supply import Rung, Supply
from tests.support.worlds import COLD_START, START, TICK, a_policy, a_supply

POLICY = a_policy(max_prepared_nodes=3)
CALM = Filters(level=4.0, volatility=0.0)


def an_input(supply: Supply | None, minimum: int, tick: int = 0, *, on_grid: bool = True) -> Inputs:
    """A window asks for `minimum` units in all."""
    windows = (Window("fair", START, START + 9e9, minimum),)
    return Inputs(START + tick * TICK, on_grid, (), supply, COLD_START, windows=windows)


def prepare(
    policy: Policy, decided: Decided, filters: Filters, inputs: Inputs, replicas: int
) -> tuple[int, tuple[Reason, ...], Decided]:
    total = total_floor(policy, filters, inputs, lead_seconds(COLD_START, Rung.REQUESTED))
    return echelons.prepare(policy, decided, total, inputs, replicas)


def test_units_for_the_long_lead_that_do_not_serve_are_prepared() -> None:
    asked, reasons, _ = prepare(POLICY, Decided(), CALM, an_input(a_supply(8), 10), 8)
    assert asked == 2
    assert [reason.rule for reason in reasons] == [Rule.PREPARED, Rule.SCHEDULED]
    assert dict(reasons[0].numbers)["units"] == 10.0


@pytest.mark.parametrize(
    ("minimum", "replicas", "prepared", "placed", "most"),
    [
        (20, 8, 0, 8, 3),  # the policy's limit
        (30, 19, 0, 19, 1),  # no unit beyond max_replicas
        (30, 20, 0, 20, 0),
        (30, 20, 2, 18, 2),  # those two are the nodes of the replicas that are on their way, not others
    ],
)
def test_never_bought_twice(minimum: int, replicas: int, prepared: int, placed: int, most: int) -> None:
    inputs = an_input(a_supply(placed), minimum)
    asked, _, _ = prepare(POLICY, Decided(prepared=prepared), CALM, inputs, replicas)
    assert asked == most


def test_a_prepared_node_is_given_up_once_the_replica_stands_on_it() -> None:
    """4 serve, 2 are prepared, 6 are decided: node by node the balloons make room."""
    decided, held = Decided(prepared=2), []
    for tick, placed in enumerate((4, 4, 5, 5, 6, 6, 6, 6, 6, 6)):
        inputs = an_input(a_supply(4, starting=placed - 4), 6, tick)
        asked, reasons, decided = prepare(POLICY, decided, CALM, inputs, 6)
        decided = replace(decided, prepared=asked)
        held.append((asked, reasons[0].rule))
    assert held[:4] == [(2, Rule.HANDOVER), (2, Rule.HANDOVER), (1, Rule.HANDOVER), (1, Rule.HANDOVER)]
    assert {count for count, _ in held[4:]} == {0}


def test_prepared_nodes_are_held_for_a_minute() -> None:
    decided, held = Decided(), []
    for tick, minimum in enumerate((10, 8, 8, 8, 8, 8)):
        asked, _, decided = prepare(POLICY, decided, Filters(), an_input(a_supply(8), minimum, tick), 8)
        decided = replace(decided, prepared=asked)
        held.append(asked)
    assert held == [2, 2, 2, 2, 0, 0]
    assert HOLD_SECONDS == 60.0


def test_what_was_prepared_is_not_held_beside_the_replicas_that_take_it() -> None:
    """8 serve and 2 are prepared for a window; as it opens, 10 are decided, and within the minute all 10 are placed."""
    _, _, decided = prepare(POLICY, Decided(), Filters(), an_input(a_supply(8), 10), 8)
    decided = replace(decided, prepared=2)
    held = []
    for tick, placed in enumerate((8, 9, 10), start=1):
        asked, _, decided = prepare(POLICY, decided, Filters(), an_input(a_supply(placed), 10, tick), 10)
        decided = replace(decided, prepared=asked)
        held.append(asked)
    assert held == [2, 1, 0]


@pytest.mark.parametrize(
    ("minimum", "prepared"),
    [
        (10, [0, 0, 0, 0, 0, 0]),  # what served is not prepared as it is released
        (12, [2, 2, 2, 2, 0, 0]),  # what was prepared is held, and no more than that
    ],
)
def test_as_replicas_and_need_fall_together_nothing_is_prepared_anew(minimum: int, prepared: list[int]) -> None:
    """A window ends, and of 10 replicas a few are released at a time, down to what is needed then."""
    decided, asked_for = Decided(), []
    for tick, (units, replicas) in enumerate([(minimum, 10), (5, 8), (5, 8), (5, 6), (5, 6), (5, 5)]):
        inputs = an_input(a_supply(replicas), units, tick)
        asked, _, decided = prepare(POLICY, decided, Filters(), inputs, replicas)
        decided = replace(decided, prepared=asked)
        asked_for.append(asked)
    assert asked_for == prepared


@pytest.mark.parametrize(
    ("inputs", "blind_until", "rule"),
    [
        (an_input(None, 8), None, Rule.UNKNOWN),
        (an_input(a_supply(8), 8, on_grid=False), None, Rule.BETWEEN_TICKS),
        (an_input(a_supply(8), 8), START + 60.0, Rule.RESTARTED),
    ],
)
def test_what_is_prepared_stays_while_nothing_may_fall(inputs: Inputs, blind_until: float | None, rule: Rule) -> None:
    decided = Decided(prepared=2, blind_until_seconds=blind_until)
    asked, reasons, _ = prepare(POLICY, decided, Filters(), inputs, 8)
    assert (asked, reasons[0].rule) == (2, rule)


@pytest.mark.parametrize("supply", [None, a_supply(4)])
def test_what_was_prepared_before_a_limit_was_lowered_goes_even_if_nothing_is_known(supply: Supply | None) -> None:
    inputs = Inputs(START, True, (), supply, COLD_START)
    asked, reasons, _ = prepare(a_policy(max_prepared_nodes=1), Decided(prepared=5), Filters(), inputs, 4)
    assert (asked, reasons[0].rule) == (1, Rule.PREPARED_LIMIT)
