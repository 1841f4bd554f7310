"""Canonical JSON there and back; a value that does not fit is named with its place."""

import json
from dataclasses import replace

import pytest

from policies.codec import decode, encode, plain
from policies.engine import step
from policies.errors import CodecError
from policies.model import Capacity, Decided, Filters, Plan, Policy, State
from tests.support.worlds import Fleet, a_policy


def a_state() -> State:
    fleet, state = Fleet(), State()
    for _ in range(10):
        state = step(a_policy(), state, fleet.tick(5.0, 3.0)).state
    return state


def broken(value: object, where: str, instead: object) -> str:
    """The value's JSON, with another value at `where`."""
    data = plain(value)
    *path, last = (int(part) if part.isdigit() else part for part in where.split("."))
    inner = data
    for part in path:
        inner = inner[part]
    inner[last] = instead
    return json.dumps(data)


def test_there_and_back() -> None:
    for value in (a_state(), a_policy(), State()):
        assert decode(type(value), encode(value)) == value


def test_one_value_is_spelled_one_way() -> None:
    text = encode(a_state())
    assert encode(decode(State, text)) == text
    assert encode(decode(State, json.dumps(json.loads(text), indent=2, sort_keys=False))) == text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("where", "instead", "message"),
    [
        ("filters.level", "high", "State.filters.level: float was expected, not 'high'"),
        ("filters.level", True, "State.filters.level: float was expected, not True"),
        ("filters.level", float("nan"), "State.filters.level: a finite number was expected"),
        ("filters.level", float("-inf"), "State.filters.level: a finite number was expected"),
        ("filters.level", 10**400, "State.filters.level: a finite number was expected"),
        ("filters.marks.1.reading.pod", 3, "State.filters.marks[1].reading.pod: str was expected, not 3"),
        ("filters.marks.0.reading.at_seconds", None, "State.filters.marks[0].reading.at_seconds: float was expected"),
        ("filters.marks", {}, "State.filters.marks: a list was expected, not {}"),
        ("filters.levels.0", [1.0], "State.filters.levels[0]: 2 items were expected, not 1"),
        ("decided.peaks.0.1", 2.5, "State.decided.peaks[0][1]: int was expected, not 2.5"),
        ("decided", [], "State.decided: an object was expected, not []"),
        ("decided.mood", 1, "State.decided: unknown fields ['mood']; was it written by a newer version?"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_with_its_location(where: str, instead: object, message: str) -> None:
    with pytest.raises(CodecError) as caught:
        decode(State, broken(a_state(), where, instead))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"filters"', "not JSON"),
        ("", "not JSON"),
        ("7", "Plan: an object was expected, not 7"),
        ("{}", "Plan: .*missing .*at_seconds"),
    ],
)
def test_a_text_that_is_not_a_plan(text: str, message: str) -> None:
    with pytest.raises(CodecError, match=message):
        decode(Plan, text)


def test_an_unknown_name_is_reported() -> None:
    with pytest.raises(CodecError, match=r"Policy\.signal: 'Utilisation' is not a valid Signal"):
        decode(Policy, broken(a_policy(), "signal", "Utilisation"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_not_written(value: float) -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        encode(replace(a_state(), filters=Filters(level=value)))


def test_a_state_without_its_newer_fields_is_read_with_their_defaults() -> None:
    assert decode(State, '{"capacity":{"count":2}}') == State(Filters(), Capacity(count=2.0), Decided())
