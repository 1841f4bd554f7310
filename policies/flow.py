"""What went through the pods since their last readings: arrivals, tokens, and the work that saturated replicas did.

Clients that hang up leave no trace among the finished requests. The engine's own beginnings show them: first tokens and, where
an engine does not count these, prompt tokens.
"""

import math
from dataclasses import dataclass, replace

from policies import capacity as cap
from policies.curve import gathered
from policies.level import elapsed_seconds
from policies.model import Capacity, Engine, Filters, PodSample, Policy, State, Tokens
from policies.physics import HISTOGRAMS, growth
from policies.signals import Judged, arrived

TOKENS_TAU_SECONDS = 600.0
LEARNING_SECONDS = 60.0  # longer between two readings, a replica may have been idle in between
LIKELY_OF_MEAN = 3.0  # tokens of all the requests of a pod, over as many of those that came lately
# Waiting over running: nothing is learned from one or two requests that wait for the next step of an idle engine.
SATURATED_QUEUE = 0.25
SATURATED_SECONDS = 1.0  # of work that waits: a few prompts that came together are no queue
HANGUP_LIMIT = 10.0  # requests begun over those that stayed
HANGUP_TAU_SECONDS = 30.0  # the level must not dip while it is learned that clients hang up
HANGUP_SHARE = 0.1  # fewer are the requests in prefill, which have arrived and not begun
HANGUP_PROMPT_SHARE = 0.25  # the same by prompt tokens, whose mean is uncertain
HANGUP_REQUESTS = 20.0  # fewer show nothing


@dataclass(frozen=True, slots=True)
class Flow:
    """What went through the pods since their last readings."""

    arrivals_per_second: float | None  # None: no pod's growth is known
    filters: Filters
    capacity: Capacity


def flow(policy: Policy, state: State, now_seconds: float, judged: list[Judged]) -> Flow:
    """The flow through the pods whose readings count, and the capacity learned from it."""
    filters, capacity = state.filters, state.capacity
    counted = [(each.before, each.sample) for each in judged if each.before is not None and each.sample is not None]
    if not counted:
        return Flow(None, filters, capacity)
    fade, brief = fades(filters, now_seconds)
    sums = [fade * value for value in token_sums(filters.tokens)]
    came, all_begun = brief * filters.arrived, brief * filters.begun
    rejected_rate = stayed_rate = 0.0
    for before, now in counted:
        span = now.at_seconds - before.at_seconds
        stayed, begun, rejected = passed(filters.tokens, before, now)
        came += stayed
        all_begun += begun
        rejected_rate += rejected / span
        stayed_rate += stayed / span
        sums = [total + each for total, each in zip(sums, grown(filters.tokens, before, now), strict=True)]
        capacity = _learned(policy, capacity, filters.tokens, before, now, stayed)
    capacity = cap.settled(capacity, policy.engine, now_seconds)
    by_tokens = all(now.first_tokens_total is not None for _, now in counted)
    rate = rejected_rate + stayed_rate * _hangups(came, all_begun, HANGUP_SHARE if by_tokens else HANGUP_PROMPT_SHARE)
    return Flow(rate, replace(filters, tokens=Tokens(*sums), arrived=came, begun=max(0.0, all_begun)), capacity)


def fades(filters: Filters, now_seconds: float) -> tuple[float, float]:
    """What is left since the last tick of the sums of tokens, and of those that show hang-ups."""
    elapsed = elapsed_seconds(filters, now_seconds)
    return math.exp(-elapsed / TOKENS_TAU_SECONDS), math.exp(-elapsed / HANGUP_TAU_SECONDS)


def passed(tokens: Tokens, before: PodSample, now: PodSample) -> tuple[float, float, float]:
    """Requests between two readings: those that came and stayed, those that came by what the engine began, the rejected."""
    rejected = growth(before.rejected_total, now.rejected_total)
    stayed = max(0.0, arrived(now) - arrived(before) - rejected)
    return stayed, _begun(tokens, before, now, stayed), rejected


def _begun(tokens: Tokens, before: PodSample, now: PodSample, stayed: float) -> float:
    """Requests that came, by what the engine began: what it began and what came to wait; `stayed` where it shows neither."""
    queued = (now.waiting or 0.0) - (before.waiting or 0.0)
    if before.first_tokens_total is not None and now.first_tokens_total is not None:
        return now.first_tokens_total - before.first_tokens_total + queued
    if before.prompt_tokens_total is None or now.prompt_tokens_total is None or tokens.prompt_tokens < 1.0:
        return stayed
    return (now.prompt_tokens_total - before.prompt_tokens_total) * tokens.requests / tokens.prompt_tokens + queued


def _hangups(stayed: float, begun: float, tolerance: float) -> float:
    """How many requests came for each that stayed, at least 1."""
    if begun < HANGUP_REQUESTS:
        return 1.0
    return max(1.0, begun / max(stayed, begun / HANGUP_LIMIT) - tolerance)


