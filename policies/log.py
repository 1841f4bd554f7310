"""The decision log: JSON lines from which every decision can be made again.

    {"kind": "header", "format": 6, "platform": "..."}                    once, first
    {"kind": "state", "name": N, "policy": {...}, "state": {...}}         when a policy starts or changes, and every 1,000 lines
    {"kind": "decision", "name": N, "inputs": {...}, "demand": {...}, "grant": {...}, "plan": {...}}
    {"kind": "start", "name": N, "start": {...}, "prior": {...}}          when a start of a replica has ended

This module writes and folds lines of text; the shells open the files.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from policies.codec import build, encode, plain
from policies.demand import observe
from policies.engine import propose, settle
from policies.errors import CodecError, LogError
from policies.model import Demand, Grant, Inputs, Plan, Policy, State, StepResult
from policies.starts import Start
from policies.supply import ColdStart

FORMAT = 6
STATE_EVERY_LINES = 1000
# What arithmetic on the values of a damaged log raises; each is of the right type, or reading would have refused it.
NONSENSE = (ArithmeticError, LookupError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision as logged."""

    line: int
    policy: Policy
    inputs: Inputs
    demand: Demand
    grant: Grant | None
    plan: Plan | None
    is_start: bool = False  # the first since the policy or its controller started


@dataclass(frozen=True, slots=True)
class Started:
    """One start of a replica as logged, and what its stages were expected to take before any was measured."""

    line: int
    policy: str  # namespace/name
    start: Start
    prior: ColdStart | None  # None: not logged


@dataclass(frozen=True, slots=True)
class Redecided:
    """One logged decision and the same decision made again."""

    logged: Decision
    again: StepResult

    @property
    def matches(self) -> bool:
        """Whether plan, reasons and demand are equal."""
        again = encode(self.again.plan), encode(self.again.demand)
        return again == (encode(self.logged.plan), encode(self.logged.demand))


class LogWriter:
    """Gives the lines of a log: the header, a policy's state wherever folding has to start again, and each decision."""

    def __init__(self, platform: str) -> None:
        self._platform = platform
        self._last: dict[str, tuple[Policy, State]] = {}  # after each policy's last line
        self._since_state: dict[str, int] = {}

    def opening(self) -> str:
        """The first line of a file. Each policy's next decision is preceded by its state again."""
        self._last.clear()
        return header_line(self._platform)

    def decided(self, policy: Policy, before: State, inputs: Inputs, result: StepResult) -> list[str]:
        """The lines of one decision. Raises ValueError where a number is not finite; nothing is taken as written then.

        `before` is the state that it was taken from. Another one than the last decision left is written as well.
        """
        name, line = policy.name, decision_line(policy, inputs, result)
        last_policy, last_state = self._last.get(name, (None, None))
        followed = last_policy == policy and last_state is before
        state_is_due = not followed or self._since_state[name] >= STATE_EVERY_LINES
        lines = [state_line(policy, before), line] if state_is_due else [line]
        self._since_state[name] = 1 if state_is_due else self._since_state[name] + 1
        self._last[name] = policy, result.state
        return lines


def header_line(platform: str) -> str:
    """The first line of a log."""
    return encode({"kind": "header", "format": FORMAT, "platform": platform})


def state_line(policy: Policy, state: State) -> str:
    """The line that folding starts from."""
    return encode({"kind": "state", "name": policy.name, "policy": plain(policy), "state": plain(state)})


def decision_line(policy: Policy, inputs: Inputs, result: StepResult) -> str:
    """The line of one decision."""
    outcome = {"demand": plain(result.demand), "grant": plain(result.grant), "plan": plain(result.plan)}
    return encode({"kind": "decision", "name": policy.name, "inputs": plain(inputs), **outcome})


def start_line(policy: str, start: Start, prior: ColdStart | None = None) -> str:
    """The line of one start of a replica that has ended. Raises ValueError where a number is not finite."""
    return encode({"kind": "start", "name": policy, "start": plain(start), "prior": plain(prior)})


