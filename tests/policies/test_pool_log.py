"""The decisions of pools in the decision log: written, read and made again, between those of the policies."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import pytest

from policies.engine import step
from policies.errors import LogError
from policies.log import (
    Allocation,
    Decision,
    LogWriter,
    Reallocated,
    allocation_line,
    decisions,
    header_line,
    pool_line,
    records,
    redecide,
)
from policies.model import State
from policies.pool import PoolResult, PoolState
from policies.pool_step import pool_step
from tests.support.pool_logs import POOL, a_result, an_ask, pool_inputs
from tests.support.worlds import Fleet, a_policy


def kinds(lines: list[str]) -> list[str]:
    return [json.loads(line)["kind"] for line in lines]


def written(moments: int) -> Iterator[str]:
    """A policy and a pool, one after the other."""
    writer, policy, fleet, state, pool_state = LogWriter("test"), a_policy(), Fleet(), State(), PoolState()
    yield writer.opening() + "\n"
    for moment in range(moments):
        inputs = fleet.tick(5.0)
        result = step(policy, state, inputs)
        of_pool = pool_inputs(15.0 * moment)
        pooled = a_result(of_pool)
        lines = writer.allocated(POOL, pool_state, of_pool, pooled) + writer.decided(policy, state, inputs, result)
        state, pool_state = result.state, pooled.state
        yield from (f"{line}\n" for line in lines)


def test_an_allocation_is_read_as_it_was_written() -> None:
    found = [each for each in records(written(3)) if isinstance(each, Allocation)]
    assert [(each.pool, each.inputs, each.plan) for each in found] == [
        (POOL, pool_inputs(15.0 * moment), a_result(pool_inputs(15.0 * moment)).plan) for moment in range(3)
    ]
    assert [each.before for each in found] == [PoolState(), None, None]


def test_allocations_stand_between_the_decisions_of_the_policies() -> None:
    found = list(records(written(2)))
    assert [type(each) for each in found] == [Allocation, Decision, Allocation, Decision]
    assert len(list(decisions(written(2)))) == 2


def test_the_state_of_a_pool_is_written_first_again_after_1000_lines_and_where_it_is_another() -> None:
    writer, inputs = LogWriter("test"), pool_inputs()
    result = a_result(inputs)
    assert kinds(writer.allocated(POOL, PoolState(), inputs, result)) == ["pool", "allocation"]
    lines = [each for _ in range(1000) for each in writer.allocated(POOL, result.state, inputs, result)]
    assert kinds(lines).index("pool") == 999
    assert kinds(writer.allocated(POOL, PoolState(), inputs, result)) == ["pool", "allocation"]
    assert kinds(writer.allocated(replace(POOL, owner="x"), result.state, inputs, result)) == ["pool", "allocation"]
    writer.opening()
    assert kinds(writer.allocated(POOL, result.state, inputs, result)) == ["pool", "allocation"]


def test_after_one_that_cannot_be_written_the_state_is_written_again() -> None:
    writer, inputs = LogWriter("test"), pool_inputs()
    result = a_result(inputs)
    writer.allocated(POOL, PoolState(), inputs, result)
    broken = PoolResult(PoolState(standby_nodes=1), replace(result.plan, projected_usd=float("inf")))
    with pytest.raises(ValueError, match="not JSON compliant"):
        writer.allocated(POOL, result.state, inputs, broken)
    assert kinds(writer.allocated(POOL, broken.state, inputs, result)) == ["pool", "allocation"]


def test_an_allocation_without_a_state_is_refused() -> None:
    line = allocation_line(POOL, pool_inputs(), a_result(pool_inputs()))
    with pytest.raises(LogError, match="line 2 is an allocation of pool h100, but no state of it was logged before"):
        list(records([header_line("x"), line + "\n"]))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (pool_line(POOL, PoolState()).replace('"Spot"', '"Spotty"'), r"line 2 .*Pool\.offerings\[1\]\.kind: 'Spotty'"),
        (pool_line(POOL, PoolState()).replace('"state"', '"estate"'), "line 2 .*it has no 'state'"),
        ('{"kind":"allocation","name":["h100"]}', "line 2 .*unhashable"),
    ],
)
def test_a_damaged_line_of_a_pool_is_refused_with_its_number(line: str, message: str) -> None:
    with pytest.raises(LogError, match=message):
        list(records([header_line("x"), line + "\n"]))


def test_a_log_of_format_6_is_refused_in_one_sentence() -> None:
    with pytest.raises(
        LogError, match=r"the log has format 6; this version of outrider reads format 7: move the file away$"
    ):
        list(records(['{"kind":"header","format":6,"platform":"x"}\n']))


def live(moments: int) -> Iterator[str]:
    """A pool that decides by the core, on the grid and between two ticks; its demand rises and falls."""
    writer, state = LogWriter("test"), PoolState()
    yield writer.opening() + "\n"
    for moment in range(moments):
        asked = 2 + moment % 5 * 3
        on_grid = moment % 3 != 2
        asks = an_ask(asked=asked, level_gpus=float(asked)), an_ask("code/llama", "tools", asked=4 + moment % 2)
        inputs = pool_inputs(15.0 * moment, *asks, on_grid=on_grid)
        result = pool_step(POOL, state, inputs)
        yield from (f"{line}\n" for line in writer.allocated(POOL, state, inputs, result))
        state = result.state


def test_every_decision_of_a_pool_comes_out_again() -> None:
    again = list(redecide(live(60)))
    assert len(again) == 60
    assert all(isinstance(each, Reallocated) and each.matches for each in again)


def test_folding_a_pool_starts_at_any_state() -> None:
    header, _, *lines = live(30)
    state = next(islice((each.again.state for each in redecide(live(30)) if isinstance(each, Reallocated)), 9, None))
    again = list(redecide([header, pool_line(POOL, state) + "\n", *lines[10:]]))
    assert len(again) == 20
    assert all(each.matches for each in again)


def test_a_grant_that_was_changed_afterwards_does_not_match() -> None:
    *lines, last = live(20)
    data = json.loads(last)
    data["plan"]["grants"][0]["grant"]["replicas"] += 1
    assert [each.matches for each in redecide([*lines, json.dumps(data)])] == [True] * 19 + [False]


def test_values_from_which_no_pool_decides_are_refused_with_their_line() -> None:
    *lines, last = live(3)
    data = json.loads(last)
    data["inputs"]["asks"][0]["used_gpus"] = 1e308
    data["inputs"]["asks"][0]["price_per_gpu_hour"] = 1e308
    data["inputs"]["on_grid"] = True
    data["inputs"]["now_seconds"] += 60.0
    with pytest.raises(LogError, match=r"line 5 has values from which nothing can be decided"):
        list(redecide([*lines, json.dumps(data) + "\n"]))
