"""The profiles are what docs/profiles.md derives, and agree with the GPUs they are of."""

import re
from collections.abc import Iterator
from itertools import pairwise

import pytest

from crds.profiles import PROFILES
from replay.scenario.hardware import HARDWARE
from tests.support.pages import ROOT

PAGE = (ROOT / "docs" / "profiles.md").read_text(encoding="utf-8")
MODELS = {"8b": (16.06e9, 131_072), "70b": (141e9, 327_680)}  # bytes of the weights, and of a token's cache
ANCHORS = {"8b": "8b-h100", "70b": "70b-tp4-h100"}
BY_ESTIMATE = {"8b-l4", "8b-a10g", *ANCHORS.values()}


def rows(*columns: str) -> Iterator[list[str]]:
    """The rows of the table with these first columns."""
    body = PAGE.partition(f"| {' | '.join(columns)} |")[2].split("\n\n")[0]
    for line in body.splitlines()[2:]:
        yield [cell.strip(" `").replace(",", "") for cell in line.strip("|").split("|")]


GPUS = {
    gpu: (float(memory) * 1e9, float(rate) * 1e9) for gpu, memory, rate in rows("GPU", "memory, GB", "bandwidth, GB/s")
}
RATIOS = {
    name: (of, float(decode), float(prefill))
    for name, of, decode, prefill, _ in rows("profile", "of", "decode", "prefill", "basis")
}


def parts(name: str) -> tuple[str, int, str]:
    """Of the name of a profile: the model, the number of GPUs, and which."""
    found = re.fullmatch(r"(\d+b)(?:-tp(\d))?-(\w+)", name)
    assert found
    return found[1], int(found[2] or 1), found[3]


def bandwidth(name: str) -> float:
    """Bytes per second of all GPUs of a replica."""
    _, number, gpu = parts(name)
    return number * GPUS[gpu][1]


@pytest.mark.parametrize("name", PROFILES)
def test_a_name_gives_the_number_of_gpus(name: str) -> None:
    assert PROFILES[name].gpus_per_replica == parts(name)[1]


def test_every_profile_has_a_basis() -> None:
    assert {*RATIOS} | BY_ESTIMATE == {*PROFILES}


@pytest.mark.parametrize("name", RATIOS)
def test_speeds_are_the_ratio_of_the_page(name: str) -> None:
    of, decode, prefill = RATIOS[name]
    engine, anchor = PROFILES[name].engine, PROFILES[of].engine
    assert engine.decode_seconds_per_token == pytest.approx(anchor.decode_seconds_per_token / decode, rel=0.02)
    assert engine.prefill_tokens_per_second == pytest.approx(anchor.prefill_tokens_per_second * prefill, rel=0.02)


@pytest.mark.parametrize("name", PROFILES)
def test_decode_follows_the_bandwidth_within_a_factor_of_two(name: str) -> None:
    anchor = ANCHORS[parts(name)[0]]
    faster = PROFILES[anchor].engine.decode_seconds_per_token / PROFILES[name].engine.decode_seconds_per_token
    assert 0.5 < faster / (bandwidth(name) / bandwidth(anchor)) < 2.0


@pytest.mark.parametrize("name", RATIOS)
def test_the_simulated_engine_follows_the_rules_of_the_page(name: str) -> None:
    model, number, gpu = parts(name)
    weights, token = MODELS[model]
    hardware = HARDWARE[name]
    room = number * (0.9 * GPUS[gpu][0] - (4e9 if number > 1 else 1e9)) - weights
    assert hardware.kv_tokens == pytest.approx(room / token, rel=0.02)
    assert hardware.step_base_seconds == pytest.approx(max(0.005, weights / (0.77 * bandwidth(name))), rel=0.03)

    def fits(requests: int) -> bool:
        step = hardware.step_base_seconds + hardware.step_sequence_seconds * requests
        return step <= 0.1 and room / token / requests >= 1500

    assert fits(hardware.max_num_seqs)
    assert not fits(2 * hardware.max_num_seqs)


@pytest.mark.parametrize("model", MODELS)
def test_more_memory_holds_more_tokens(model: str) -> None:
    def memory(name: str) -> float:
        _, number, gpu = parts(name)
        return number * GPUS[gpu][0]

    by_memory = sorted((name for name in PROFILES if parts(name)[0] == model), key=memory)
    for less, more in pairwise(by_memory):
        if memory(less) < memory(more):
            assert HARDWARE[less].kv_tokens < HARDWARE[more].kv_tokens
        else:
            assert HARDWARE[less].kv_tokens == HARDWARE[more].kv_tokens


@pytest.mark.parametrize("name", PROFILES)
def test_a_slow_start_takes_longer_than_a_usual_one(name: str) -> None:
    cold = PROFILES[name].cold_start
    stages = [stage for stage in (cold.node, cold.gpu, cold.image, cold.weights, cold.warmup) if stage]
    assert len(stages) == 5
    assert all(0 < stage.p50_seconds < stage.p95_seconds < 4 * stage.p50_seconds for stage in stages)
