"""On true readings nothing is at fault: a recorded vLLM server, public traces, and profiles that are wrong by a factor of three.

A first reading has nothing to be compared with, and where a scrape brought nothing new nothing has changed; every other
reading of a pod counts.
"""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from policies.engine import GRID_SECONDS, step
from policies.model import Engine, Inputs, PodSample, Policy, Signal, State, StepResult, Verdict
from policies.signals import FAULTS
from replay.contenders.outrider import Outrider
from replay.driver import run
from replay.scenario.build import for_workload
from replay.scenario.policy import default
from replay.traces.read import read
from tests.support.worlds import COLD_START, START, a_policy, a_supply

WRONG_BY = (1.0, 3.0, 1.0 / 3.0)
SERVER = Engine(20_000.0, 1.0 / 2_150.0, 0.85, 4.0)  # the recorded one: 2,150 tokens/s at four sequences


def wrong(engine: Engine, factor: float) -> Engine:
    """A profile by which the engine is that many times as fast."""
    return replace(
        engine,
        prefill_tokens_per_second=engine.prefill_tokens_per_second * factor,
        decode_seconds_per_token=engine.decode_seconds_per_token / factor,
    )


def recorded(shared: Path, name: str) -> list[PodSample]:
    """The recorded pages of one server. Of the requests' histograms it has the count alone: prompts were about 19 tokens."""
    with (shared / "reference/vllm" / name).open() as file:
        rows = [
            {key: float(value) for key, value in row.items()} for row in csv.DictReader(file) if row["http"] == "200"
        ]
    return [
        PodSample(
            pod="qwen-0",
            at_seconds=START + row["t"],
            started_seconds=START - 60.0,
            running=row["running"],
            waiting=row["waiting"],
            finished_total=sum(row[f"success_{reason}"] for reason in ("stop", "length", "abort", "error")),
            rejected_total=row["rejections"],
            prompt_tokens_total=row["prompt_tokens"],
            cached_prompt_tokens_total=0.0,
            generation_tokens_total=row["generation_tokens"],
            first_tokens_total=row["ttft_count"],
        )
        for row in rows
    ]


def decided(policy: Policy, samples: list[PodSample], every_seconds: float) -> Iterator[StepResult]:
    """The decisions at that interval, each on the newest sample."""
    state, now = State(), START + every_seconds
    while now <= samples[-1].at_seconds:
        newest = max((each for each in samples if each.at_seconds <= now), key=lambda each: each.at_seconds)
        result = step(policy, state, Inputs(now, True, (newest,), a_supply(1), COLD_START))
        state = result.state
        yield result
        now += every_seconds


def verdicts(results: Iterator[StepResult]) -> Counter[Verdict]:
    """How often each was given."""
    return Counter(reading.verdict for result in results for reading in result.demand.readings)


@pytest.mark.parametrize("factor", WRONG_BY)
@pytest.mark.parametrize("signal", list(Signal))
@pytest.mark.parametrize("every_seconds", [2.0, GRID_SECONDS])
@pytest.mark.parametrize("name", ["series.csv", "q_series.csv", "kv_series.csv"])
def test_on_a_recorded_server(shared: Path, name: str, every_seconds: float, signal: Signal, factor: float) -> None:
    """Each is short, so it is read at the interval of scrapes, too."""
    samples = recorded(shared, name)
    found = verdicts(decided(a_policy(engine=wrong(SERVER, factor), signal=signal), samples, every_seconds))
    assert set(found) <= {Verdict.COUNTED, Verdict.FIRST}, found
    assert found[Verdict.FIRST] <= 1
    assert found[Verdict.COUNTED] >= (samples[-1].at_seconds - START) / every_seconds - 3


@pytest.mark.slow
@pytest.mark.parametrize("factor", WRONG_BY)
@pytest.mark.parametrize(
    ("name", "scale"), [("azure2023_conv", 2.0), ("mooncake_conversation", 1.0), ("azure2024_conv_d0-3_10s", 1.0)]
)
def test_on_a_public_trace(shared: Path, name: str, scale: float, factor: float) -> None:
    workload = default()
    trace = read(shared / "traces" / f"{name}.parquet")
    scenario = for_workload(
        trace, workload, scale=scale, start_seconds=0, duration_seconds=3_000.0, past="none", seed=1
    )
    policy = replace(workload.policy, engine=wrong(workload.policy.engine, factor))
    found = Counter[Verdict]()

    def watch(_before: State, _inputs: Inputs, result: StepResult) -> None:
        found.update(reading.verdict for reading in result.demand.readings)

    run(scenario, Outrider(policy, workload.cold_start, watch=watch))
    assert found[Verdict.COUNTED] > 200
    assert not FAULTS & set(found), found
