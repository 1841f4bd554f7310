"""What went through the pods since their marks: arrivals, tokens, and the work that saturated replicas did.

A mark is a pod's counters at the last tick. Clients that hang up reduce a difference of arrivals, so it is a lower bound,
clamped at zero.
"""

import math
from dataclasses import dataclass

from policies import capacity as cap
from policies.level import elapsed_seconds
from policies.model import Capacity, Filters, Inputs, PodMark, PodSample, Policy, State, Tokens

TOKENS_TAU_SECONDS = 600.0
# Waiting over running: nothing is learned from one or two requests that wait for the next step of an idle engine.
SATURATED_QUEUE = 0.25
COUNTERS = (
    "prompt_tokens_total",
    "cached_prompt_tokens_total",
    "generation_tokens_total",
    "request_prompt_tokens_sum",
    "request_prompt_tokens_count",
    "request_generation_tokens_sum",
    "request_generation_tokens_count",
)


@dataclass(frozen=True, slots=True)
class Flow:
    """What went through the pods since their marks."""

    pods: int  # pods with a mark and a newer sample, whose arrivals are therefore known
    arrivals_per_second: float | None  # None: no pod has been seen before, so there are no differences
    tokens: Tokens
    capacity: Capacity
    marks: dict[str, PodMark]  # of these pods, by name


def flow(policy: Policy, state: State, inputs: Inputs, pods: list[PodSample]) -> Flow:
    """The flow through these pods, and the capacity learned from it."""
    filters, capacity = state.filters, state.capacity
    old, marks = {mark.pod: mark for mark in filters.marks}, {}
    fade = math.exp(-elapsed_seconds(filters, inputs.now_seconds) / TOKENS_TAU_SECONDS)
    sums = [fade * value for value in _token_sums(filters.tokens)]
    rate: float | None = None
    counted = 0
    for pod in pods:
        mark = old.get(pod.pod)
        before = _before(filters, mark, pod)
        now = _mark(pod, before)
        marks[pod.pod] = now if before is mark else _mark(pod, mark)
        if before is None or now.at_seconds <= before.at_seconds:
            continue
        counted += 1
        span = now.at_seconds - before.at_seconds
        rate = (rate or 0.0) + max(0.0, now.arrived_total - before.arrived_total) / span
        grown = _growth(before, now)
        sums = [total + more for total, more in zip(sums, grown, strict=True)]
        if before.saturated and now.saturated and _grown_up(pod):
            generated = _grew(before, now, "generation_tokens_total")
            done = cap.work_seconds(policy.engine, max(0.0, grown[3] - grown[4]), generated)
            capacity = cap.learn(capacity, policy.engine, span, done, pod.running or 0.0)
    return Flow(counted, rate, Tokens(*sums), capacity, marks)


def _token_sums(tokens: Tokens) -> tuple[float, float, float, float, float]:
    return (
        tokens.requests,
        tokens.prompt_tokens,
        tokens.generation_tokens,
        tokens.prefilled_tokens,
        tokens.cached_tokens,
    )


def _growth(before: PodMark, now: PodMark) -> tuple[float, float, float, float, float]:
    return (
        _grew(before, now, "request_prompt_tokens_count"),
        _grew(before, now, "request_prompt_tokens_sum"),
        _grew(before, now, "request_generation_tokens_sum"),
        _grew(before, now, "prompt_tokens_total"),
        _grew(before, now, "cached_prompt_tokens_total"),
    )


def _grew(before: PodMark, now: PodMark, counter: str) -> float:
    """A counter's growth; a counter that fell was reset and counts as 0 for this step."""
    return max(0.0, float(getattr(now, counter)) - float(getattr(before, counter)))


def _grown_up(pod: PodSample) -> bool:
    return pod.started_seconds is None or pod.at_seconds - pod.started_seconds >= cap.MIN_AGE_SECONDS


def _before(filters: Filters, mark: PodMark | None, pod: PodSample) -> PodMark | None:
    """The pod's mark. Counters start at zero with the process, so a process that started since needs no earlier sample."""
    since = filters.tick_seconds if mark is None else mark.at_seconds
    if since is None or pod.started_seconds is None or pod.started_seconds < since:
        return mark
    if mark is not None and _mark(pod, mark).arrived_total >= mark.arrived_total:
        return mark  # no counter was reset: the pod's clock is ahead of ours
    return PodMark(pod.pod, since, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, saturated=False)


def _mark(pod: PodSample, before: PodMark | None) -> PodMark:
    """The pod's counters; one that this sample lacks keeps its value, so that it does not jump when it returns."""
    arrived = (pod.finished_total or 0.0) + (pod.running or 0.0) + (pod.waiting or 0.0) + (pod.rejected_total or 0.0)
    counters = {name: _counter(pod, before, name) for name in COUNTERS}
    saturated = (pod.waiting or 0.0) > SATURATED_QUEUE * ((pod.running or 0.0) + 1.0)
    return PodMark(pod=pod.pod, at_seconds=pod.at_seconds, arrived_total=arrived, saturated=saturated, **counters)


def _counter(pod: PodSample, before: PodMark | None, name: str) -> float:
    value: float | None = getattr(pod, name)
    if value is not None:
        return value
    return 0.0 if before is None else float(getattr(before, name))


def marks_after(filters: Filters, inputs: Inputs, seen: dict[str, PodMark]) -> tuple[PodMark, ...]:
    """Marks of the pods that were seen, and old marks of serving pods that were not, whose counters go on meanwhile."""
    old = {mark.pod: mark for mark in filters.marks}
    serving = set(inputs.supply.ready) if inputs.supply is not None else set(seen)
    kept = {name: mark for name, mark in old.items() if name in serving or inputs.supply is None}
    return tuple(mark for _, mark in sorted((kept | seen).items()))
