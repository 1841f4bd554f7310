"""What an engine can show and do: the bounds within which a reading is believed.

They are wide, since a profile may be wrong by a factor of three and pages are not written at one instant: what is refused is
no unusual load but a broken number. A jump within them is load.
"""

import math
from typing import NamedTuple

from policies.model import Engine, PodSample, Tokens

LARGEST = 2.0**53  # above it a float skips whole numbers: such a counter has stopped counting
SPEED_FACTOR = 20.0  # no engine is that much faster than its profile says
QUEUE_FACTOR = 1000.0  # waiting requests, in units of the profile's concurrency
LONGEST_TOKENS = 131_072.0  # of one request
LONGEST_OF_MEAN = 20.0  # a request may be that many times as long as the mean
PAGE_SECONDS = 2.0  # how far the time of a page may be from the time of its numbers
PAGE_REQUESTS = 2.0  # requests that may end while one page is written
AGREE = 1.25  # two counts of the same requests differ by less
ENDED = 4.0  # requests that ended over those whose tokens were counted: not every engine counts aborted ones
HISTOGRAMS = (
    "request_prompt_tokens_sum",
    "request_prompt_tokens_count",
    "request_generation_tokens_sum",
    "request_generation_tokens_count",
)
COUNTERS = (
    "finished_total",
    "rejected_total",
    "prompt_tokens_total",
    "cached_prompt_tokens_total",
    "generation_tokens_total",
    *HISTOGRAMS,
    "first_tokens_total",
)


def possible(engine: Engine, sample: PodSample) -> bool:
    """Whether an engine can show these numbers."""
    running, waiting = sample.running or 0.0, sample.waiting or 0.0
    if running > SPEED_FACTOR * engine.max_concurrency or waiting > QUEUE_FACTOR * engine.max_concurrency:
        return False
    counts = [running, waiting, *(getattr(sample, name) or 0.0 for name in COUNTERS)]
    return max(counts) < LARGEST and min(counts) >= 0.0


def growth(before: float | None, now: float | None) -> float:
    """What a counter grew by; 0 where it was not there at both times."""
    return 0.0 if before is None or now is None else now - before


def queue_times(before: PodSample, now: PodSample) -> tuple[float, float] | None:
    """Requests that finished between two readings, by the queue times, and how many of them were late.

    None where one is missing, or they contradict each other or the requests that finished. The two are taken together: another
    queue wait of the policy changes what is late, and would show the whole past as late at once.
    """
    if before.queue_times_total is None or now.queue_times_total is None:
        return None
    if before.late_total is None or now.late_total is None:
        return None
    counted, late = now.queue_times_total - before.queue_times_total, now.late_total - before.late_total
    most = min(LARGEST, AGREE * growth(before.finished_total, now.finished_total) + PAGE_REQUESTS)
    return (counted, late) if 0.0 <= late <= counted <= most else None


def fell(before: PodSample, now: PodSample) -> bool:
    """Whether any counter went down."""
    return any(growth(getattr(before, name), getattr(now, name)) < 0.0 for name in COUNTERS)


def possible_growth(engine: Engine, tokens: Tokens, before: PodSample, now: PodSample) -> bool:
    """Whether an engine can have done this between two readings, and whether its counters agree on it.

    `tokens` are those of all pods lately: what a request is like.
    """
    grown = _grown(before, now)
    if not _within_speed(engine, tokens, grown):
        return False
    if before.request_prompt_tokens_count is None or now.request_prompt_tokens_count is None:
        return True
    return _agree_on_requests(grown) and _agree_on_tokens(tokens, grown)


class _Grown(NamedTuple):
    """What the counters of a pod grew by between two readings; 0 where one is not there."""

    span_seconds: float
    held: float  # requests that the engine had at the first reading
    read: float  # prompt tokens, including cached ones
    cached: float
    generated: float
    begun: float  # requests that got their first token
    finished: float
    prompts: float  # finished requests, by the histogram of their prompts
    outputs: float  # the same, by that of their outputs
    prompt_tokens: float
    output_tokens: float
    open_prompt_tokens: float  # at the first reading: read for requests that had not ended
    open_output_tokens: float
    has_totals: bool


