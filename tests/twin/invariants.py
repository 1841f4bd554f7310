"""What must hold between the clean twin and the one with faults.

A witness tells what a clean controller knows of the faulted one's fleet: what both did with theirs is no fault of the readings.

floor      from the fault's start until one hold after its end: faulted >= min(clean, what it had as each fault began) - 1, a
           minute early at most. Where the clean one has learned meanwhile that its demand moves more, it counts by what the
           other knows of that; a tenth of the clients may hang up unnoticed
ceiling    from ten minutes after its last change (five after the hold, where that is later): faulted <= max(clean + 1, 1.5 x clean).
           Where the clean one has learned meanwhile that a request is less work, its count by what the other knows.
           A fault that stays may hold, but asks for no more than the most from its start until a minute later, by the same
           measure, until requests truly wait
level      ten minutes after it, at its closest in three: within 5 % of the witness (and 0.05 replicas), each by its own
           learned ratio. At its closest, since it stands still whenever a new pod is read for the first time
tokens     thirty minutes after it: tokens per request within 5 % of the witness, and the cached share (and 0.01)
volatility after it: as the witness, or as if frozen at its start or end until at most ten minutes after it; 10 % and 0.02 to
           spare
capacity   always: between the value at its start, those of the witness since, and the truth (a queue's lesson); 0.05
finite     no number in a state is infinite or NaN
crash      nothing is raised
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from policies.capacity import PRIOR_COUNT, sustainable_concurrency, work_ratio
from policies.flow import HANGUP_SHARE
from policies.ladder import hold_seconds, lead_seconds, replica_rung
from policies.level import VOLATILITY_TAU_SECONDS
from policies.model import Capacity, Signal, Tokens
from policies.recommend.predictive import volatility_floor
from tests.twin.faults import HangUps
from tests.twin.load import TICK_SECONDS
from tests.twin.play import Moment, finite
from tests.twin.schedule import Schedule

INVARIANTS = ("floor", "ceiling", "level", "tokens", "volatility", "capacity", "finite", "crash")
TEN_MINUTES, THIRTY_MINUTES, FIVE_MINUTES, TWO_MINUTES, ONE_MINUTE = 40, 120, 20, 8, 4  # in ticks


@dataclass(frozen=True)
class Breach:
    """An invariant that did not hold, at its worst tick."""

    invariant: str
    tick: int
    text: str
    amount: float = 0.0


Moments = Sequence[Moment | None]  # by tick, from 0


def breaches(of: Schedule, clean: Moments, faulted: Moments, witnessed: Moments) -> list[Breach]:
    """The worst breach of each invariant."""
    worst: dict[str, Breach] = {}
    for each in _all(of, clean, faulted, witnessed):
        if each.invariant not in worst or each.amount > worst[each.invariant].amount:
            worst[each.invariant] = each
    return list(worst.values())


def _all(of: Schedule, clean: Moments, faulted: Moments, witnessed: Moments) -> Iterator[Breach]:
    yield from _finite(of, faulted)
    yield from _floor(of, clean, faulted, witnessed)
    yield from _ceiling(of, clean, faulted, witnessed)
    yield from _capacity(of, witnessed, faulted)
    if not math.isinf(of.end):
        yield from _level(of, witnessed, faulted)
        yield from _tokens(of, witnessed, faulted)
        yield from _volatility(of, witnessed, faulted)


def _pairs(clean: Moments, faulted: Moments, first: int, last: float) -> Iterator[tuple[Moment, Moment]]:
    for tick in range(first, min(len(faulted), int(min(last, 1e6)) + 1)):
        ours, theirs = clean[tick], faulted[tick]
        if ours is not None and theirs is not None:
            yield ours, theirs


def _hold_ticks(of: Schedule) -> float:
    workload = of.load.workload
    return hold_seconds(workload.policy, workload.cold_start) / TICK_SECONDS


def _before(ticks: float) -> float:
    """The last tick before."""
    return ticks if math.isinf(ticks) else math.ceil(ticks) - 1


def _had(of: Schedule, clean: Moments, faulted: Moments, tick: int) -> int:
    """The least that either had as a fault began, or one ended that hid another, the more of the two, up to this tick."""
    began = [at for at in range(of.start, tick + 1) if any(each.on(at) != each.on(at - 1) for each in of.faults)]
    had = (max((each.desired for each in _both(clean, faulted, at)), default=math.inf) for at in (of.start - 1, *began))
    return int(min(had))


def _both(clean: Moments, faulted: Moments, tick: int) -> list[Moment]:
    return [each for each in (clean[tick], faulted[tick]) if each is not None]


def _finite(of: Schedule, faulted: Moments) -> Iterator[Breach]:
    for each in faulted[of.start :]:
        if each is not None and not finite(each.state):
            yield Breach("finite", each.tick, "a number in the state is not finite")
            return


def _floor(of: Schedule, clean: Moments, faulted: Moments, witnessed: Moments) -> Iterator[Breach]:
    for ours, theirs in _pairs(clean, faulted, of.start, _before(of.end + _hold_ticks(of))):
        had = _had(of, clean, faulted, theirs.tick)
        soon = range(theirs.tick, theirs.tick + ONE_MINUTE + 1)
        asked = min(each.desired for each in (*_at(clean, soon), *_at(witnessed, soon)))
        least = min(had, math.floor(asked * _frozen(of, ours, theirs) * _unnoticed(of))) - 1
        if theirs.desired < least:
            text = f"{theirs.desired} replicas, clean {ours.desired}, {had} at the start"
            yield Breach("floor", theirs.tick, text, least - theirs.desired)


def _frozen(of: Schedule, ours: Moment, theirs: Moment) -> float:
    """By how much the clean one would ask for less by the volatility of the other, which learns none while a fault lasts."""
    workload = of.load.workload
    lead = lead_seconds(workload.cold_start, replica_rung(workload.policy))
    known = replace(ours.state.filters, volatility=theirs.state.filters.volatility)
    asked, less = (volatility_floor(workload.policy, each, lead) for each in (ours.state.filters, known))
    return 1.0 if asked is None or less is None else min(1.0, less.replicas / asked.replicas)


def _unnoticed(of: Schedule) -> float:
    """The share of demand that is left of it where as many clients hang up as may without being noticed."""
    return 1.0 - HANGUP_SHARE if any(isinstance(each, HangUps) for each in of.faults) else 1.0


def _at(moments: Moments, ticks: range) -> list[Moment]:
    return [each for each in moments[ticks.start : ticks.stop] if each is not None]


def _ceiling(of: Schedule, clean: Moments, faulted: Moments, witnessed: Moments) -> Iterator[Breach]:
    settled = max(TEN_MINUTES, math.ceil(_hold_ticks(of)) + FIVE_MINUTES)
    stays = math.isinf(of.end)
    changed = max(each.start if math.isinf(each.end) else each.end for each in of.faults)
    most = _had(of, clean, faulted, of.start)
    for ours, theirs in _pairs(clean, faulted, of.start, math.inf):
        most = max(most, *(each.desired for each in clean[ours.tick : ours.tick + ONE_MINUTE + 1] if each is not None))
        if stays and theirs.queue:
            return  # there is too little, and the queue says so
        if theirs.tick < changed + settled:
            continue
        asked = max(each.desired for each in _both(clean, witnessed, theirs.tick))
        base = (most if stays else asked) * max(1.0, _learned(of, theirs) / _learned(of, ours))
        limit = max(base + 1, 1.5 * base)
        if theirs.desired > limit:
            text = f"{theirs.desired} replicas, clean {ours.desired}{f', at most {most} before' if stays else ''}"
            yield Breach("ceiling", theirs.tick, text, theirs.desired - limit)


def _level(of: Schedule, witnessed: Moments, faulted: Moments) -> Iterator[Breach]:
    first = int(of.end) + TEN_MINUTES
    closest: tuple[float, float, float] | None = None
    for ours, theirs in _pairs(witnessed, faulted, first - TWO_MINUTES, first + ONE_MINUTE):
        want = (ours.state.filters.level or 0.0) / _learned(of, ours)
        have = (theirs.state.filters.level or 0.0) / _learned(of, theirs)
        off = abs(have - want) - 0.05 * want - 0.05
        closest = min(closest or (off, have, want), (off, have, want))
    if closest is not None and closest[0] > 0.0:
        off, have, want = closest
        yield Breach("level", first, f"level {have:.3f}, clean {want:.3f}", off)


def _learned(of: Schedule, moment: Moment) -> float:
    """By how much the level is what it is because of what was learned: that is capacity's to judge."""
    policy, capacity = of.load.workload.policy, moment.state.capacity
    if policy.signal is Signal.WORK:
        return work_ratio(capacity)
    return policy.engine.max_concurrency / sustainable_concurrency(policy.engine, capacity)


