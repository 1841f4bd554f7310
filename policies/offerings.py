"""Which offerings a pool asks for its standby nodes: in their order, past those that are closed, full or without capacity.

An offering that refuses, or brings no node within its patience, rests: 3 minutes, twice as long each time up to 30, half as long
with each node that comes. The next one is asked for one node until that has come, then for all that are missing. The claims on
the one that rests stay meanwhile, and go as soon as nothing is missing. What waits for admission is not refused.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from policies.pool import (
    Claim,
    Offering,
    OfferingInput,
    OfferingState,
    Pool,
    PoolInputs,
    StandbyPhase,
    StandbyUnit,
    Step,
)

LEAST_REST_SECONDS, MOST_REST_SECONDS = 180.0, 1800.0
AHEAD_SECONDS = 60.0  # a refusal from further in the future is not believed
PLACED = (StandbyPhase.STARTING, StandbyPhase.READY)
PENDING = (StandbyPhase.WAITING, StandbyPhase.REQUESTED, StandbyPhase.REFUSED)
LATE = (StandbyPhase.REQUESTED, StandbyPhase.REFUSED)  # phases in which a unit's patience passes


def observed(pool: Pool, states: Sequence[OfferingState], inputs: PoolInputs) -> tuple[OfferingState, ...]:
    """What is remembered of each offering, in the pool's order, after what is seen now. What is not seen stays."""
    known = {state.name: state for state in states}
    seen = {each.name: each for each in inputs.offerings}
    found = []
    for offering in pool.offerings:
        state = _believed(known.get(offering.name, OfferingState(offering.name)), inputs.now_seconds)
        at = seen.get(offering.name)
        found.append(state if at is None else _after(state, at, inputs))
    return tuple(found)


def rests(state: OfferingState, now_seconds: float) -> bool:
    """Whether an offering is not asked now since it lately gave no node."""
    return state.resting_until_seconds is not None and now_seconds < state.resting_until_seconds


def claims(
    pool: Pool, states: Sequence[OfferingState], inputs: PoolInputs, nodes: int, room_gpus: int | None
) -> tuple[Claim, ...]:
    """How many standby nodes to hold from each offering so that `nodes` come, within `room_gpus` (None: no limit).

    An offering that gets no claim holds none. `inputs.standby` must be known.
    """
    known = {state.name: state for state in states}
    ways = [_way(offering, known.get(offering.name), inputs) for offering in pool.offerings]
    room = _Room(math.inf if room_gpus is None else max(0, room_gpus))
    missing = max(0, nodes)
    for way in ways:
        if way.open:
            way.nodes = room.take(way, min(way.placed, missing))
            missing -= way.nodes
    _ask(ways, missing, room)
    for way in ways:
        staying = min(way.pending, missing) - way.asked
        if way.open and staying > 0:
            way.nodes += room.take(way, staying)
    first = next((way for way in ways if way.open), None)
    found = []
    for way in ways:
        step = way.step or (Step.FIRST if way is first else Step.HEDGE if not way.placed else Step.MORE)
        if way.nodes or step in (Step.RESTING, Step.CLOSED, Step.FULL):
            found.append(Claim(way.name, way.nodes, step))
    return tuple(found)


@dataclass
class _Way:
    """An offering while its claim is counted."""

    name: str
    gpus: int
    most: float  # standby nodes that it can have
    open: bool
    asking: bool  # open, and not about to close
    state: OfferingState
    resting: bool
    placed: int
    pending: int
    nodes: int = 0
    asked: int = 0
    step: Step | None = None

    @property
    def late(self) -> bool:
        """Whether it has a claim that is late."""
        return self.resting and self.pending > 0