def _grown(before: PodSample, now: PodSample) -> _Grown:
    read, asked = before.prompt_tokens_total or 0.0, before.request_prompt_tokens_sum or 0.0
    generated, given = before.generation_tokens_total or 0.0, before.request_generation_tokens_sum or 0.0
    return _Grown(
        now.at_seconds - before.at_seconds + PAGE_SECONDS,
        (before.running or 0.0) + (before.waiting or 0.0),
        growth(before.prompt_tokens_total, now.prompt_tokens_total),
        growth(before.cached_prompt_tokens_total, now.cached_prompt_tokens_total),
        growth(before.generation_tokens_total, now.generation_tokens_total),
        growth(before.first_tokens_total, now.first_tokens_total),
        growth(before.finished_total, now.finished_total),
        growth(before.request_prompt_tokens_count, now.request_prompt_tokens_count),
        growth(before.request_generation_tokens_count, now.request_generation_tokens_count),
        growth(before.request_prompt_tokens_sum, now.request_prompt_tokens_sum),
        growth(before.request_generation_tokens_sum, now.request_generation_tokens_sum),
        _open(read, asked),
        _open(generated, given),
        now.prompt_tokens_total is not None and now.generation_tokens_total is not None,
    )


def _open(counted: float, ended: float) -> float:
    """Tokens of requests that had not ended; without a bound where more seem to have ended than were counted, as after a jump."""
    return counted - ended if counted >= ended else math.inf


def _mean(tokens: float, requests: float) -> float:
    return tokens / requests if requests >= 1.0 else LONGEST_TOKENS


def _within_speed(engine: Engine, tokens: Tokens, it: _Grown) -> bool:
    read_most = SPEED_FACTOR * engine.prefill_tokens_per_second * it.span_seconds + LONGEST_TOKENS
    generated_most = SPEED_FACTOR * it.span_seconds / engine.decode_seconds_per_token
    return (
        it.read - it.cached <= read_most
        and it.generated <= generated_most
        and it.cached <= it.read + PAGE_REQUESTS * _mean(tokens.prompt_tokens, tokens.requests)
        # An engine that generates nothing (embeddings) counts a first token for each prompt that it has read.
        and (not it.has_totals or it.begun <= it.held + (it.generated or it.read) + PAGE_REQUESTS)
        # What ended was held before, or has come and been read since: a token at least.
        and (not it.has_totals or it.finished <= it.held + it.read + it.generated + PAGE_REQUESTS)
    )


def _agree_on_requests(it: _Grown) -> bool:
    return (
        max(it.prompts, it.outputs) <= AGREE * min(it.prompts, it.outputs) + PAGE_REQUESTS
        and it.prompts <= AGREE * it.finished + PAGE_REQUESTS
        and it.finished <= ENDED * it.prompts + it.held + PAGE_REQUESTS
    )


def _agree_on_tokens(tokens: Tokens, it: _Grown) -> bool:
    """Whether the tokens of the requests that ended were read and generated since, or before while they were held."""
    longest_prompts = LONGEST_TOKENS + it.held * LONGEST_OF_MEAN * _mean(tokens.prompt_tokens, tokens.requests)
    longest_outputs = LONGEST_TOKENS + it.held * LONGEST_OF_MEAN * _mean(tokens.generation_tokens, tokens.requests)
    if it.prompt_tokens < it.prompts or (it.prompts == 0.0 and it.prompt_tokens > 0.0):
        return False
    if it.outputs > PAGE_REQUESTS and it.output_tokens == 0.0 and it.generated > 0.0:
        return False
    return not it.has_totals or (
        it.prompt_tokens <= 2.0 * it.read + min(it.open_prompt_tokens, longest_prompts)
        and it.output_tokens <= 2.0 * it.generated + min(it.open_output_tokens, longest_outputs)
    )