def means(tokens: Tokens) -> tuple[float, float, float]:
    """Prompt and generated tokens of a request, and the cached share of the prompt."""
    requests, prefilled = max(tokens.requests, 1e-9), max(tokens.prefilled_tokens, 1e-9)
    return tokens.prompt_tokens / requests, tokens.generation_tokens / requests, tokens.cached_tokens / prefilled


def _tokens(of: Schedule, witnessed: Moments, faulted: Moments) -> Iterator[Breach]:
    first = int(of.end) + THIRTY_MINUTES
    for ours, theirs in _pairs(witnessed, faulted, first, first):
        wanted, found = means(ours.state.filters.tokens), means(theirs.state.filters.tokens)
        for name, want, have in zip(("prompt", "generation", "cached share"), wanted, found, strict=True):
            if abs(have - want) > 0.05 * want + (0.01 if name == "cached share" else 0.0):
                yield Breach("tokens", first, f"{name} {have:.4g}, clean {want:.4g}", abs(have / max(want, 1e-9) - 1.0))


def _volatility(of: Schedule, witnessed: Moments, faulted: Moments) -> Iterator[Breach]:
    thaws = [(froze, at) for froze in (of.start - 1, int(of.end)) for at in range(froze, int(of.end) + TEN_MINUTES + 1)]
    for _, theirs in _pairs(witnessed, faulted, int(of.end) + 1, math.inf):
        now = _moves(witnessed, theirs.tick)
        expected = _Range(now)
        for froze, thawed in thaws:
            since = min(thawed, theirs.tick)
            left = math.exp((since - theirs.tick) * TICK_SECONDS / VOLATILITY_TAU_SECONDS)
            expected.take(now + (_moves(witnessed, froze) - _moves(witnessed, since)) * left)
        found = theirs.state.filters.volatility or 0.0
        beyond = expected.beyond(found, 0.02 + 0.1 * expected.high)
        if beyond > 0.0:
            text = f"{found:.3f}, expected {expected.low:.3f} to {expected.high:.3f}"
            yield Breach("volatility", theirs.tick, text, beyond)


