"""What `outrider check` warns of; a cluster runs each of these policies, as it did before there was a warning."""

from pathlib import Path
from typing import Any

import pytest

from crds.files import inspect_files
from crds.kinds import SCALING_POLICY
from crds.resolve.contradictions import contradictions
from crds.resolve.problems import Problem
from crds.workload import Workload

ROOT = Path(__file__).parents[2]
DAY = {"name": "day", "start": "08:00", "end": "18:00"}
NIGHT = {"name": "night", "start": "20:00", "end": "06:00"}


def warnings(**spec: Any) -> list[Problem]:
    found = SCALING_POLICY.resolve(
        {
            "apiVersion": "outrider.dev/v1alpha1",
            "kind": "ScalingPolicy",
            "metadata": {"name": "chat"},
            "spec": {"target": {"name": "chat-vllm"}, "maxReplicas": 24, **spec},
        }
    )
    assert isinstance(found, Workload)
    return list(contradictions(found))


@pytest.mark.parametrize(
    ("spec", "path", "why", "instead"),
    [
        ({"metrics": {"scheme": "https"}}, "spec.metrics.scheme", "reached by IP address", "metrics.tls beside it"),
        (
            {"metrics": {"scheme": "https", "tls": {"caConfigMap": {"name": "ca"}, "insecureSkipVerify": True}}},
            "spec.metrics.tls.caConfigMap",
            "no effect beside insecureSkipVerify",
            "either of the two",
        ),
        ({"minReplicas": 24}, "spec.maxReplicas", "nothing to scale", "more than 24"),
        ({"maxReplicas": 1}, "spec.maxReplicas", "nothing to scale", "more than 1"),
        ({"maxPreparedNodes": 40}, "spec.maxPreparedNodes", "above maxReplicas (24)", "24 or less"),
        ({"scaleDown": {"hold": "30s"}}, "spec.scaleDown.hold", "warm up (2m29s)", "2m29s or more"),
        ({"profile": "70b-tp4-h100", "gpusPerReplica": 1}, "spec.gpusPerReplica", "on 4 GPUs", "profile for 1 GPU"),
        (
            {"profile": "70b-tp4-h100", "gpusPerReplica": 2},
            "spec.gpusPerReplica",
            "on 4 GPUs",
            "4, or a profile for 2 GPUs",
        ),
        (
            {"minReplicas": 4, "schedules": [{**DAY, "minReplicas": 5}, {**NIGHT, "minReplicas": 4}]},
            "spec.schedules[1].minReplicas",
            "minReplicas is 4 at all times",
            "more than 4",
        ),
        (
            {"engine": {"decodeSecondsPerToken": "80m"}},
            "spec.engine.decodeSecondsPerToken",
            "over 20 times more than the 0.0025 of profile 8b-l4",
            "one replica",
        ),
        (
            {"engine": {"prefillTokensPerSecond": 100}},
            "spec.engine.prefillTokensPerSecond",
            "over 20 times less than the 2500 of profile 8b-l4",
            "one replica",
        ),
    ],
)
def test_each_contradiction_is_a_warning(spec: dict[str, Any], path: str, why: str, instead: str) -> None:
    [found] = warnings(**spec)
    assert found.path == path
    assert why in found.why
    assert instead in found.instead


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"minReplicas": 23},
        {"maxPreparedNodes": 24},
        {"scaleDown": {"hold": "2m29s"}},
        {"scaleDown": {"hold": "30s"}, "coldStart": {"warmup": {"p50": "20s", "p95": "40s"}}},
        {"profile": "70b-tp4-h100"},
        {"profile": "70b-tp4-h100", "gpusPerReplica": 8},
        {"schedules": [{**DAY, "minReplicas": 24}]},
        {"engine": {"prefillTokensPerSecond": "50k", "decodeSecondsPerToken": "125u"}},
    ],
)
def test_what_agrees_is_no_warning(spec: dict[str, Any]) -> None:
    assert warnings(**spec) == []


def test_no_policy_of_this_repository_gets_a_warning() -> None:
    folders = [str(ROOT / name) for name in ("deploy", "replay", "tests")]
    found = [it for it in inspect_files(folders).resources if it.resolved]
    assert found
    assert [line for it in found for line in it.warned()] == []