def decisions(lines: Iterable[str]) -> Iterator[Decision]:
    """Every decision of a log, in order. Raises LogError, which names the bad line. An incomplete last line is skipped."""
    return (record for record in records(lines) if isinstance(record, Decision))


def records(lines: Iterable[str]) -> Iterator[Decision | Started]:
    """Every decision and every start of a log, in order, as `decisions` gives them."""
    for item in _read(lines):
        if item.decision is not None:
            yield item.decision
        elif item.started is not None:
            yield item.started


def redecide(lines: Iterable[str]) -> Iterator[Redecided]:
    """Fold the states of a log and make every decision again. Forecasts and grants are read from the log."""
    states: dict[str, State] = {}
    for item in _read(lines):
        if item.state is not None:
            states[item.name] = item.state
        if item.decision is not None:
            decision, state = item.decision, states[item.name]
            try:
                seen = observe(decision.policy, state, decision.inputs)
                again = settle(propose(decision.policy, state, seen, decision.inputs), decision.grant)
            except NONSENSE as error:
                raise LogError(
                    f"line {decision.line} has values from which nothing can be decided: {error!r}"
                ) from error
            states[item.name] = again.state
            yield Redecided(decision, again)


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    state: State | None = None
    decision: Decision | None = None
    started: Started | None = None


def _read(lines: Iterable[str]) -> Iterator[_Line]:
    policies: dict[str, Policy] = {}
    starting: set[str] = set()  # policies whose last line is a state in which nothing is decided
    opened = False
    for number, text, is_last in _numbered(lines):
        try:
            data = json.loads(text)
            if not isinstance(data, dict):
                raise CodecError("an object was expected")
            opened = opened or _header(data, number)
            line = _line(data, number, policies, starting)
        except (CodecError, KeyError, TypeError, ValueError, RecursionError) as error:
            if is_last and not text.endswith("\n"):
                return  # the writer was stopped in the middle of the line
            why = "it is not JSON" if isinstance(error, json.JSONDecodeError) else error
            why = f"it has no {error}" if isinstance(error, KeyError) else why
            raise LogError(f"line {number} is not a line of a decision log: {why}") from error
        if line is not None:
            yield line


def _line(data: dict[str, Any], number: int, policies: dict[str, Policy], starting: set[str]) -> _Line | None:
    if data["kind"] not in ("state", "decision", "start"):
        return None
    name = data["name"]
    if data["kind"] == "start":
        start = build(Start, data["start"])
        prior = None if data.get("prior") is None else build(ColdStart, data["prior"])
        return _Line(name, started=Started(number, build(str, name), start, prior))
    is_start = name in starting
    starting.discard(name)
    if data["kind"] == "state":
        policies[name], state = build(Policy, data["policy"]), build(State, data["state"])
        if state.decided.replicas is None:
            starting.add(name)
        return _Line(name, state=state)
    if name not in policies:
        raise LogError(
            f"line {number} is a decision of {name}, but no state of it was logged before; the log is incomplete"
        )
    plan = None if data["plan"] is None else build(Plan, data["plan"])
    grant = None if data["grant"] is None else build(Grant, data["grant"])
    inputs, demand = build(Inputs, data["inputs"]), build(Demand, data["demand"])
    return _Line(name, decision=Decision(number, policies[name], inputs, demand, grant, plan, is_start))


def _header(data: dict[str, Any], number: int) -> bool:
    if data.get("kind") != "header":
        raise LogError(f"line {number} should be the header of a decision log; is this another file?")
    written = data.get("format", data.get("version"))  # format 1 called it version
    if written != FORMAT:
        raise LogError(
            f"the log has format {written}; this version of outrider reads format {FORMAT}: move the file away"
        )
    return True


def _numbered(lines: Iterable[str]) -> Iterator[tuple[int, str, bool]]:
    """(number, text, whether it is the last) of every line that is not blank."""
    held: tuple[int, str] | None = None
    for number, text in enumerate(lines, start=1):
        if text.strip():
            if held is not None:
                yield (*held, False)
            held = (number, text)
    if held is not None:
        yield (*held, True)