@dataclass
class _Room:
    gpus: float

    def take(self, way: _Way, nodes: int) -> int:
        """As many of `nodes` as fit into the pool's limit and the offering's."""
        fits = min(float(nodes), way.most - way.nodes, self.gpus // way.gpus)
        taken = max(0, int(fits))
        self.gpus -= taken * way.gpus
        return taken


def _way(offering: Offering, state: OfferingState | None, inputs: PoolInputs) -> _Way:
    units = [unit for unit in inputs.standby or () if unit.offering == offering.name]
    at = next((each for each in inputs.offerings if each.name == offering.name), None)
    now, state = inputs.now_seconds, state or OfferingState(offering.name)
    of_others = 0 if at is None else max(0, at.nodes - sum([unit.node is not None for unit in units]))
    is_open = at is None or at.open  # an offering that is not seen gets no new claim, and keeps what it has
    closes = math.inf if at is None or at.until_seconds is None else at.until_seconds
    way = _Way(
        offering.name,
        max(1, offering.gpus_per_node),
        math.inf if offering.max_nodes is None else offering.max_nodes - of_others,
        is_open,
        at is not None and at.open and closes - now >= inputs.node_lead_seconds,
        state,
        rests(state, now),
        placed=sum([unit.phase in PLACED for unit in units]),
        pending=sum([unit.phase in PENDING for unit in units]),
    )
    way.step = Step.RESTING if way.resting and way.open else None if way.asking else Step.CLOSED
    return way


def _ask(ways: Sequence[_Way], missing: int, room: _Room) -> None:
    """Ask the first that can be asked for all that is missing, or for one node while an earlier one is late."""
    late: list[_Way] = []
    asked = False
    for way in ways:
        if missing <= 0:
            return
        if way.late and way.open:
            late.append(way)
        if way.step is not None:
            continue
        refused = max([each.state.refused_seconds or -math.inf for each in late], default=-math.inf)
        landed = way.state.landed_seconds
        hedge = bool(late) and (landed is None or landed < refused)
        way.asked = room.take(way, 1 if hedge else missing)
        way.nodes += way.asked
        if not way.asked:
            way.step = Step.FULL
            continue
        way.step = Step.HEDGE if hedge else Step.MORE if late or asked else Step.FIRST
        if hedge:
            return
        missing, asked = missing - way.asked, True


def _believed(state: OfferingState, now_seconds: float) -> OfferingState:
    """A state within its bounds, whatever was saved."""
    until = state.resting_until_seconds
    return replace(
        state,
        resting_until_seconds=None if until is None else min(until, now_seconds + MOST_REST_SECONDS),
        rest_seconds=min(max(state.rest_seconds, LEAST_REST_SECONDS), MOST_REST_SECONDS),
    )


def _after(state: OfferingState, at: OfferingInput, inputs: PoolInputs) -> OfferingState:
    now = inputs.now_seconds
    units = [unit for unit in inputs.standby or () if unit.offering == at.name]
    refused = _refused(state, at, units, now)
    after = state
    if inputs.standby is not None:
        nodes = max(at.nodes, sum([unit.phase in PLACED for unit in units]))
        after = replace(state, nodes=nodes)
        if state.nodes is not None and nodes > state.nodes:
            after = replace(
                after,
                landed_seconds=now,
                resting_until_seconds=None,
                rest_seconds=max(LEAST_REST_SECONDS, state.rest_seconds / 2),
            )
    if refused is None:
        return after
    return replace(
        after,
        refused_seconds=refused,
        resting_until_seconds=refused + after.rest_seconds,
        rest_seconds=min(MOST_REST_SECONDS, 2 * after.rest_seconds),
    )


def _refused(state: OfferingState, at: OfferingInput, units: Sequence[StandbyUnit], now: float) -> float | None:
    """When the offering refused last, if that is news: after its last rest and its last node, and not long ago."""
    until = -math.inf if state.resting_until_seconds is None else state.resting_until_seconds
    landed = -math.inf if state.landed_seconds is None else state.landed_seconds
    last = -math.inf if state.refused_seconds is None else state.refused_seconds
    if now < until:
        return None
    times = [unit.since_seconds for unit in units if unit.phase is StandbyPhase.REFUSED]
    times += [] if at.refused_seconds is None else [at.refused_seconds]
    times = [min(time, now) for time in times if until <= time <= now + AHEAD_SECONDS]
    patience = max(0.0, at.patience_seconds)
    ends = [max(unit.since_seconds, until, landed) + patience for unit in units if unit.phase in LATE]
    times += [time for time in ends if time <= now]
    news = [time for time in times if time > max(last, landed) and time + state.rest_seconds > now]
    return max(news, default=None)
