"""The `/metrics` page of a vLLM server: the families of a real one in its order, 53 kB long. What an autoscaler reads moves.

The page is made once; an answer only fills in the numbers, 25 us.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

ENGINE = 'engine="0",model_name="bench"'


class Family(NamedTuple):
    """A family: its kind, the length of its help, its labels, and the buckets of a histogram."""

    name: str
    kind: str
    help_bytes: int
    labels: tuple[str, ...] = (ENGINE,)
    buckets: int = 0


def _each(label: str, *values: str) -> tuple[str, ...]:
    return tuple(f'{ENGINE},{label}="{value}"' for value in values)


_GENERATIONS = tuple(f'generation="{n}"' for n in range(3))
_SOURCES = ("device", "host", "p2p", "disk", "external_unspecified")
_PLAIN = ("",)
_HANDLER = ('handler="/v1/completions"',)
_REQUEST = ('handler="/v1/completions",method="POST"',)
_CONFIG = (",".join(f'cache_setting_{n:02d}="the default"' for n in range(32)),)

FAMILIES = (
    Family("python_gc_objects_collected_total", "counter", 27, _GENERATIONS),
    Family("python_gc_objects_uncollectable_total", "counter", 37, _GENERATIONS),
    Family("python_gc_collections_total", "counter", 45, _GENERATIONS),
    Family("python_info", "gauge", 27, ('implementation="CPython",major="3",minor="11",version="3.11.7"',)),
    Family("process_virtual_memory_bytes", "gauge", 29, _PLAIN),
    Family("process_resident_memory_bytes", "gauge", 30, _PLAIN),
    Family("process_start_time_seconds", "gauge", 54, _PLAIN),
    Family("process_cpu_seconds_total", "counter", 48, _PLAIN),
    Family("process_open_fds", "gauge", 32, _PLAIN),
    Family("process_max_fds", "gauge", 40, _PLAIN),
    Family("vllm:estimated_flops_per_gpu_total", "counter", 97),
    Family("vllm:estimated_read_bytes_per_gpu_total", "counter", 94),
    Family("vllm:estimated_write_bytes_per_gpu_total", "counter", 95),
    Family("vllm:num_requests_running", "gauge", 46),
    Family("vllm:num_requests_waiting", "gauge", 43),
    Family("vllm:num_requests_waiting_by_reason", "gauge", 242, _each("reason", "capacity", "deferred")),
    Family("vllm:engine_sleep_state", "gauge", 168, _each("sleep_state", "awake", "weights_offloaded", "discard_all")),
    Family("vllm:kv_cache_usage_perc", "gauge", 42),
    Family("vllm:prefix_cache_queries_total", "counter", 59),
    Family("vllm:prefix_cache_hits_total", "counter", 55),
    Family("vllm:external_prefix_cache_queries_total", "counter", 115),
    Family("vllm:external_prefix_cache_hits_total", "counter", 111),
    Family("vllm:mm_cache_queries_total", "counter", 63),
    Family("vllm:mm_cache_hits_total", "counter", 59),
    Family("vllm:num_preemptions_total", "counter", 48),
    Family("vllm:prompt_tokens_total", "counter", 35),
    Family("vllm:prompt_tokens_by_source_total", "counter", 34, _each("source", "local_compute", "hit", "transfer")),
    Family("vllm:prompt_tokens_cached_total", "counter", 50),
    Family("vllm:prompt_tokens_cached_by_source_total", "counter", 271, _each("source", *_SOURCES)),
    Family("vllm:generation_tokens_total", "counter", 38),
    Family(
        "vllm:request_success_total",
        "counter",
        41,
        _each("finished_reason", "stop", "length", "abort", "error", "repetition"),
    ),
    Family("vllm:admission_rejections_total", "counter", 66, _each("reason", "max_num_queued", "max_queued_tokens")),
    Family("vllm:request_prompt_tokens", "histogram", 35, buckets=12),
    Family("vllm:request_generation_tokens", "histogram", 38, buckets=12),
    Family("vllm:iteration_tokens_total", "histogram", 46, buckets=14),
    Family("vllm:request_max_num_generation_tokens", "histogram", 59, buckets=12),
    Family("vllm:request_params_n", "histogram", 37, buckets=6),
    Family("vllm:request_params_max_tokens", "histogram", 46, buckets=12),
    Family("vllm:time_to_first_token_seconds", "histogram", 44, buckets=23),
    Family("vllm:inter_token_latency_seconds", "histogram", 44, buckets=20),
    Family("vllm:request_time_per_output_token_seconds", "histogram", 55, buckets=20),
    Family("vllm:e2e_request_latency_seconds", "histogram", 44, buckets=22),
    Family("vllm:request_queue_time_seconds", "histogram", 53, buckets=22),
    Family("vllm:request_inference_time_seconds", "histogram", 53, buckets=22),
    Family("vllm:request_prefill_time_seconds", "histogram", 53, buckets=22),
    Family("vllm:request_decode_time_seconds", "histogram", 52, buckets=22),
    Family("vllm:request_num_preemptions", "histogram", 57, buckets=8),
    Family("vllm:request_prefill_kv_computed_tokens", "histogram", 77, buckets=12),
    Family("vllm:cache_config_info", "gauge", 40, _CONFIG),
    Family("http_requests_total", "counter", 55, ('handler="/v1/completions",method="POST",status="2xx"',)),
    Family("http_request_size_bytes", "summary", 128, _HANDLER),
    Family("http_response_size_bytes", "summary", 129, _HANDLER),
    Family("http_request_duration_highr_seconds", "histogram", 102, _PLAIN, buckets=22),
    Family("http_request_duration_seconds", "histogram", 103, _REQUEST, buckets=4),
)

# The series that move, by the name of the number that is filled in. Of several labels only the first one moves.
MOVING = {
    "process_start_time_seconds": "started",
    "vllm:num_requests_running": "running",
    "vllm:num_requests_waiting": "waiting",
    "vllm:num_requests_waiting_by_reason": "waiting",
    "vllm:engine_sleep_state": "awake",
    "vllm:prompt_tokens_total": "prompt_tokens",
    "vllm:generation_tokens_total": "generation_tokens",
    "vllm:request_success_total": "finished",
    "vllm:request_prompt_tokens_sum": "finished_prompt_tokens",
    "vllm:request_prompt_tokens_count": "finished",
    "vllm:request_generation_tokens_sum": "finished_generation_tokens",
    "vllm:request_generation_tokens_count": "finished",
    "vllm:time_to_first_token_seconds_count": "first_tokens",
}


def page(names: Collection[str] = ()) -> bytes:
    """The page with `%(name)d` where a number is to be filled in. With names: of these series only, as `?name[]=` asks for."""
    return "".join(line for family in FAMILIES for line in _lines(family, names)).encode()


def filled(template: bytes, numbers: Mapping[bytes, int]) -> bytes:
    """The page with these numbers."""
    return template % numbers


def _lines(family: Family, names: Collection[str]) -> list[str]:
    found = _block(family.name, family.kind, family.help_bytes, _series(family), names)
    if family.kind == "gauge" or family.name.startswith(("python_", "process_")):
        return found
    created = f"{family.name.removesuffix('_total') if family.kind == 'counter' else family.name}_created"
    series = [(created, label, "1795252668.9509475") for label in family.labels]
    return found + _block(created, "gauge", family.help_bytes, series, names)


def _block(
    name: str, kind: str, help_bytes: int, series: list[tuple[str, str, str]], names: Collection[str]
) -> list[str]:
    kept = [each for each in series if not names or each[0] in names]
    if not kept:
        return []
    about = ("What this family counts, in as many letters as vLLM's own help has. " * 5)[:help_bytes]
    lines = [f"# HELP {name} {about}\n", f"# TYPE {name} {kind}\n"]
    return lines + [f"{which}{f'{{{labels}}}' if labels else ''} {value}\n" for which, labels, value in kept]


def _series(family: Family) -> list[tuple[str, str, str]]:
    """Name, labels and value of each."""
    name = family.name
    if family.kind == "summary":
        return [(f"{name}_{part}", family.labels[0], "4711.0") for part in ("count", "sum")]
    if family.kind != "histogram":
        first, *others = [(name, label) for label in family.labels]
        return [(*first, _value(name)), *((*each, "0.0") for each in others)]
    label, comma = family.labels[0], "," if family.labels[0] else ""
    bounds = [f"{0.001 * 2**n:g}" for n in range(family.buckets - 1)] + ["+Inf"]
    series = [(f"{name}_bucket", f'{label}{comma}le="{bound}"', "4711.0") for bound in bounds]
    return series + [(f"{name}_{part}", label, _value(f"{name}_{part}")) for part in ("count", "sum")]


def _value(name: str) -> str:
    return f"%({MOVING[name]})d.0" if name in MOVING else "4711.0"
