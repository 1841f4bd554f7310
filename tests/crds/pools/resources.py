"""Pools and policies as the tests of this folder write them."""

import copy
import json
from pathlib import Path
from typing import Any

from crds.files import inspect_files
from crds.kinds import GPU_POOL
from crds.pool import GpuPool
from crds.resolve.problems import Problem

OFFERING: dict[str, Any] = {
    "name": "on-demand",
    "kind": "OnDemand",
    "nodeSelector": {"pool": "on-demand"},
    "pricePerGpuHour": "3.90",
    "gpusPerNode": 8,
}
MEMBER: dict[str, Any] = {"name": "everyone", "namespaceSelector": {}}


def a_pool(name: str = "h100", **spec: Any) -> dict[str, Any]:
    """The smallest pool, with these members of its spec."""
    return {
        "apiVersion": "outrider.dev/v1alpha1",
        "kind": "GPUPool",
        "metadata": {"name": name, "generation": 3, "uid": "u-1"},
        "spec": copy.deepcopy({"owner": "ml-platform", "offerings": [OFFERING], "members": [MEMBER], **spec}),
    }


def a_policy(name: str = "chat", namespace: str = "llm", **spec: Any) -> dict[str, Any]:
    """The smallest policy of the pool h100, with these members of its spec."""
    return {
        "apiVersion": "outrider.dev/v1alpha1",
        "kind": "ScalingPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"target": {"name": name}, "maxReplicas": 24, "pool": "h100", **spec},
    }


def a_namespace(name: str = "llm", **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def resolved(**spec: Any) -> GpuPool:
    found = GPU_POOL.resolve(a_pool(**spec))
    assert isinstance(found, GpuPool), found
    return found


def problems(**spec: Any) -> list[Problem]:
    found = GPU_POOL.resolve(a_pool(**spec))
    assert isinstance(found, list), found
    return found


def warnings(folder: Path, *resources: dict[str, Any], now_seconds: float | None = None) -> list[tuple[str, Problem]]:
    """What is warned of in files that hold these, each with its resource."""
    for i, resource in enumerate(resources):
        (folder / f"{i}.json").write_text(json.dumps(resource), encoding="utf-8")
    found = inspect_files([str(folder / f"{i}.json") for i in range(len(resources))], now_seconds).resources
    assert [line for each in found for line in each.lines()] == []
    return [(each.title, problem) for each in found for _, problem in each.warnings]
