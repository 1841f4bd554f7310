"""The decision log: JSON lines from which every decision can be made again.

    {"kind": "header", "format": 7, "platform": "..."}                    once, first
    {"kind": "state", "name": N, "policy": {...}, "state": {...}}         when a policy starts or changes, and every 1,000 lines
    {"kind": "decision", "name": N, "inputs": {...}, "demand": {...}, "grant": {...}, "plan": {...}}
    {"kind": "start", "name": N, "start": {...}, "prior": {...}}          when a start of a replica has ended
    {"kind": "pool", "name": N, "pool": {...}, "state": {...}}            as "state", of a pool
    {"kind": "allocation", "name": N, "inputs": {...}, "plan": {...}}     a decision of a pool

This module writes and folds lines of text; the shells open the files.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from policies.codec import build, encode, plain
from policies.demand import observe
from policies.engine import propose, settle
from policies.errors import CodecError, LogError
from policies.model import Demand, Grant, Inputs, Plan, Policy, State, StepResult
from policies.pool import Pool, PoolInputs, PoolPlan, PoolResult, PoolState
from policies.pool_step import pool_step
from policies.starts import Start
from policies.supply import ColdStart

FORMAT = 7
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
class Allocation:
    """One decision of a pool as logged."""

    line: int
    pool: Pool
    inputs: PoolInputs
    plan: PoolPlan
    before: PoolState | None = None  # where the log states it here; None: what the allocation before left


Record = Decision | Started | Allocation


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


@dataclass(frozen=True, slots=True)
class Reallocated:
    """One logged decision of a pool and the same decision made again."""

    logged: Allocation
    again: PoolResult

    @property
    def matches(self) -> bool:
        """Whether the plans are equal: grants, refusals, standby nodes, claims and reasons."""
        return encode(self.again.plan) == encode(self.logged.plan)


class LogWriter:
    """Gives the lines of a log: the header, a state wherever folding has to start again, and each decision."""

    def __init__(self, platform: str) -> None:
        self._platform = platform
        # What the last line of each policy (namespace/name) and each pool (name) left.
        self._last: dict[str, tuple[Policy | Pool, State | PoolState]] = {}
        self._since_state: dict[str, int] = {}

    def opening(self) -> str:
        """The first line of a file. The next decision of each policy and each pool is preceded by its state again."""
        self._last.clear()
        return header_line(self._platform)

    def decided(self, policy: Policy, before: State, inputs: Inputs, result: StepResult) -> list[str]:
        """The lines of one decision. Raises ValueError where a number is not finite; nothing is taken as written then.

        `before` is the state that it was taken from. Another one than the last decision left is written as well.
        """
        line = decision_line(policy, inputs, result)
        return self._lines(policy, before, lambda: state_line(policy, before), line, result.state)

    def allocated(self, pool: Pool, before: PoolState, inputs: PoolInputs, result: PoolResult) -> list[str]:
        """The lines of one decision of a pool, as `decided` gives them."""
        line = allocation_line(pool, inputs, result)
        return self._lines(pool, before, lambda: pool_line(pool, before), line, result.state)

    def _lines(
        self,
        of: Policy | Pool,
        before: State | PoolState,
        state: Callable[[], str],
        line: str,
        after: State | PoolState,
    ) -> list[str]:
        last_of, last_state = self._last.get(of.name, (None, None))
        followed = last_of == of and last_state is before
        state_is_due = not followed or self._since_state[of.name] >= STATE_EVERY_LINES
        lines = [state(), line] if state_is_due else [line]
        self._since_state[of.name] = 1 if state_is_due else self._since_state[of.name] + 1
        self._last[of.name] = of, after
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


def pool_line(pool: Pool, state: PoolState) -> str:
    """The line that folding a pool starts from."""
    return encode({"kind": "pool", "name": pool.name, "pool": plain(pool), "state": plain(state)})


def allocation_line(pool: Pool, inputs: PoolInputs, result: PoolResult) -> str:
    """The line of one decision of a pool. Raises ValueError where a number is not finite."""
    return encode({"kind": "allocation", "name": pool.name, "inputs": plain(inputs), "plan": plain(result.plan)})


def decisions(lines: Iterable[str]) -> Iterator[Decision]:
    """Every decision of a log, in order. Raises LogError, which names the bad line. An incomplete last line is skipped."""
    return (record for record in records(lines) if isinstance(record, Decision))


def records(lines: Iterable[str]) -> Iterator[Record]:
    """Every decision, start and allocation of a log, in order, as `decisions` gives them."""
    return (item.record for item in _read(lines) if item.record is not None)


def redecide(lines: Iterable[str]) -> Iterator[Redecided | Reallocated]:
    """Fold the states of a log and make every decision again, also those of pools. Forecasts and grants are read from the log."""
    states: dict[str, State] = {}
    pools: dict[str, PoolState] = {}
    for item in _read(lines):
        if item.state is not None:
            states[item.name] = item.state
        if isinstance(item.record, Allocation):
            again = _reallocated(item.record, pools.get(item.name))
            pools[item.name] = again.again.state
            yield again
        elif isinstance(item.record, Decision):
            redecided = _redecided(item.record, states[item.name])
            states[item.name] = redecided.again.state
            yield redecided


def _redecided(decision: Decision, state: State) -> Redecided:
    try:
        seen = observe(decision.policy, state, decision.inputs)
        return Redecided(decision, settle(propose(decision.policy, state, seen, decision.inputs), decision.grant))
    except NONSENSE as error:
        raise _senseless(decision.line, error) from error


def _reallocated(allocation: Allocation, folded: PoolState | None) -> Reallocated:
    state = folded if allocation.before is None else allocation.before
    try:
        return Reallocated(allocation, pool_step(allocation.pool, state or PoolState(), allocation.inputs))
    except NONSENSE as error:
        raise _senseless(allocation.line, error) from error


def _senseless(line: int, error: Exception) -> LogError:
    return LogError(f"line {line} has values from which nothing can be decided: {error!r}")


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    state: State | None = None
    record: Record | None = None


@dataclass(slots=True)
class _Known:
    """What the lines so far have said."""

    policies: dict[str, Policy] = field(default_factory=dict)
    starting: set[str] = field(default_factory=set)  # policies whose last line is a state in which nothing is decided
    pools: dict[str, Pool] = field(default_factory=dict)
    stated: dict[str, PoolState] = field(default_factory=dict)  # of pools whose last line is a state


def _read(lines: Iterable[str]) -> Iterator[_Line]:
    known, opened = _Known(), False
    for number, text, is_last in _numbered(lines):
        try:
            data = json.loads(text)
            if not isinstance(data, dict):
                raise CodecError("an object was expected")
            opened = opened or _header(data, number)
            reading = _READ.get(data["kind"])
            line = None if reading is None else reading(data, number, known)
        except (CodecError, KeyError, TypeError, ValueError, RecursionError) as error:
            if is_last and not text.endswith("\n"):
                return  # the writer was stopped in the middle of the line
            why = "it is not JSON" if isinstance(error, json.JSONDecodeError) else error
            why = f"it has no {error}" if isinstance(error, KeyError) else why
            raise LogError(f"line {number} is not a line of a decision log: {why}") from error
        if line is not None:
            yield line


def _started(data: dict[str, Any], number: int, _known: _Known) -> _Line:
    start = build(Start, data["start"])
    prior = None if data.get("prior") is None else build(ColdStart, data["prior"])
    return _Line(data["name"], record=Started(number, build(str, data["name"]), start, prior))


def _stated(data: dict[str, Any], _number: int, known: _Known) -> _Line:
    name = data["name"]
    known.policies[name], state = build(Policy, data["policy"]), build(State, data["state"])
    known.starting.discard(name)
    if state.decided.replicas is None:
        known.starting.add(name)
    return _Line(name, state=state)


def _decided(data: dict[str, Any], number: int, known: _Known) -> _Line:
    name = data["name"]
    is_start = name in known.starting
    known.starting.discard(name)
    policy = known.policies.get(name)
    if policy is None:
        raise LogError(
            f"line {number} is a decision of {name}, but no state of it was logged before; the log is incomplete"
        )
    plan = None if data["plan"] is None else build(Plan, data["plan"])
    grant = None if data["grant"] is None else build(Grant, data["grant"])
    inputs, demand = build(Inputs, data["inputs"]), build(Demand, data["demand"])
    return _Line(name, record=Decision(number, policy, inputs, demand, grant, plan, is_start))


def _pool_stated(data: dict[str, Any], _number: int, known: _Known) -> _Line:
    name = data["name"]
    known.pools[name], known.stated[name] = build(Pool, data["pool"]), build(PoolState, data["state"])
    return _Line(name)


def _allocated(data: dict[str, Any], number: int, known: _Known) -> _Line:
    name = data["name"]
    pool = known.pools.get(name)
    if pool is None:
        raise LogError(
            f"line {number} is an allocation of pool {name}, but no state of it was logged before; the log is incomplete"
        )
    inputs, plan = build(PoolInputs, data["inputs"]), build(PoolPlan, data["plan"])
    return _Line(name, record=Allocation(number, pool, inputs, plan, known.stated.pop(name, None)))


_READ: Mapping[str, Callable[[dict[str, Any], int, _Known], _Line]] = {
    "state": _stated,
    "decision": _decided,
    "start": _started,
    "pool": _pool_stated,
    "allocation": _allocated,
}


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
