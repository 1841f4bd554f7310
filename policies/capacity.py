"""What one replica can serve: the profile's estimate, corrected while requests wait, with a margin for uncertainty.

Underestimating the work of a request by 15 % costs a quarter of all attainment; overestimating it costs 14 % of the GPUs.
So an uncertain estimate of the work is raised.
"""

import math

from policies.model import Capacity, Engine, Tokens

PRIOR_COUNT = 5.0  # the profile weighs as much as 5 observations
DOUBT = 0.15  # added to the logarithm of the work while nothing has been learned
MEMORY_COUNT = 200.0  # older observations fade
RATIO_LIMIT = math.log(3.0)  # one observation counts as at most three times the profile, or a third of it
MIN_AGE_SECONDS = 60.0  # nothing is learned from a pod that is still starting up


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
    """Learned work relative to the profile's, raised by the remaining doubt."""
    return math.exp(_shrunk(capacity, capacity.log_work_ratio) + _doubt(capacity))


def sustainable_concurrency(engine: Engine, capacity: Capacity) -> float:
    """Requests that one replica runs at once before any has to wait, lowered by the remaining doubt; at least 1."""
    ratio = math.exp(_shrunk(capacity, capacity.log_concurrency_ratio) - _doubt(capacity))
    return max(1.0, engine.max_concurrency * ratio)


def learn(
    capacity: Capacity, engine: Engine, span_seconds: float, work_done_seconds: float, running: float
) -> Capacity:
    """Learn from a replica that had requests waiting for `span_seconds` and meanwhile did this much work by the profile."""
    if span_seconds <= 0 or work_done_seconds < 0.1 * span_seconds or running < 1:
        return capacity  # stuck or barely moving: a fault, not its capacity
    weight = 1.0 / (min(capacity.count, MEMORY_COUNT) + 1.0)
    work = _clip(math.log(span_seconds / work_done_seconds))
    concurrency = _clip(math.log(running / engine.max_concurrency))
    return Capacity(
        count=min(capacity.count + 1.0, MEMORY_COUNT),
        log_work_ratio=capacity.log_work_ratio + weight * (work - capacity.log_work_ratio),
        log_concurrency_ratio=capacity.log_concurrency_ratio + weight * (concurrency - capacity.log_concurrency_ratio),
    )


def _shrunk(capacity: Capacity, mean: float) -> float:
    return mean * capacity.count / (capacity.count + PRIOR_COUNT)


def _doubt(capacity: Capacity) -> float:
    return DOUBT * math.sqrt(PRIOR_COUNT / (capacity.count + PRIOR_COUNT))


def _clip(log_ratio: float) -> float:
    return min(max(log_ratio, -RATIO_LIMIT), RATIO_LIMIT)
