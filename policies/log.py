"""The decision log: JSON lines from which every decision can be taken again.

    {"kind": "header", "version": 1, "platform": "..."}                   once, first
    {"kind": "state", "name": N, "policy": {...}, "state": {...}}         when a policy starts or changes, and every 1,000 lines
    {"kind": "decision", "name": N, "inputs": {...}, "demand": {...}, "plan": {...}}

This file writes and folds lines as text; opening files is the shells' business.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from policies.codec import build, encode, plain
from policies.engine import step
from policies.errors import CodecError, LogError
from policies.model import Demand, Inputs, Plan, Policy, State, StepResult

VERSION = 1
STATE_EVERY_LINES = 1000


@dataclass(frozen=True, slots=True)
class Decision:
    """One logged decision, as it was read."""

    line: int
    policy: Policy
    inputs: Inputs
    demand: Demand
    plan: Plan | None


@dataclass(frozen=True, slots=True)
class Redecided:
    """One logged decision beside the same decision taken again."""

    logged: Decision
    again: StepResult

    @property
    def matches(self) -> bool:
        """Whether the plan, its reasons and the demand are the same."""
        again = encode(self.again.plan), encode(self.again.demand)
        return again == (encode(self.logged.plan), encode(self.logged.demand))


def header_line(platform: str) -> str:
    """The first line of a log."""
    return encode({"kind": "header", "version": VERSION, "platform": platform})


def state_line(policy: Policy, state: State) -> str:
    """The line from which folding starts."""
    return encode({"kind": "state", "name": policy.name, "policy": plain(policy), "state": plain(state)})


def decision_line(policy: Policy, inputs: Inputs, result: StepResult) -> str:
    """The line of one decision."""
    body = {"inputs": plain(inputs), "demand": plain(result.demand), "plan": plain(result.plan)}
    return encode({"kind": "decision", "name": policy.name, **body})


def decisions(lines: Iterable[str]) -> Iterator[Decision]:
    """Every decision of a log, in order; LogError names a line that does not fit. A torn last line is left out."""
    for item in _read(lines):
        if item.decision is not None:
            yield item.decision


def redecide(lines: Iterable[str]) -> Iterator[Redecided]:
    """Fold the states of a log forward and take every decision again. No forecast is fitted: it is read."""
    states: dict[str, State] = {}
    for item in _read(lines):
        if item.state is not None:
            states[item.name] = item.state
        if item.decision is not None:
            decision = item.decision
            again = step(decision.policy, states[item.name], decision.inputs)
            states[item.name] = again.state
            yield Redecided(decision, again)


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    state: State | None = None
    decision: Decision | None = None


def _read(lines: Iterable[str]) -> Iterator[_Line]:
    policies: dict[str, Policy] = {}
    opened = False
    for number, text, is_last in _numbered(lines):
        try:
            data = json.loads(text)
            if not isinstance(data, dict):
                raise CodecError("an object was expected")
            opened = opened or _header(data, number)
            line = _line(data, number, policies)
        except (CodecError, KeyError, TypeError, ValueError) as error:
            if is_last and not text.endswith("\n"):
                return  # the writer was stopped in the middle of it
            raise LogError(f"line {number} is not a line of a decision log: {error}") from error
        if line is not None:
            yield line


def _line(data: dict[str, Any], number: int, policies: dict[str, Policy]) -> _Line | None:
    if data["kind"] == "state":
        policies[data["name"]] = build(Policy, data["policy"])
        return _Line(data["name"], state=build(State, data["state"]))
    if data["kind"] == "decision":
        if data["name"] not in policies:
            raise LogError(f"line {number} decides for {data['name']}, of which no state was logged before")
        plan = None if data["plan"] is None else build(Plan, data["plan"])
        inputs, demand = build(Inputs, data["inputs"]), build(Demand, data["demand"])
        return _Line(data["name"], decision=Decision(number, policies[data["name"]], inputs, demand, plan))
    return None


def _header(data: dict[str, Any], number: int) -> bool:
    if data.get("kind") != "header":
        raise LogError(f"line {number} should be the header of a decision log; is this another file?")
    if data.get("version") != VERSION:
        raise LogError(f"the log is of version {data.get('version')}; this program reads version {VERSION}")
    return True


def _numbered(lines: Iterable[str]) -> Iterator[tuple[int, str, bool]]:
    """(number, text, is it the last) of every line that is not blank."""
    held: tuple[int, str] | None = None
    for number, text in enumerate(lines, start=1):
        if text.strip():
            if held is not None:
                yield (*held, False)
            held = (number, text)
    if held is not None:
        yield (*held, True)
