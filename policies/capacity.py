"""What one replica can serve: the profile's estimate, corrected by what the replicas show.

Underestimating the work of a request by 15 % costs a quarter of all attainment; overestimating it costs 14 % of the GPUs.
A queue shows the work of a saturated replica, and raises the estimate at once. Below saturation `curve` shows it, unless a
queue has stood lately. An estimate that neither confirms sinks slowly, since one that is too high lets no queue stand that would
correct it.
"""

import math
from dataclasses import replace

from policies import curve as curves
from policies.model import Capacity, Engine, Tokens

PRIOR_COUNT = 5.0  # the profile weighs as much as 5 observations
MEMORY_COUNT = 200.0  # older observations fade
RATIO_LIMIT = math.log(3.0)  # the work is at most three times the profile's, and at least a third of it
CONCURRENCY_LIMIT = math.log(32.0)  # profiles give the engine's limit of requests; a KV cache may hold a tenth of them
MIN_AGE_SECONDS = 60.0  # nothing is learned from a pod that is still starting up
QUEUE_TAU_SECONDS = 3600.0  # what a queue showed is believed rather than the curve for about that long
CURVE_TAU_SECONDS = 600.0  # the estimate follows the curve, at once where it rises by more than the standard error ...
CURVE_SINK_PER_HOUR = 0.25  # ... and sinks by no more, so that a queue stands before there is far too little
CURVE_ERROR = 0.3  # a standard error of the curve that is larger confirms nothing
SINK_PER_HOUR = 0.02  # repairs a factor of two in a day and a half
SINK_LOAD = 0.2  # of a replica, by the estimate: with less to do, nothing can confirm it


def work_seconds(engine: Engine, prompt_tokens: float, generation_tokens: float) -> float:
    """Replica-seconds of one request by the profile: prefill and decode, or prefill alone at its largest share.

    `prompt_tokens` does not include cached tokens.
    """
    prefill = prompt_tokens / engine.prefill_tokens_per_second
    return max(prefill + generation_tokens * engine.decode_seconds_per_token, prefill / engine.prefill_max_share)


def request_work_seconds(engine: Engine, capacity: Capacity, tokens: Tokens) -> float | None:
    """Replica-seconds of the mean request, as learned; None before any request has finished."""
    if tokens.requests < 1.0:
        return None
    cached = tokens.cached_tokens / tokens.prefilled_tokens if tokens.prefilled_tokens > 0 else 0.0
    prompt = tokens.prompt_tokens / tokens.requests * (1.0 - min(cached, 1.0))
    return work_seconds(engine, prompt, tokens.generation_tokens / tokens.requests) * work_ratio(capacity)


def work_ratio(capacity: Capacity) -> float:
    """Learned work relative to the profile's."""
    return math.exp(capacity.log_work_ratio)


def sustainable_concurrency(engine: Engine, capacity: Capacity) -> float:
    """Requests that one replica runs at once before any has to wait; at least 1."""
    return max(1.0, engine.max_concurrency * math.exp(capacity.log_concurrency_ratio))


def learn(
    capacity: Capacity,
    engine: Engine,
    now_seconds: float,
    span_seconds: float,
    work_done_seconds: float,
    running: float,
) -> Capacity:
    """Learn from a replica that had requests waiting for `span_seconds` and meanwhile did this much work by the profile."""
    if span_seconds <= 0 or work_done_seconds < 0.1 * span_seconds or running < 1:
        return capacity  # stuck or barely moving: a fault, not its capacity
    weight = 1.0 / (min(capacity.count, MEMORY_COUNT) + PRIOR_COUNT + 1.0)
    work = _clip(math.log(span_seconds / work_done_seconds))
    concurrency = min(max(math.log(running / engine.max_concurrency), -CONCURRENCY_LIMIT), RATIO_LIMIT)
    return replace(
        capacity,
        log_work_ratio=capacity.log_work_ratio + weight * (work - capacity.log_work_ratio),
        log_concurrency_ratio=capacity.log_concurrency_ratio + weight * (concurrency - capacity.log_concurrency_ratio),
        count=min(capacity.count + 1.0, MEMORY_COUNT),
        queued_seconds=now_seconds,
    )


def settled(capacity: Capacity, engine: Engine, now_seconds: float) -> Capacity:
    """The capacity as the curve shows it, once its window is over; sunk a little where nothing has confirmed it."""
    window = capacity.curve
    if not curves.is_full(window, now_seconds):
        return capacity
    ratio = work_ratio(capacity)
    curve = curves.folded(window, engine, ratio, now_seconds)
    elapsed = min(now_seconds - (window.since_seconds or now_seconds), curves.GAP_SECONDS)
    believed = 1.0
    if capacity.queued_seconds is not None:
        believed = 1.0 - math.exp(-max(0.0, now_seconds - capacity.queued_seconds) / QUEUE_TAU_SECONDS)
    shown = curves.estimate(curve, engine, sustainable_concurrency(engine, capacity))
    if shown is not None and shown.error <= CURVE_ERROR:
        beyond = _clip(shown.log_work_ratio) - capacity.log_work_ratio
        moved = max(beyond - shown.error, beyond * (1.0 - math.exp(-elapsed / CURVE_TAU_SECONDS)))
        moved = believed * max(moved, -CURVE_SINK_PER_HOUR * elapsed / 3600.0)
    elif (window.prefill_seconds + window.decode_seconds) * ratio >= SINK_LOAD * window.span_seconds:
        moved = -SINK_PER_HOUR * elapsed / 3600.0 * believed
    else:
        moved = 0.0
    return replace(capacity, log_work_ratio=_clip(capacity.log_work_ratio + moved), curve=curve)


def _clip(log_ratio: float) -> float:
    return min(max(log_ratio, -RATIO_LIMIT), RATIO_LIMIT)
