"""What must hold between the clean twin and the one with faults.

floor      from the fault's start until one hold after its end: faulted >= min(clean, what it had at the start) - 1
ceiling    from ten minutes after it (five after the hold, where that is later): faulted <= max(clean + 1, 1.5 x clean).
           A fault that stays may hold, but asks for no more than the most since its start, by the same measure
level      ten minutes after it, over a minute: within 5 % of the clean one (and 0.05 replicas)
tokens     thirty minutes after it: tokens per request and the cached share within 5 % of the clean one
volatility after it: between the value at its start and those of the clean one since then, with 10 % and 0.02 to spare
capacity   after it: the same with 0.05, and with the truth, which a queue may have taught
finite     no number in a state is infinite or NaN
crash      nothing is raised
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from policies.ladder import hold_seconds
from policies.model import Tokens
from tests.twin.load import TICK_SECONDS
from tests.twin.play import Moment, finite
from tests.twin.schedule import Schedule

INVARIANTS = ("floor", "ceiling", "level", "tokens", "volatility", "capacity", "finite", "crash")
TEN_MINUTES, THIRTY_MINUTES, FIVE_MINUTES = 40, 120, 20  # in ticks


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
    if not math.isinf(of.end):
        yield from _level(of, clean, faulted)
        yield from _tokens(of, clean, faulted)
        yield from _learned(of, clean, faulted)


def _pairs(clean: Moments, faulted: Moments, first: int, last: float) -> Iterator[tuple[Moment, Moment]]:
    for tick in range(first, min(len(faulted), int(min(last, 1e6)) + 1)):
        ours, theirs = clean[tick], faulted[tick]
        if ours is not None and theirs is not None:
            yield ours, theirs


def _hold_ticks(of: Schedule) -> float:
    workload = of.load.workload
    return hold_seconds(workload.policy, workload.cold_start) / TICK_SECONDS


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
    for ours, theirs in _pairs(clean, faulted, of.start, of.end + _hold_ticks(of)):
        least = min(ours.desired, had) - 1
        if theirs.desired < least:
            text = f"{theirs.desired} replicas, clean {ours.desired}, {had} at the start"
            yield Breach("floor", theirs.tick, text, least - theirs.desired)


def _ceiling(of: Schedule, clean: Moments, faulted: Moments) -> Iterator[Breach]:
    settled = max(TEN_MINUTES, math.ceil(_hold_ticks(of)) + FIVE_MINUTES)
    stays = math.isinf(of.end)
    most = _had(of, clean)
    for ours, theirs in _pairs(clean, faulted, of.start, math.inf):
        most = max(most, ours.desired)
        if theirs.tick < (of.start if stays else of.end) + settled:
            continue
        base = most if stays else ours.desired
        limit = max(base + 1, 1.5 * base)
        if theirs.desired > limit:
            text = f"{theirs.desired} replicas, clean {ours.desired}{f', at most {most} before' if stays else ''}"
            yield Breach("ceiling", theirs.tick, text, theirs.desired - limit)


def _level(of: Schedule, clean: Moments, faulted: Moments) -> Iterator[Breach]:
    first = int(of.end) + TEN_MINUTES
    levels = [
        (ours.state.filters.level or 0.0, theirs.state.filters.level or 0.0)
        for ours, theirs in _pairs(clean, faulted, first, first + 3)
    ]
    if not levels:
        return
    ours, theirs = (sum(each) / len(levels) for each in zip(*levels, strict=True))
    if abs(theirs - ours) > 0.05 * ours + 0.05:
        yield Breach("level", first, f"level {theirs:.3f}, clean {ours:.3f}", abs(theirs / max(ours, 0.01) - 1.0))


def means(tokens: Tokens) -> tuple[float, float, float]:
    """Prompt and generated tokens of a request, and the cached share of the prompt."""
    requests, prefilled = max(tokens.requests, 1e-9), max(tokens.prefilled_tokens, 1e-9)
    return tokens.prompt_tokens / requests, tokens.generation_tokens / requests, tokens.cached_tokens / prefilled


def _tokens(of: Schedule, clean: Moments, faulted: Moments) -> Iterator[Breach]:
    first = int(of.end) + THIRTY_MINUTES
    for ours, theirs in _pairs(clean, faulted, first, first):
        wanted, found = means(ours.state.filters.tokens), means(theirs.state.filters.tokens)
        for name, want, have in zip(("prompt", "generation", "cached share"), wanted, found, strict=True):
            if abs(have - want) > 0.05 * want:
                yield Breach("tokens", first, f"{name} {have:.4g}, clean {want:.4g}", abs(have / max(want, 1e-9) - 1.0))


def _learned(of: Schedule, clean: Moments, faulted: Moments) -> Iterator[Breach]:
    before = clean[of.start - 1]
    assert before is not None
    wrong = math.log(of.load.profile_error)
    moves = _Range(before.state.filters.volatility or 0.0)
    work, room = _Range(before.state.capacity.log_work_ratio), _Range(before.state.capacity.log_concurrency_ratio)
    work.take(wrong)
    room.take(0.0)
    for ours, theirs in _pairs(clean, faulted, of.start, math.inf):
        filters, capacity = theirs.state.filters, theirs.state.capacity
        moves.take(ours.state.filters.volatility or 0.0)
        work.take(ours.state.capacity.log_work_ratio)
        room.take(ours.state.capacity.log_concurrency_ratio)
        if theirs.tick <= of.end:
            continue
        found = (
            ("volatility", moves.beyond(filters.volatility or 0.0, 0.02 + 0.1 * moves.high), moves),
            ("capacity", work.beyond(capacity.log_work_ratio, 0.05), work),
            ("capacity", room.beyond(capacity.log_concurrency_ratio, 0.05), room),
        )
        for name, beyond, expected in found:
            if beyond > 0.0:
                yield Breach(
                    name, theirs.tick, f"{beyond:.3f} beyond {expected.low:.3f} .. {expected.high:.3f}", beyond
                )


class _Range:
    """The least and the most of some values."""

    def __init__(self, value: float) -> None:
        self.low = self.high = value

    def take(self, value: float) -> None:
        self.low, self.high = min(self.low, value), max(self.high, value)

    def beyond(self, value: float, spare: float) -> float:
        """How far a value is out of the range; 0 or less within."""
        return max(self.low - spare - value, value - self.high - spare)