def _moves(clean: Moments, tick: int) -> float:
    """The volatility by tick."""
    moment = clean[tick]
    assert moment is not None
    return moment.state.filters.volatility or 0.0


def _capacity(of: Schedule, witnessed: Moments, faulted: Moments) -> Iterator[Breach]:
    before = witnessed[of.start - 1]
    assert before is not None
    work, room = map(_Range, _weighed(before.state.capacity))
    work.take(math.log(of.load.profile_error))
    room.take(0.0)
    for ours, theirs in _pairs(witnessed, faulted, of.start, math.inf):
        for value, expected in zip(_weighed(ours.state.capacity), (work, room), strict=True):
            expected.take(value)
        for found, expected in zip(_weighed(theirs.state.capacity), (work, room), strict=True):
            beyond = expected.beyond(found, 0.05)
            if beyond > 0.0:
                text = f"{found:.3f}, expected {expected.low:.3f} to {expected.high:.3f}"
                yield Breach("capacity", theirs.tick, text, beyond)


def _weighed(capacity: Capacity) -> tuple[float, float]:
    """What was learned of work and concurrency, as far as it counts beside the profile."""
    share = capacity.count / (capacity.count + PRIOR_COUNT)
    return share * capacity.log_work_ratio, share * capacity.log_concurrency_ratio


class _Range:
    """The least and the most of some values."""

    def __init__(self, value: float) -> None:
        self.low = self.high = value

    def take(self, value: float) -> None:
        self.low, self.high = min(self.low, value), max(self.high, value)

    def beyond(self, value: float, spare: float) -> float:
        """How far a value is out of the range; 0 or less within."""
        return max(self.low - spare - value, value - self.high - spare)
