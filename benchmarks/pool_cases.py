"""What `benchmarks.pool` plays: six models of different days on one pool, on real traffic."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.decisions.cases import COLD_STARTS, MAIN, PROFILE, SPREAD
from crds.kinds import GPU_POOL
from crds.pool import GpuPool
from crds.v1alpha1.resource import API_VERSION
from crds.workload import Workload
from replay.cluster_contenders import Played
from replay.scenario.assemble import IMAGE_BYTES, MOST_NODES, SEED_STEP, at, weights_bytes
from replay.scenario.build import for_workload
from replay.scenario.cluster import ClusterScenario, ClusterWorkload, Outage, SimOffering
from replay.scenario.files import policy_of
from replay.scenario.scenario import Scenario
from replay.traces.read import read
from replay.traces.trace import Requests, Trace, in_order

TRACES = Path(os.environ.get("OUTRIDER_SHARED", Path(__file__).parents[2] / "shared")) / "traces"
HOUR_SECONDS = 3600.0
CONV, TENANTS, SMALL = (
    "azure2024_conv_d0-3_10s",
    "servegen_large_tenantsA_d0-9_1s",
    "servegen_small_all_s40_d0-8_1s",
)
DISK_BYTES = 500e9
FLOODING = "batch"  # the namespace of the last model


@dataclass(frozen=True, slots=True)
class Model:
    """One model's traffic: a trace from a time on, the days before it being history."""

    name: str
    file: str
    scale: float
    start_hours: float

    @property
    def path(self) -> Path:
        """Where the trace lies."""
        return TRACES / f"{self.file}.parquet"


SIX = (
    Model("conv", CONV, 1.5, 48.0),
    Model("conv-16h", CONV, 1.0, 64.0),
    Model("tenants-2", TENANTS, 1.0, 48.0),
    Model("tenants-6", TENANTS, 1.0, 144.0),
    Model("small-1", SMALL, 3.0, 24.0),
    Model("small-5", SMALL, 3.0, 120.0),
)
ON_DEMAND: Mapping[str, Any] = {
    "name": "on-demand",
    "kind": "OnDemand",
    "nodeSelector": {"offering": "on-demand"},
    "pricePerGpuHour": "3.90",
    "gpusPerNode": 1,
}
SPOT: Mapping[str, Any] = {
    "name": "spot",
    "kind": "Spot",
    "nodeSelector": {"offering": "spot"},
    "pricePerGpuHour": "1.60",
    "gpusPerNode": 1,
}


@dataclass(frozen=True, slots=True)
class Case:
    """A part of the day, and what happens in it."""

    name: str = "six models"
    start_hours: float = 0.0  # into the windows of the models
    hours: float = 24.0
    offerings: tuple[str, ...] = ("on-demand",)
    outage: tuple[float, float] | None = None  # of the first offering: hours from the start, and for how many
    flood: float = 1.0  # factor of the traffic of the last model, in `flooded`
    flooded: tuple[float, float] = (0.0, 0.0)  # hours from the start, and for how many
    limit_gpus: int | None = None
    flooding_gpus: int | None = None  # that the last model may have at the most; the others are guaranteed the rest


@cache
def _trace(path: Path) -> Trace:
    return read(path)


@cache
def workload(name: str) -> Workload:
    """The default policy for an 8B model on H100s that takes 240 s to start."""
    medians = COLD_STARTS[MAIN] or {}
    stages = {stage: {"p50": f"{p50}s", "p95": f"{round(SPREAD * p50)}s"} for stage, p50 in medians.items()}
    spec = {
        "target": {"name": name},
        "maxReplicas": 400,
        "profile": PROFILE,
        "coldStart": stages,
        "pool": "h100",
    }
    found = policy_of(spec, name)
    assert isinstance(found, Workload), found
    return found


