"""The decision log: folded from its states, every decision comes out as it was written."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from policies.engine import restarted, step
from policies.errors import LogError
from policies.log import (
    LogWriter,
    Started,
    decision_line,
    decisions,
    header_line,
    records,
    redecide,
    start_line,
    state_line,
)
from policies.model import Inputs, Policy, State
from tests.support.starts import a_start
from tests.support.worlds import COLD_START, Fleet, a_fan, a_policy


def inputs_of(chance: Random, fleet: Fleet) -> Inputs:
    """Any moment: on the grid or between two ticks, with what may be missing, a fan, sometimes."""
    inputs = fleet.tick(chance.uniform(0, 20), chance.choice([0.0, 0.0, 3.0, 40.0]))
    if chance.random() < 0.2:
        fleet.now -= chance.uniform(1.0, 14.0)
        return replace(inputs, now_seconds=fleet.now, on_grid=False)
    if chance.random() < 0.1:
        return replace(inputs, samples=inputs.samples[1:])
    if chance.random() < 0.1:
        return replace(inputs, supply=None)
    return replace(inputs, fan=a_fan(fleet.now, chance.uniform(0, 20))) if chance.random() < 0.3 else inputs


def written(policies: list[Policy], moments: int, *, again_every: int = 1000, seed: int = 1) -> Iterator[str]:
    """A log of these policies, whose states are repeated every so many decisions of each."""
    chance = Random(seed)
    fleets, states = {p.name: Fleet() for p in policies}, {p.name: State() for p in policies}
    yield header_line("test") + "\n"
    for moment in range(moments):
        for policy in policies:
            if moment % again_every == 0:
                yield state_line(policy, states[policy.name]) + "\n"
            inputs = inputs_of(chance, fleets[policy.name])
            result = step(policy, states[policy.name], inputs)
            states[policy.name] = result.state
            yield decision_line(policy, inputs, result) + "\n"


@pytest.mark.parametrize("moments", [60, pytest.param(600, marks=pytest.mark.slow)])
def test_a_long_and_varied_history_is_redecided_to_the_letter(moments: int) -> None:
    policies = [a_policy(), a_policy(name="chat/other", max_prepared_nodes=0, scale_up_replicas_per_minute=2)]
    again = list(redecide(written(policies, moments, again_every=moments * 5 // 12)))
    assert len(again) == 2 * moments
    assert [item.logged.line for item in again if not item.matches] == []


def test_folding_starts_at_any_state() -> None:
    header, *lines = written([a_policy()], 90, again_every=30)
    third = [line for line in lines[62:] if line]
    assert json.loads(third[0])["kind"] == "state"
    again = list(redecide([header, *third]))
    assert len(again) == 30
    assert all(item.matches for item in again)


def test_a_state_takes_over_what_is_no_decision() -> None:
    """A restart changes the state between two decisions."""
    policy, fleet = a_policy(), Fleet()
    first = step(policy, State(), inputs := fleet.tick(5.0))
    new = restarted(policy, COLD_START, first.state, fleet.now)
    second = step(policy, new, later := fleet.tick(0.1))
    lines = [header_line("x"), state_line(policy, State()), decision_line(policy, inputs, first)]
    lines += [state_line(policy, new), decision_line(policy, later, second)]
    assert all(item.matches for item in redecide(line + "\n" for line in lines))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda data: data["plan"]["echelons"][0].update(count=17), "another number"),
        (lambda data: data["plan"]["echelons"][0]["reasons"].pop(), "a reason less"),
        (lambda data: data["demand"].update(waiting=3.5), "another demand"),
        (lambda data: data.update(plan=None), "no plan"),
    ],
)
def test_what_was_changed_afterwards_does_not_match(change: Callable[[dict[str, Any]], object], what: str) -> None:
    *lines, last = written([a_policy()], 20)
    data = json.loads(last)
    change(data)
    again = list(redecide([*lines, json.dumps(data)]))
    assert [item.matches for item in again] == [True] * 19 + [False], what


def test_a_torn_last_line_is_left_out() -> None:
    lines = list(written([a_policy()], 5))
    for cut in (1, 10, len(lines[-1]) // 2, len(lines[-1]) - 2):
        assert len(list(decisions([*lines[:-1], lines[-1][:cut]]))) == 4
    assert len(list(decisions([*lines[:-1], lines[-1][:-1]]))) == 5  # whole, but for the line's end


def test_a_torn_line_in_the_middle_is_named() -> None:
    lines = list(written([a_policy()], 5))
    lines[3] = lines[3][:40] + "\n"
    with pytest.raises(LogError, match="line 4 is not a line of a decision log"):
        list(decisions(lines))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["hello\n"], "line 1 is not a line of a decision log: it is not JSON"),
        (['{"kind":"decision"}\n', "\n"], "line 1 should be the header"),
        (["[]\n", "\n"], "line 1 is not a line of a decision log: an object was expected"),
        (["7\n"], "line 1 is not a line of a decision log: an object was expected"),
        (
            ['{"kind":"header","version":1}\n'],
            "the log has format 1; this version of outrider reads format 7: move the file away",
        ),
        (
            [header_line("x"), '{"kind":"decision","name":"chat/qwen"}\n'],
            "line 2 is a decision of chat/qwen, but no state",
        ),
        ([header_line("x"), '{"kind":"state","name":"chat/qwen"}\n'], "line 2 .*policy"),
        ([header_line("x"), '{"kind":"state","name":"a/b","policy":{},"state":{}}\n'], "line 2 .*Policy.* missing"),
    ],
)
def test_another_file_is_refused(lines: list[str], message: str) -> None:
    with pytest.raises(LogError, match=message):
        list(decisions(lines))


def test_a_decision_that_cannot_be_written_costs_no_other_one() -> None:
    """The next line carries its state, since the one before it is missing."""
    policy, fleet, state = a_policy(), Fleet(), State()
    writer = LogWriter("test")
    lines = [writer.opening()]
    for moment in range(4):
        inputs = fleet.tick(5.0)
        result = step(policy, state, inputs)
        broken = replace(result, demand=replace(result.demand, running=float("inf"))) if moment == 1 else result
        with suppress(ValueError):
            lines += writer.decided(policy, state, inputs, broken)
        state = result.state
    again = list(redecide(f"{line}\n" for line in lines))
    assert [item.matches for item in again] == [True] * 3
    assert [json.loads(line)["kind"] for line in lines] == [
        "header",
        "state",
        "decision",
        "state",
        "decision",
        "decision",
    ]


def test_an_empty_log_has_no_decisions() -> None:
    assert list(decisions([])) == []
    assert list(redecide(["\n", header_line("x") + "\n", "\n"])) == []


def test_a_start_is_read_as_it_was_written_and_decides_nothing() -> None:
    """Also before the first decision of its policy, and between two."""
    start = a_start(Random(1))
    line = start_line("chat/qwen", start, COLD_START)
    lines = [*written([a_policy()], 4), line + "\n"]
    lines = [lines[0], line + "\n", *lines[1:]]
    starts = [record for record in records(lines) if isinstance(record, Started)]
    assert starts == [Started(number, "chat/qwen", start, COLD_START) for number in (2, len(lines))]
    assert len(list(decisions(lines))) == 4
    assert all(item.matches for item in redecide(lines))


def test_a_start_may_be_logged_without_a_prior() -> None:
    start = a_start(Random(1))
    (read,) = records([header_line("x") + "\n", start_line("chat/qwen", start) + "\n"])
    assert read == Started(2, "chat/qwen", start, None)


def test_a_damaged_start_is_refused_with_its_line() -> None:
    line = start_line("chat/qwen", a_start(Random(1)), COLD_START).replace('"image"', '"picture"')
    with pytest.raises(LogError, match=r"line 2 is not a line of a decision log: Start\.spans\[3\]\.part: 'picture'"):
        list(records([header_line("x") + "\n", line + "\n"]))


def test_a_start_without_an_end_in_numbers_is_not_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        start_line("chat/qwen", replace(a_start(Random(1)), requested_seconds=float("nan")), COLD_START)
