"""The metrics page: what a real server shows, and what our parser makes of it."""

import re
from dataclasses import replace
from pathlib import Path

from autoscaler.sources.vllm import parse
from policies.model import PodSample
from policies.series import QUEUE_TIME_BOUNDS_SECONDS
from replay.simcluster.vllm import page

SAMPLE = PodSample(
    pod="llm-0",
    at_seconds=1_700_000_100.0,
    started_seconds=1_700_000_000.25,
    running=4.0,
    waiting=45.0,
    finished_total=11.0,
    rejected_total=3.0,
    prompt_tokens_total=1_234_567.0,
    cached_prompt_tokens_total=120.0,
    generation_tokens_total=8113.5,
    request_prompt_tokens_sum=216.0,
    request_prompt_tokens_count=11.0,
    request_generation_tokens_sum=6649.0,
    request_generation_tokens_count=11.0,
    first_tokens_total=15.0,
    engines=1.0,
)


def test_the_parser_reads_back_what_was_written() -> None:
    assert parse(page(SAMPLE, "llm"), "llm-0", 1_700_000_100.0) == SAMPLE


def test_the_parser_reads_how_many_were_late() -> None:
    queue_times = [float(bucket) for bucket in range(len(QUEUE_TIME_BOUNDS_SECONDS) + 1)]
    for bucket, bound in enumerate(QUEUE_TIME_BOUNDS_SECONDS):
        sample = parse(page(SAMPLE, "llm", queue_times), "llm-0", 0.0, bound)
        assert (sample.queue_times_total, sample.late_total) == (sum(queue_times), sum(queue_times[bucket + 1 :]))


def test_unknown_is_left_out() -> None:
    unknown = PodSample(pod="llm-0", at_seconds=0.0, started_seconds=None, engines=1.0)
    assert "requests" not in page(unknown, "llm")
    assert parse(page(unknown, "llm"), "llm-0", 0.0) == replace(unknown, engines=1.0)


def test_every_series_is_one_of_a_real_server(shared: Path) -> None:
    """Same names, same labels in the same order, same types; `le` of the buckets that are kept included."""
    recorded = (shared / "reference" / "vllm" / "metrics_busy.txt").read_text()
    ours = page(SAMPLE, "tiny-llama", [1.0] * (len(QUEUE_TIME_BOUNDS_SECONDS) + 1))
    assert _shapes(ours) <= _shapes(recorded)
    assert _types(ours) <= _types(recorded)


def _shapes(text: str) -> set[str]:
    return {line.rsplit(" ", 1)[0] for line in text.splitlines() if not line.startswith("#")}


def _types(text: str) -> set[str]:
    return set(re.findall(r"^# TYPE .*$", text, re.MULTILINE))