def pool(case: Case) -> GpuPool:
    """The pool, without standby: contenders are given it."""
    offerings = [dict({"on-demand": ON_DEMAND, "spot": SPOT}[name]) for name in case.offerings]
    spec: dict[str, Any] = {
        "owner": "platform",
        "offerings": offerings,
        "members": [{"name": "everyone", "namespaceSelector": {}}],
    }
    if case.limit_gpus is not None:
        spec["limits"] = {"gpus": case.limit_gpus}
    if case.limit_gpus is not None and case.flooding_gpus is not None:
        flooding = {"matchLabels": {"kubernetes.io/metadata.name": FLOODING}}
        spec["members"] = [
            {"name": "flooding", "namespaceSelector": flooding, "maxGpus": case.flooding_gpus},
            {"name": "others", "namespaceSelector": {}, "guaranteedGpus": case.limit_gpus - case.flooding_gpus},
        ]
    found = GPU_POOL.resolve({"apiVersion": API_VERSION, "kind": "GPUPool", "metadata": {"name": "h100"}, "spec": spec})
    assert isinstance(found, GpuPool), found
    return found


def played(case: Case, seed: int) -> Played:
    """What all contenders play. Raises TraceError."""
    gpu_pool = pool(case)
    found = [_scenario(case, model, seed * SEED_STEP + i) for i, model in enumerate(SIX)]
    start = found[0].start_seconds
    outages: tuple[Outage, ...] = ()
    if case.outage is not None:
        begin = start + case.outage[0] * HOUR_SECONDS
        outages = (Outage(case.offerings[0], begin, begin + case.outage[1] * HOUR_SECONDS),)
    scenario = ClusterScenario(
        name=case.name,
        start_seconds=start,
        duration_seconds=case.hours * HOUR_SECONDS,
        workloads=tuple(
            ClusterWorkload(
                model.name,
                at(each, start),
                namespace=FLOODING if model is SIX[-1] else "default",
                image_bytes=IMAGE_BYTES,
                weights_bytes=weights_bytes(workload(model.name)),
            )
            for model, each in zip(SIX, found, strict=True)
        ),
        offerings=tuple(
            SimOffering(each.name, each.kind, each.price_per_gpu_hour, each.gpus_per_node, MOST_NODES)
            for each in gpu_pool.pool.offerings
        ),
        seed=seed,
        outages=outages,
        disk_bytes=DISK_BYTES,
        max_gpus=case.limit_gpus,
    )
    return Played(scenario, {model.name: workload(model.name) for model in SIX}, gpu_pool)


def _scenario(case: Case, model: Model, seed: int) -> Scenario:
    asked = workload(model.name)
    found = for_workload(
        _trace(model.path),
        asked,
        scale=model.scale,
        start_seconds=(model.start_hours + case.start_hours) * HOUR_SECONDS,
        duration_seconds=case.hours * HOUR_SECONDS,
        past="trace",
        seed=seed,
    )
    if model is SIX[-1] and case.flood > 1.0:
        more = _trace(model.path).window(
            (model.start_hours + case.start_hours + case.flooded[0]) * HOUR_SECONDS,
            (model.start_hours + case.start_hours + sum(case.flooded)) * HOUR_SECONDS,
            model.scale * (case.flood - 1.0),
            seed + 1,
        )
        found = replace(found, requests=_together(found.requests, more, case.flooded[0] * HOUR_SECONDS))
    return replace(found, hardware=replace(found.hardware, cold_start=asked.cold_start))


def _together(some: Requests, more: Requests, later_seconds: float) -> Requests:
    """Both, `more` of them so much later."""
    return in_order(
        np.concatenate((some.arrival_s, more.arrival_s + later_seconds)),
        np.concatenate((some.prompt_tokens, np.maximum(more.prompt_tokens, 1))),
        np.concatenate((some.output_tokens, np.maximum(more.output_tokens, 1))),
    )


def missing() -> list[Path]:
    """The files of traces that are not there."""
    return sorted({model.path for model in SIX if not model.path.is_file()})
