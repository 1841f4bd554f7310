"""What an engine can show and do: the bounds within which a reading is believed.

They are wide, since a profile may be wrong by a factor of three and pages are not written at one instant: what is refused is
no unusual load but a broken number. A jump within them is load.
"""

from policies.model import Engine, PodSample, Tokens

LARGEST = 2.0**53  # above it a float skips whole numbers: such a counter has stopped counting
SPEED_FACTOR = 20.0  # no engine is that much faster than its profile says
QUEUE_FACTOR = 1000.0  # waiting requests, in units of the profile's concurrency
LONGEST_TOKENS = 131_072.0  # of one request
MEANS = 20.0  # a request may be that many times as long as the mean
PAGE_SECONDS = 2.0  # how far the time of a page may be from the time of its numbers
PAGE_REQUESTS = 2.0  # requests that may end while one page is written
AGREE = 1.25  # two counts of the same requests differ by less
ENDED = 4.0  # requests that ended over those whose tokens were counted: engines differ in what they count of aborted ones
COUNTERS = (
    "finished_total",
    "rejected_total",
    "prompt_tokens_total",
    "cached_prompt_tokens_total",
    "generation_tokens_total",
    "request_prompt_tokens_sum",
    "request_prompt_tokens_count",
    "request_generation_tokens_sum",
    "request_generation_tokens_count",
    "first_tokens_total",
)


def possible(engine: Engine, sample: PodSample) -> bool:
    """Whether an engine can show these numbers."""
    running, waiting = sample.running or 0.0, sample.waiting or 0.0
    if running > SPEED_FACTOR * engine.max_concurrency or waiting > QUEUE_FACTOR * engine.max_concurrency:
        return False
    counts = (
        sample.finished_total or 0.0,
        sample.rejected_total or 0.0,
        sample.prompt_tokens_total or 0.0,
        sample.cached_prompt_tokens_total or 0.0,
        sample.generation_tokens_total or 0.0,
        sample.request_prompt_tokens_sum or 0.0,
        sample.request_prompt_tokens_count or 0.0,
        sample.request_generation_tokens_sum or 0.0,
        sample.request_generation_tokens_count or 0.0,
        sample.first_tokens_total or 0.0,
        running,
        waiting,
    )
    return max(counts) < LARGEST and min(counts) >= 0.0


def growth(before: float | None, now: float | None) -> float:
    """What a counter grew by; 0 where it was not there at both times."""
    return 0.0 if before is None or now is None else now - before


def fell(before: PodSample, now: PodSample) -> bool:
    """Whether any counter went down."""
    return any([growth(getattr(before, name), getattr(now, name)) < 0.0 for name in COUNTERS])


def possible_growth(engine: Engine, tokens: Tokens, before: PodSample, now: PodSample) -> bool:
    """Whether an engine can have done this between two readings, and whether its counters agree on it."""
    span_seconds = now.at_seconds - before.at_seconds + PAGE_SECONDS
    held = (before.running or 0.0) + (before.waiting or 0.0)
    read = growth(before.prompt_tokens_total, now.prompt_tokens_total)
    cached = growth(before.cached_prompt_tokens_total, now.cached_prompt_tokens_total)
    generated = growth(before.generation_tokens_total, now.generation_tokens_total)
    finished = growth(before.finished_total, now.finished_total)
    known = tokens.requests >= 1.0
    mean_prompt = tokens.prompt_tokens / tokens.requests if known else LONGEST_TOKENS
    if read - cached > SPEED_FACTOR * engine.prefill_tokens_per_second * span_seconds + LONGEST_TOKENS:
        return False
    if generated > SPEED_FACTOR * span_seconds / engine.decode_seconds_per_token:
        return False
    if cached > read + PAGE_REQUESTS * mean_prompt:
        return False
    # Every request that ended was held before, or has been read since: a token at least.
    if now.prompt_tokens_total is not None and finished > held + read + generated + PAGE_REQUESTS:
        return False
    if growth(before.first_tokens_total, now.first_tokens_total) > held + generated + PAGE_REQUESTS:
        return False
    if now.request_prompt_tokens_count is None or before.request_prompt_tokens_count is None:
        return True
    prompts = growth(before.request_prompt_tokens_count, now.request_prompt_tokens_count)
    outputs = growth(before.request_generation_tokens_count, now.request_generation_tokens_count)
    if max(prompts, outputs) > AGREE * min(prompts, outputs) + PAGE_REQUESTS:
        return False
    if prompts > AGREE * finished + PAGE_REQUESTS or finished > ENDED * prompts + held + PAGE_REQUESTS:
        return False
    prompt_tokens = growth(before.request_prompt_tokens_sum, now.request_prompt_tokens_sum)
    output_tokens = growth(before.request_generation_tokens_sum, now.request_generation_tokens_sum)
    if prompt_tokens < prompts or (prompts == 0.0 and prompt_tokens > 0.0):
        return False
    if outputs > PAGE_REQUESTS and output_tokens == 0.0 and generated > 0.0:
        return False
    # The tokens of a request that ended were read and generated since, or before while it was held.
    longest = LONGEST_TOKENS + held * MEANS * mean_prompt
    if now.prompt_tokens_total is not None and prompt_tokens > 2.0 * read + min(_open_prompts(before), longest):
        return False
    mean_output = tokens.generation_tokens / tokens.requests if known else LONGEST_TOKENS
    longest = LONGEST_TOKENS + held * MEANS * mean_output
    return now.generation_tokens_total is None or output_tokens <= 2.0 * generated + min(_open_outputs(before), longest)


def _open_prompts(before: PodSample) -> float:
    """Prompt tokens that were read for requests that had not ended."""
    return max(0.0, (before.prompt_tokens_total or 0.0) - (before.request_prompt_tokens_sum or 0.0))


def _open_outputs(before: PodSample) -> float:
    return max(0.0, (before.generation_tokens_total or 0.0) - (before.request_generation_tokens_sum or 0.0))
