"""The vLLM metric families that are read, and how the series of one pod become one sample.

Four rules keep a bad reading from looking like an idle pod:
- a family that is absent, or NaN, infinite or negative on any engine, is None;
- a family that lacks an engine which another family has is None, since its sum would be too small;
- a series that appears twice counts once, with its larger value;
- a pod is asleep only if every engine says so.
"""

import math
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

from policies.model import PodSample
from policies.series import (
    FINISHED,
    GENERATION_TOKENS,
    PROMPT_TOKENS,
    QUEUE_TIME,
    REJECTED,
    RUNNING,
    SLEEP_STATE,
    WAITING,
)

STARTED = "process_start_time_seconds"

# Field of `PodSample` -> family. Each is a sum over all the labels of the family.
SUMMED = {
    "running": RUNNING,
    "waiting": WAITING,
    "finished_total": FINISHED,
    "rejected_total": REJECTED,
    "prompt_tokens_total": PROMPT_TOKENS,
    "cached_prompt_tokens_total": "vllm:prompt_tokens_cached_total",
    "generation_tokens_total": GENERATION_TOKENS,
    "request_prompt_tokens_sum": "vllm:request_prompt_tokens_sum",
    "request_prompt_tokens_count": "vllm:request_prompt_tokens_count",
    "request_generation_tokens_sum": "vllm:request_generation_tokens_sum",
    "request_generation_tokens_count": "vllm:request_generation_tokens_count",
    "first_tokens_total": "vllm:time_to_first_token_seconds_count",
}
STARTED_TOGETHER_SECONDS = 60.0  # the processes of one pod start within that time, unless one was started again
FAMILIES = (*SUMMED.values(), SLEEP_STATE, STARTED)
QUEUE_TIME_COUNT, QUEUE_TIME_BUCKET = f"{QUEUE_TIME}_count", f"{QUEUE_TIME}_bucket"  # read from the pods alone


class MetricSeries(NamedTuple):
    """The value of one series of one pod. Family and key identify the series."""

    family: str
    engine: str | None  # None where the family has no such label
    key: Hashable
    value: float


def assemble(pod: str, at_seconds: float, series: Iterable[MetricSeries]) -> PodSample:
    """Sum the series of one pod into a sample. A field whose family cannot be summed is None.

    Of `SLEEP_STATE`, pass only the series of the state `awake`; of `QUEUE_TIME_BUCKET`, those of one bound, beyond which a
    request was late.
    """
    by_family: dict[str, dict[Hashable, float]] = {}
    engines: dict[str, set[str]] = {}
    for family, engine, key, value in series:
        values = by_family.get(family)
        if values is None:
            by_family[family] = {key: value}
            engines[family] = set()
        else:
            values[key] = max(values.get(key, value), value)
        if engine is not None:
            engines[family].add(engine)
    every_engine = set[str]().union(*engines.values())

    def total(family: str) -> float | None:
        values = by_family.get(family)
        if not values or (engines[family] and engines[family] != every_engine):
            return None
        found = sum(values.values())  # each may be finite and the sum not
        return found if math.isfinite(found) and min(values.values()) >= 0 else None

    queue_times, in_time = total(QUEUE_TIME_COUNT), total(QUEUE_TIME_BUCKET)
    late = None if queue_times is None or in_time is None or in_time > queue_times else queue_times - in_time
    return PodSample(
        pod=pod,
        at_seconds=at_seconds,
        started_seconds=total(STARTED),
        engines=float(len(every_engine)) or None,
        asleep=total(SLEEP_STATE) == 0,
        queue_times_total=None if late is None else queue_times,
        late_total=late,
        **{field: total(family) for field, family in SUMMED.items()},
    )


def summed(samples: Sequence[PodSample]) -> PodSample:
    """One sample from those of the ports of a pod, at least one, which were read together.

    A field that one port lacks is None, since its sum would be too small. The start is None where one process started again:
    the sum falls then, and the counters of the others are older.
    """
    if len(samples) == 1:
        return samples[0]

    def total(field: str) -> float | None:
        values = [getattr(sample, field) for sample in samples]
        found = None if None in values else sum(values)
        return found if found is not None and math.isfinite(found) else None

    started = [sample.started_seconds for sample in samples if sample.started_seconds is not None]
    together = len(started) == len(samples) and max(started) - min(started) <= STARTED_TOGETHER_SECONDS
    return PodSample(
        pod=samples[0].pod,
        at_seconds=samples[0].at_seconds,
        started_seconds=max(started) if together else None,
        engines=total("engines"),
        asleep=all(sample.asleep for sample in samples),
        **{field: total(field) for field in (*SUMMED, "queue_times_total", "late_total")},
    )
