"""A vLLM server's `/metrics` from one sample: the metric families that an autoscaler reads, and a few more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client.utils import floatToGoString

from policies.model import PodSample
from policies.series import QUEUE_TIME, QUEUE_TIME_BOUNDS_SECONDS

CONTENT_TYPE = "text/plain; version=1.0.0; charset=utf-8"

Labels = tuple[tuple[str, str], ...]  # sorted by name, as vLLM writes them


@dataclass(frozen=True, slots=True)
class Family:
    """One metric family and its series: (name of the series, labels, value)."""

    name: str
    kind: str
    help: str
    series: tuple[tuple[str, Labels, float], ...]


def families(sample: PodSample, model: str, queue_times: Sequence[float] = ()) -> list[Family]:
    """The metric families of one server in page order. Values that the sample does not have are left out.

    `queue_times`: finished requests by the bucket of vLLM's queue times.
    """
    named = (("model_name", model),)
    engine = (("engine", "0"), *named)
    found: list[Family] = []

    def family(name: str, kind: str, text: str, *series: tuple[Labels, float | None]) -> None:
        known = tuple((name, labels, value) for labels, value in series if value is not None)
        if known:
            found.append(Family(name, kind, text, known))

    def per_engine(name: str, kind: str, text: str, value: float | None) -> None:
        family(name, kind, text, (engine, value))

    started = sample.started_seconds
    family("process_start_time_seconds", "gauge", "Unix time at which the process started.", ((), started))
    per_engine("vllm:num_requests_running", "gauge", "Requests in the batch.", sample.running)
    per_engine("vllm:num_requests_waiting", "gauge", "Requests in the queue.", sample.waiting)
    family(
        "vllm:num_requests_waiting_by_reason",
        "gauge",
        "Requests in the queue, by what they wait for.",
        ((*engine, ("reason", "capacity")), sample.waiting),
        ((*engine, ("reason", "deferred")), 0.0 if sample.waiting is not None else None),
    )
    states = (("awake", not sample.asleep), ("weights_offloaded", sample.asleep), ("discard_all", False))
    family(
        "vllm:engine_sleep_state",
        "gauge",
        "Whether the engine is awake.",
        *(((*engine, ("sleep_state", state)), float(on)) for state, on in states),
    )
    prompt, cached = sample.prompt_tokens_total, sample.cached_prompt_tokens_total
    per_engine("vllm:prompt_tokens_total", "counter", "Prompt tokens processed.", prompt)
    if prompt is not None and cached is not None:
        sources = (("local_compute", prompt - cached), ("local_cache_hit", cached), ("external_kv_transfer", 0.0))
        family(
            "vllm:prompt_tokens_by_source_total",
            "counter",
            "Prompt tokens by where they came from.",
            *(((*engine, ("source", source)), tokens) for source, tokens in sources),
        )
    per_engine("vllm:prompt_tokens_cached_total", "counter", "Prompt tokens found in a cache.", cached)
    per_engine("vllm:generation_tokens_total", "counter", "Tokens generated.", sample.generation_tokens_total)
    finished = sample.finished_total
    reasons = (("stop", finished), *((other, 0.0) for other in ("length", "abort", "error", "repetition")))
    if finished is not None:
        family(
            "vllm:request_success_total",
            "counter",
            "Requests finished, by how they ended.",
            *(((engine[0], ("finished_reason", reason), *named), count) for reason, count in reasons),
        )
    family(
        "vllm:admission_rejections_total",
        "counter",
        "Requests rejected on arrival, by limit.",
        ((*named, ("reason", "max_num_queued_reqs")), sample.rejected_total),
        ((*named, ("reason", "max_num_queued_tokens")), 0.0 if sample.rejected_total is not None else None),
    )
    for name, text, total, count in (
        ("prompt", "Prompt tokens", sample.request_prompt_tokens_sum, sample.request_prompt_tokens_count),
        (
            "generation",
            "Tokens generated",
            sample.request_generation_tokens_sum,
            sample.request_generation_tokens_count,
        ),
    ):
        if total is not None and count is not None:
            found.append(
                _histogram(f"vllm:request_{name}_tokens", f"{text} of each finished request.", engine, total, count)
            )
    if sample.first_tokens_total is not None:
        name, text = "vllm:time_to_first_token_seconds", "Time to the first token of each request."
        found.append(_histogram(name, text, engine, None, sample.first_tokens_total))
    if queue_times:
        text = "Time in the queue of each finished request."
        within = dict(zip(map(str, QUEUE_TIME_BOUNDS_SECONDS), accumulate(queue_times), strict=False))
        found.append(_histogram(QUEUE_TIME, text, engine, None, sum(queue_times), within))
    return found


def _histogram(
    name: str, text: str, engine: Labels, total: float | None, count: float, within: Mapping[str, float] | None = None
) -> Family:
    buckets = {**(within or {}), "+Inf": count}
    series = [(f"{name}_bucket", (engine[0], ("le", le), *engine[1:]), value) for le, value in buckets.items()]
    series.append((f"{name}_count", engine, count))
    if total is not None:
        series.append((f"{name}_sum", engine, total))
    return Family(name, "histogram", text, tuple(series))


def page(sample: PodSample, model: str, queue_times: Sequence[float] = ()) -> str:
    """The text of `/metrics`."""
    lines: list[str] = []
    for family in families(sample, model, queue_times):
        lines += (f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}")
        for name, labels, value in family.series:
            inside = ",".join(f'{key}="{text}"' for key, text in labels)
            lines.append(f"{name}{{{inside}}} {_number(value)}" if inside else f"{name} {_number(value)}")
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    """As vLLM's own client library writes it: `4.0`, `1.79525265177e+09`."""
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]