def most_hangups(came: float, begun: float, stayed: float, beyond: float) -> float:
    """No less than `_hangups`, whichever pods count of those to which `stayed` more came and stayed.

    `came` and `begun` are the sums before, and `beyond` is how many more were begun, of the pods where more were.
    """
    if begun + stayed + beyond < HANGUP_REQUESTS:
        return 1.0
    return _hangups(came, max(begun + beyond, HANGUP_REQUESTS), HANGUP_SHARE)


def token_sums(tokens: Tokens) -> tuple[float, float, float, float, float]:
    """The sums, in the order of the fields."""
    return (
        tokens.requests,
        tokens.prompt_tokens,
        tokens.generation_tokens,
        tokens.prefilled_tokens,
        tokens.cached_tokens,
    )


def grown(tokens: Tokens, before: PodSample, now: PodSample) -> tuple[float, float, float, float, float]:
    """What the sums of `Tokens` grow by between two readings. Sums and counts are taken together or not at all."""
    finished = (0.0, 0.0, 0.0)
    if all(getattr(each, name) is not None for each in (before, now) for name in HISTOGRAMS):
        finished = (
            growth(before.request_prompt_tokens_count, now.request_prompt_tokens_count),
            growth(before.request_prompt_tokens_sum, now.request_prompt_tokens_sum),
            growth(before.request_generation_tokens_sum, now.request_generation_tokens_sum),
        )
    prefilled = cached = 0.0
    if _shows_prefill(tokens, before) and _shows_prefill(tokens, now):
        prefilled = growth(before.prompt_tokens_total, now.prompt_tokens_total)
        cached = growth(before.cached_prompt_tokens_total, now.cached_prompt_tokens_total)
    return (*finished, prefilled, cached)


def _shows_prefill(tokens: Tokens, sample: PodSample) -> bool:
    """Whether it has the prompt tokens, and those that were cached if any engine counts them."""
    cached = sample.cached_prompt_tokens_total is not None or tokens.cached_tokens < 1.0
    return cached and sample.prompt_tokens_total is not None


def _learned(
    policy: Policy, capacity: Capacity, tokens: Tokens, before: PodSample, now: PodSample, stayed: float
) -> Capacity:
    """What a pod teaches that was busy for the whole span, if all that it did was counted."""
    span = now.at_seconds - before.at_seconds
    held = (before.running or 0.0) + (before.waiting or 0.0)
    if not (span <= LEARNING_SECONDS and before.running and now.running and _grown_up(now)):
        return capacity
    if (before.running, before.waiting) == (now.running, now.waiting):
        return capacity  # the gauges may stand still
    if not all(_shows_prefill(tokens, each) and each.generation_tokens_total is not None for each in (before, now)):
        return capacity
    read = growth(before.prompt_tokens_total, now.prompt_tokens_total)
    generated = growth(before.generation_tokens_total, now.generation_tokens_total)
    if not _of_requests(tokens, held + stayed, read, generated):
        return capacity
    computed = max(0.0, read - growth(before.cached_prompt_tokens_total, now.cached_prompt_tokens_total))
    engine = policy.engine
    if _at_its_limit(engine, capacity, tokens, before, now):
        done = cap.work_seconds(engine, computed, generated)
        capacity = cap.learn(capacity, engine, now.at_seconds, span, done, now.running)
    prefill, decode = computed / engine.prefill_tokens_per_second, generated * engine.decode_seconds_per_token
    curve = gathered(capacity.curve, now.at_seconds, span, (before.running + now.running) / 2.0, prefill, decode)
    return replace(capacity, curve=curve)


def _at_its_limit(engine: Engine, capacity: Capacity, tokens: Tokens, before: PodSample, now: PodSample) -> bool:
    """Whether a pod had more to do than it could for the whole span, by a queue that has moved."""
    if not (before.waiting and now.waiting) or before.waiting == now.waiting:
        return False
    least = SATURATED_SECONDS / (cap.request_work_seconds(engine, capacity, tokens) or math.inf)
    return _saturated(before, least) and _saturated(now, least)


def _of_requests(tokens: Tokens, requests: float, read: float, generated: float) -> bool:
    """Whether so many requests are likely to have so many tokens: a counter may jump within what an engine can do."""
    most = LIKELY_OF_MEAN * requests
    return read * tokens.requests <= most * tokens.prompt_tokens and (
        generated * tokens.requests <= most * tokens.generation_tokens
    )


def _saturated(sample: PodSample, least_waiting: float) -> bool:
    return (sample.waiting or 0.0) > max(least_waiting, SATURATED_QUEUE * ((sample.running or 0.0) + 1.0))


def _grown_up(pod: PodSample) -> bool:
    return pod.started_seconds is None or pod.at_seconds - pod.started_seconds >= cap.MIN_AGE_SECONDS
