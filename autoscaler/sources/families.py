"""The vLLM metric families that are read, and how the series of one pod become one sample.

Four rules keep a bad reading from looking like an idle pod:
- a family that is absent, or NaN, infinite or negative on any engine, is None;
- a family that lacks an engine which another family has is None, since its sum would be too small;
- a series that appears twice counts once, with its larger value;
- a pod is asleep only if every engine says so.
"""

import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from policies.model import PodSample

RUNNING = "vllm:num_requests_running"
WAITING = "vllm:num_requests_waiting"
FINISHED = "vllm:request_success_total"
PROMPT_TOKENS = "vllm:prompt_tokens_total"
GENERATION_TOKENS = "vllm:generation_tokens_total"
SLEEP_STATE = "vllm:engine_sleep_state"
STARTED = "process_start_time_seconds"

# Field of `PodSample` -> family. Each is a sum over all the labels of the family.
SUMMED = {
    "running": RUNNING,
    "waiting": WAITING,
    "finished_total": FINISHED,
    "rejected_total": "vllm:admission_rejections_total",
    "prompt_tokens_total": PROMPT_TOKENS,
    "cached_prompt_tokens_total": "vllm:prompt_tokens_cached_total",
    "generation_tokens_total": GENERATION_TOKENS,
    "request_prompt_tokens_sum": "vllm:request_prompt_tokens_sum",
    "request_prompt_tokens_count": "vllm:request_prompt_tokens_count",
    "request_generation_tokens_sum": "vllm:request_generation_tokens_sum",
    "request_generation_tokens_count": "vllm:request_generation_tokens_count",
    "first_tokens_total": "vllm:time_to_first_token_seconds_count",
}
FAMILIES = (*SUMMED.values(), SLEEP_STATE, STARTED)


@dataclass(frozen=True, slots=True)
class MetricSeries:
    """The value of one series of one pod. Family and key identify the series."""

    family: str
    engine: str | None  # None where the family has no such label
    key: Hashable
    value: float


def assemble(pod: str, at_seconds: float, series: Iterable[MetricSeries]) -> PodSample:
    """Sum the series of one pod into a sample. A field whose family cannot be summed is None.

    Of `SLEEP_STATE`, pass only the series of the state `awake`.
    """
    by_family: dict[str, dict[Hashable, float]] = {}
    engines: dict[str, set[str]] = {}
    for each in series:
        values = by_family.setdefault(each.family, {})
        values[each.key] = max(values.get(each.key, each.value), each.value)
        if each.engine is not None:
            engines.setdefault(each.family, set()).add(each.engine)
    every_engine = frozenset[str]().union(*engines.values())

    def total(family: str) -> float | None:
        if engines.get(family, every_engine) != every_engine:
            return None
        values = by_family.get(family, {}).values()
        found = sum(values)  # each may be finite and the sum not
        return found if values and math.isfinite(found) and all(value >= 0 for value in values) else None

    return PodSample(
        pod=pod,
        at_seconds=at_seconds,
        started_seconds=total(STARTED),
        engines=float(len(every_engine)) if every_engine else None,
        asleep=total(SLEEP_STATE) == 0,
        **{field: total(family) for field, family in SUMMED.items()},
    )
