"""The hardware behind the profiles."""

from dataclasses import replace

import pytest

from crds.profiles import PROFILES
from replay.scenario.hardware import HARDWARE, profile_of
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
    assert hardware.gpus_per_replica == profile.gpus_per_replica
    assert hardware.replicas_per_node == 1


@pytest.mark.parametrize("name", PROFILES)
def test_a_policy_tells_its_profile(name: str) -> None:
    assert profile_of(default(name)) == name
