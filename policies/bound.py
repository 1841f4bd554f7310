"""The most that demand can be, from a few sums over the pods: at nearly every reading they show that nothing is urgent.

To observe a fleet, each reading is judged, which takes ten times as long as to add it up. A verdict only ever takes a
reading out of a sum, so that the sums over all of them are bounds, whatever the verdicts are.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from policies import capacity as cap
from policies.demand import DRAIN_SECONDS, mean_rate, recent
from policies.flow import fades, grown, most_hangups, passed, token_sums
from policies.model import Basis, Demand, Filters, PodSample, Policy, Signal, State, Tokens
from policies.signals import counts, from_zero


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over all pods, as if every reading counted. What grew did so since each pod's mark; what fell adds nothing."""

    waiting: float = 0.0  # requests
    running: float = 0.0  # requests
    stayed: float = 0.0  # requests that came and stayed
    stayed_per_second: float = 0.0
    rejected_per_second: float = 0.0
    begun_beyond: float = 0.0  # requests begun beyond those that stayed, of the pods where there are more
    prompt_tokens: float = 0.0  # of requests that finished
    generation_tokens: float = 0.0  # likewise
    prefilled_tokens: float = 0.0  # of all requests
    witness: PodSample | None = None  # the reading of the pod to which most requests came, of those that have a mark

    @property
    def finite(self) -> bool:
        """Whether every sum is a number."""
        return math.isfinite(
            self.waiting
            + self.running
            + self.stayed
            + self.stayed_per_second
            + self.rejected_per_second
            + self.begun_beyond
            + self.prompt_tokens
            + self.generation_tokens
            + self.prefilled_tokens
        )


def sums(filters: Filters, samples: Iterable[PodSample]) -> Sums:
    """The sums over samples of pods of the target, one of each."""
    marks = {mark.reading.pod: mark for mark in filters.marks}
    witness, most_stayed = None, -1.0
    waiting = running = all_stayed = stayed_rate = rejected_rate = beyond = prompts = outputs = prefilled = 0.0
    for now in samples:
        waiting += max(0.0, now.waiting or 0.0)
        running += max(0.0, now.running or 0.0)
        mark = marks.get(now.pod) or from_zero(filters, now)
        if mark is None or not mark.comparable or (span := now.at_seconds - mark.reading.at_seconds) <= 0.0:
            continue
        stayed, begun, rejected = passed(filters.tokens, mark.reading, now)
        if stayed > most_stayed:
            witness, most_stayed = now, stayed
        all_stayed += stayed
        stayed_rate += stayed / span
        rejected_rate += max(0.0, rejected) / span
        beyond += max(0.0, begun - stayed)
        _, prompt, output, read, _ = grown(filters.tokens, mark.reading, now)
        prompts += max(0.0, prompt)
        outputs += max(0.0, output)
        prefilled += max(0.0, read)
    return Sums(waiting, running, all_stayed, stayed_rate, rejected_rate, beyond, prompts, outputs, prefilled, witness)


def by_work(policy: Policy, state: State, sums: Sums, now_seconds: float) -> Demand:
    """No less waiting, work and recent demand than `demand.observe` can find now, where it measures by work."""
    filters = state.filters
    tokens, brief = _left(filters, now_seconds)
    hangups = most_hangups(brief * filters.arrived, brief * filters.begun, sums.stayed, sums.begun_beyond)
    rate = sums.rejected_per_second + sums.stayed_per_second * hangups
    most = Tokens(
        requests=max(1.0, tokens.requests),
        prompt_tokens=tokens.prompt_tokens + sums.prompt_tokens,
        generation_tokens=tokens.generation_tokens + sums.generation_tokens,
        prefilled_tokens=tokens.prefilled_tokens + sums.prefilled_tokens,
        cached_tokens=tokens.cached_tokens,
    )
    work = cap.request_work_seconds(policy.engine, state.capacity, most) or 0.0
    lately = mean_rate(recent(filters, now_seconds, rate), now_seconds) * work
    return _demand(Basis.WORK, sums, now_seconds, lately, work)


def by_concurrency(policy: Policy, state: State, sums: Sums, now_seconds: float) -> Demand:
    """The same where it measures by concurrency."""
    concurrency = cap.sustainable_concurrency(policy.engine, state.capacity)
    return _demand(Basis.CONCURRENCY, sums, now_seconds, sums.running / concurrency, DRAIN_SECONDS / concurrency)


def is_by_work(policy: Policy, state: State, sums: Sums, now_seconds: float) -> bool:
    """Whether it is sure to measure by work: requests have finished lately, and the growth of one pod counts at least."""
    tokens, _ = _left(state.filters, now_seconds)
    return (
        policy.signal is Signal.WORK
        and tokens.requests >= 1.0
        and sums.witness is not None
        and counts(policy, state, sums.witness, now_seconds)
    )


def _left(filters: Filters, now_seconds: float) -> tuple[Tokens, float]:
    """What is left of the sums of tokens since the last tick, and the share that is left of those that show hang-ups."""
    fade, brief = fades(filters, now_seconds)
    return Tokens(*[fade * value for value in token_sums(filters.tokens)]), brief


def _demand(basis: Basis, sums: Sums, now_seconds: float, recent_replicas: float, work_seconds: float) -> Demand:
    return Demand(now_seconds, basis, 1.0, None, recent_replicas, sums.waiting, sums.running, None, work_seconds)
