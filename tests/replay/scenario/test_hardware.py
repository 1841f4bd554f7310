"""The hardware behind the profiles."""

from dataclasses import replace

import pytest

from crds.profiles import PROFILES
from policies.supply import ColdStart, Stage
from replay.scenario.hardware import HARDWARE, hardware_of
from replay.scenario.policy import default


def test_every_profile_has_hardware() -> None:
    assert set(HARDWARE) == set(PROFILES)


@pytest.mark.parametrize("name", PROFILES)
def test_the_truth_agrees_with_the_seed(name: str) -> None:
    hardware, profile = HARDWARE[name], PROFILES[name]
    assert hardware.name == name
    seed = profile.engine.decode_seconds_per_token
    assert hardware.engine.decode_seconds_per_token == pytest.approx(seed, rel=0.02)
    assert replace(hardware.engine, decode_seconds_per_token=seed) == profile.engine
    assert hardware.cold_start == profile.cold_start
    assert hardware.price_per_gpu_hour == profile.price_per_gpu_hour
    assert hardware.gpus_per_replica == profile.gpus_per_replica
    assert hardware.replicas_per_node == 1


def test_a_policy_sets_the_price_and_not_the_simulated_cold_start() -> None:
    """What a policy says of its cold start is what Outrider plans with; the hardware does as its profile does."""
    stated = ColdStart(*(Stage(1.0, 2.0) for _ in range(4)))
    workload = default("8b-h100")
    policy = replace(workload.policy, price_per_gpu_hour=2.5)
    workload = replace(workload, cold_start=stated, policy=policy)
    found = hardware_of(workload)
    assert found.name == "8b-h100"
    assert found.cold_start == PROFILES["8b-h100"].cold_start
    assert found.price_per_gpu_hour == 2.5
