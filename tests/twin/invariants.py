"""What must hold between the clean twin and the one with faults.

floor      from the fault's start until one hold after its end: faulted >= min(clean, what it had at the start) - 1; - 2 where
           the clean one has learned meanwhile that its demand moves more, which is not learned while a fault lasts
ceiling    from ten minutes after it (five after the hold, where that is later): faulted <= max(clean + 1, 1.5 x clean).
           Where the clean one has learned meanwhile that a request is less work, its count by what the other knows.
           A fault that stays may hold, but asks for no more than the most from its start until a minute later, by the same
           measure, until requests truly wait
level      ten minutes after it, at its closest in three: within 5 % of the clean one (and 0.05 replicas), each by its own
           learned ratio. At its closest, since it stands still whenever a new pod is read for the first time
tokens     thirty minutes after it: tokens per request within 5 % of the clean one, and the cached share (and 0.01)
volatility after it: as the clean one, or as if frozen until up to ten minutes after it; 10 % and 0.02 to spare
capacity   always: between the value at its start, those of the clean one since, and the truth (a queue's lesson); 0.05
finite     no number in a state is infinite or NaN
crash      nothing is raised
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from policies.capacity import PRIOR_COUNT, sustainable_concurrency, work_ratio
from policies.ladder import hold_seconds
from policies.level import VOLATILITY_TAU_SECONDS
from policies.model import Capacity, Signal, Tokens
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


def breaches(of: Schedule, clean: Moments, faulted: Moments) -> list[Breach]:
    """The worst breach of each invariant."""
    worst: dict[str, Breach] = {}
    for each in _all(of, clean, faulted):
        if each.invariant not in worst or each.amount > worst[each.invariant].amount:
            worst[each.invariant] = each
    return list(worst.values())


def _all(of: Schedule, clean: Moments, faulted: Moments) -> Iterator[Breach]:
    yield from _finite(of, faulted)
    yield from _floor(of, clean, faulted)
    yield from _ceiling(of, clean, faulted)
    yield from _capacity(of, clean, faulted)
    if not math.isinf(of.end):
        yield from _level(of, clean, faulted)
        yield from _tokens(of, clean, faulted)
        yield from _volatility(of, clean, faulted)


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


def _had(of: Schedule, clean: Moments) -> int:
    before = clean[of.start - 1]
    assert before is not None
    return before.desired


def _finite(of: Schedule, faulted: Moments) -> Iterator[Breach]:
    for each in faulted[of.start :]:
        if each is not None and not finite(each.state):
            yield Breach("finite", each.tick, "a number in the state is not finite")
            return


def _floor(of: Schedule, clean: Moments, faulted: Moments) -> Iterator[Breach]:
    had = _had(of, clean)
    for ours, theirs in _pairs(clean, faulted, of.start, _before(of.end + _hold_ticks(of))):
        more = ours.state.filters.volatility or 0.0
        frozen = theirs.state.filters.volatility or 0.0
        least = min(ours.desired, had) - (2 if frozen < more - 0.01 else 1)
        if theirs.desired < least:
            text = f"{theirs.desired} replicas, clean {ours.desired}, {had} at the start"
            yield Breach("floor", theirs.tick, text, least - theirs.desired)


def _ceiling(of: Schedule, clean: Moments, faulted: Moments) -> Iterator[Breach]:
    settled = max(TEN_MINUTES, math.ceil(_hold_ticks(of)) + FIVE_MINUTES)
    stays = math.isinf(of.end)
    most = _had(of, clean)
    for ours, theirs in _pairs(clean, faulted, of.start, math.inf):
        most = max(most, *(each.desired for each in clean[ours.tick : ours.tick + ONE_MINUTE + 1] if each is not None))
        if stays and theirs.queue:
            return  # there is too little, and the queue says so
        if theirs.tick < (of.start if stays else of.end) + settled:
            continue
        base = (most if stays else ours.desired) * max(1.0, _learned(of, theirs) / _learned(of, ours))
        limit = max(base + 1, 1.5 * base)
        if theirs.desired > limit:
            text = f"{theirs.desired} replicas, clean {ours.desired}{f', at most {most} before' if stays else ''}"
            yield Breach("ceiling", theirs.tick, text, theirs.desired - limit)


def _level(of: Schedule, clean: Moments, faulted: Moments) -> Iterator[Breach]:
    first = int(of.end) + TEN_MINUTES
    closest: tuple[float, float, float] | None = None
    for ours, theirs in _pairs(clean, faulted, first - TWO_MINUTES, first + ONE_MINUTE):
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


def _tokens(of: Schedule, clean: Moments, faulted: Moments) -> Iterator[Breach]:
    first = int(of.end) + THIRTY_MINUTES
    for ours, theirs in _pairs(clean, faulted, first, first):
        wanted, found = means(ours.state.filters.tokens), means(theirs.state.filters.tokens)
        for name, want, have in zip(("prompt", "generation", "cached share"), wanted, found, strict=True):
            if abs(have - want) > 0.05 * want + (0.01 if name == "cached share" else 0.0):
                yield Breach("tokens", first, f"{name} {have:.4g}, clean {want:.4g}", abs(have / max(want, 1e-9) - 1.0))


def _volatility(of: Schedule, clean: Moments, faulted: Moments) -> Iterator[Breach]:
    start = _moves(clean, of.start - 1)
    for _, theirs in _pairs(clean, faulted, int(of.end) + 1, math.inf):
        expected = _Range(_moves(clean, theirs.tick))
        for thawed in (int(of.end), int(of.end) + FIVE_MINUTES, int(of.end) + TEN_MINUTES):
            if theirs.tick <= thawed:
                expected.take(start)
                continue
            left = math.exp((thawed - theirs.tick) * TICK_SECONDS / VOLATILITY_TAU_SECONDS)
            expected.take(_moves(clean, theirs.tick) + (start - _moves(clean, thawed)) * left)
        found = theirs.state.filters.volatility or 0.0
        beyond = expected.beyond(found, 0.02 + 0.1 * expected.high)
        if beyond > 0.0:
            text = f"{found:.3f}, expected {expected.low:.3f} to {expected.high:.3f}"
            yield Breach("volatility", theirs.tick, text, beyond)


def _moves(clean: Moments, tick: int) -> float:
    """The clean twin's volatility."""
    moment = clean[tick]
    assert moment is not None
    return moment.state.filters.volatility or 0.0


def _capacity(of: Schedule, clean: Moments, faulted: Moments) -> Iterator[Breach]:
    before = clean[of.start - 1]
    assert before is not None
    work, room = map(_Range, _weighed(before.state.capacity))
    work.take(math.log(of.load.profile_error))
    room.take(0.0)
    for ours, theirs in _pairs(clean, faulted, of.start, math.inf):
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
