"""The hardware behind the profiles."""

import inspect
from dataclasses import replace
from pathlib import Path

import pytest

from crds.files import one_policy
from crds.kinds import SCALING_POLICY
from crds.profiles import DEFAULT_PROFILE, PROFILES
from policies.supply import ColdStart, Stage
from replay.commands import backtest
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


def test_one_profile_is_the_default_everywhere() -> None:
    """Else the figures of two commands, or of a replay and the cluster, could not be compared."""
    spec = SCALING_POLICY.schema["properties"]["spec"]["properties"]
    demo = one_policy(str(Path(backtest.__file__).parents[1] / "demo" / "policy.yaml"))
    found = {
        "policy": spec["profile"]["default"],
        "replay": default().profile,
        "backtest": inspect.signature(backtest.command).parameters["profile"].default,
        "demo": demo.workload.profile,
    }
    assert found == dict.fromkeys(found, DEFAULT_PROFILE)
    slowest = min(PROFILES, key=lambda name: PROFILES[name].engine.prefill_tokens_per_second)
    assert slowest == DEFAULT_PROFILE


def test_a_policy_sets_the_price_and_not_the_simulated_cold_start() -> None:
    """What a policy says of its cold start is what Outrider plans with; the hardware does as its profile does."""
    second = Stage(1.0, 2.0)
    stated = ColdStart(second, second, second, second)
    workload = default("8b-h100")
    policy = replace(workload.policy, price_per_gpu_hour=2.5)
    workload = replace(workload, cold_start=stated, policy=policy)
    found = hardware_of(workload)
    assert found.name == "8b-h100"
    assert found.cold_start == PROFILES["8b-h100"].cold_start
    assert found.price_per_gpu_hour == 2.5
