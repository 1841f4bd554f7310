"""The serving model beside a real vLLM server: the bursts of a recorded run, replayed."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from replay.sim.world import World

from .scenarios import START, SURE, scenario

# The recorded server: --max-num-seqs 4, 2,150 (b1) to 2,190 (b3) tokens/s at that batch, prompts of about 19 tokens.
SERVER = replace(
    SURE,
    max_num_seqs=4,
    prefill_tokens_per_second=20_000.0,
    step_base_seconds=0.00164,
    step_sequence_seconds=0.0000465,
)


def bursts(shared: Path, prefix: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """When each request of a burst was sent, its tokens, and when it ended, in seconds of the run."""
    with (shared / "reference/vllm/series_requests.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["burst"].startswith(prefix) and row["outcome"] == "ok"]
    rows.sort(key=lambda row: float(row["t_sent"]))
    sent = np.array([float(row["t_sent"]) for row in rows])
    tokens = np.array([int(row["max_tokens"]) for row in rows])
    return sent, tokens, sent + np.array([float(row["total_s"]) for row in rows])


@pytest.mark.parametrize("burst", ["b1", "b2", "b3"])
def test_bursts_drain_as_recorded(shared: Path, burst: str) -> None:
    sent, tokens, ended = bursts(shared, burst)
    world = World(scenario(sent, prompt=19, output=tokens, hardware=SERVER))
    world.advance(START + 600)
    finish = world.requests().finish_s
    assert finish.max() - sent[0] == pytest.approx(ended.max() - sent[0], rel=0.15)
    assert np.mean(finish - sent) == pytest.approx(np.mean(ended - sent), rel=0.15)


@pytest.mark.parametrize("burst", ["b1", "b3"])
def test_the_gauges_fall_as_recorded(shared: Path, burst: str) -> None:
    """Running is pinned at the limit while the queue drains, and waiting falls along the recorded line."""
    sent, tokens, ended = bursts(shared, burst)
    with (shared / "reference/vllm/series.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if sent[0] + 0.5 < float(row["t"]) < ended.max() - 1]
    world = World(scenario(sent, prompt=19, output=tokens, hardware=SERVER))
    errors = []
    for row in rows:
        world.advance(START + float(row["t"]))
        (sample,) = world.samples()
        assert sample.waiting is not None
        errors.append(sample.waiting - float(row["waiting"]))
        if sample.waiting > 0:
            assert sample.running == 4
    # 60 and 92 requests waited at first. In b3, eight more hung up within the first four seconds.
    assert np.abs(errors).mean() < 6
