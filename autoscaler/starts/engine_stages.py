"""The parts of a warm-up, from vLLM's `/readiness/stages`, which is proposed (vllm-project/vllm#45551) and in no release.

    {"stage": "loading_weights", "model_ready": false, "residual_delay_s": 56.0, ...}

It says at which stage the engine is now: a part ends between the last answer before and the first one after. Its estimate of what
is left is that of one model on one GPU, and is not read. If a stage was not seen, or two answers around an end lie far apart, this
says nothing: the warm-up is known as a whole then. So it is as the proposal stands, whose server listens once all is over.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from policies.seen import FUTURE_SECONDS, PodSeen
from policies.starts import WARMUP_PARTS, Span

STAGES = (
    "initializing",
    "engine_init",
    "loading_weights",
    "weights_loaded",
    "kv_cache_ready",
    "graph_capture_done",
    "model_ready",
)
BEFORE, (LOADING, LOADED, CACHED, CAPTURED, SERVES) = (0, 1), range(2, len(STAGES))
MOST_ANSWERS = 2 * len(STAGES)  # of a start; one that is never at a stage twice needs half
LONGEST_GAP_SECONDS = 10.0  # between two answers of which the second shows that a part has ended


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers in a row with the same stage."""

    stage: int  # its place among STAGES
    first_seconds: float
    last_seconds: float


def stage(body: bytes) -> int | None:
    """The place among STAGES of the one in an answer; None for any answer of another shape."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    name = found.get("stage") if isinstance(found, dict) else None
    if name not in STAGES or found.get("model_ready") is not (name == STAGES[-1]):
        return None
    return STAGES.index(name)


def added(answers: Sequence[Answers], at: int, now_seconds: float) -> tuple[Answers, ...]:
    """The answers with one more."""
    if answers and answers[-1].stage == at:
        return (*answers[:-1], Answers(at, answers[-1].first_seconds, now_seconds))
    return (*answers, Answers(at, now_seconds, now_seconds))[:MOST_ANSWERS]


def warmup_parts(answers: Sequence[Answers], pod: PodSeen) -> tuple[Span, ...]:
    """Process, load, compile, graphs and probe of a pod that serves; nothing where the answers do not show each of them in order.

    What is between loaded weights and the KV cache counts as compile: mostly it is.
    """
    started, ready = pod.started_seconds, pod.ready_seconds
    if started is None or ready is None or pod.restarts:
        return ()
    early = [
        replace(each, last_seconds=min(each.last_seconds, ready)) for each in answers if each.first_seconds <= ready
    ]
    seen = {each.stage: each for each in early}
    before = next((seen[each] for each in reversed(BEFORE) if each in seen), None)
    if (
        before is None
        or not seen.keys() >= {LOADING, LOADED, CACHED}
        or list(seen) != sorted(each.stage for each in early)
    ):
        return ()
    after = seen.get(CAPTURED) or seen.get(SERVES) or Answers(SERVES, ready, ready)
    ends = list[float]()
    for last, first in pairwise((before, seen[LOADING], seen[LOADED], seen[CACHED], after)):
        if not 0.0 <= first.first_seconds - last.last_seconds <= LONGEST_GAP_SECONDS:
            return ()
        ends.append((last.last_seconds + first.first_seconds) / 2)
    if ends[0] < started - FUTURE_SECONDS:
        return ()
    times = (min(started, ends[0]), *ends, ready)
    return tuple([Span(part, *between) for part, between in zip(WARMUP_PARTS, pairwise(times), strict=True)])
