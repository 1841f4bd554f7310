"""What both workloads have in common: a window of a trace, the hardware, and every duration at a fifth."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from crds.kinds import SCALING_POLICY
from crds.profiles import PROFILES
from crds.workload import Workload
from policies.supply import ColdStart, Stage
from replay.contenders.reactive import REACTIVE, WAITING_PER_REPLICA
from replay.scenario.build import for_workload
from replay.scenario.scenario import Scenario
from replay.sim.hpa import Rules
from replay.traces.read import read
from tests.e2e.harness.api import Json
from tests.e2e.harness.cluster import RATE
from tests.e2e.harness.workload import Stages

TRACE = "traces/azure2023_conv.parquet"  # request by request, all of it recorded
START_SECONDS = 500.0  # after the peak of its first minutes; a third more comes 20 minutes later
DURATION_SECONDS = 3000.0  # ten minutes of wall time
SCALE = 14.0
PROFILE = "8b-h100"
BOUNDS = {"minReplicas": 1, "maxReplicas": 16}
POLICY: Json = {
    **BOUNDS,
    "slo": {"queueWait": "5s", "attainment": "99%"},
    "profile": PROFILE,
    "maxPreparedNodes": 2,
}
KEDA_POLLING_SECONDS, KEDA_COOLDOWN_SECONDS = 30 // RATE, 300 // RATE  # KEDA's defaults
SCHEDULING_SECONDS = 3.0  # the part of the profile's node stage before the launch, which the real chain takes by itself


def scenario(policy: Json, shared: Path, start_seconds: float = 0.0) -> Scenario:
    """The traffic, without a past, on hardware whose stages last exactly their medians, as on the cluster.

    It starts at that Unix time: its position on the decision grid changes the first decisions by several replicas.
    """
    found = for_workload(
        read(shared / TRACE),
        resolved(policy),
        scale=SCALE,
        start_seconds=START_SECONDS,
        duration_seconds=DURATION_SECONDS,
        past="none",
        seed=0,
    )
    held = found.hardware.cold_start
    node, image, weights, warmup, gpu = (
        None if each is None else Stage(each.p50_seconds, each.p50_seconds)
        for each in (held.node, held.image, held.weights, held.warmup, held.gpu)
    )
    assert node
    assert warmup
    hardware = replace(found.hardware, cold_start=ColdStart(node, image, weights, warmup, gpu))
    return replace(found, hardware=hardware, start_seconds=start_seconds)


def resolved(policy: Json) -> Workload:
    """A ScalingPolicy with its defaults filled in."""
    found = SCALING_POLICY.resolve(policy)
    assert isinstance(found, Workload), found
    return found


def traffic(shared: Path) -> Json:
    """The same window in the stand-in's notation."""
    return {
        "trace": str((shared / TRACE).resolve()),
        "start_seconds": START_SECONDS,
        "duration_seconds": DURATION_SECONDS,
        "scale": SCALE,
    }


def stages() -> Stages:
    """How long a pod's stages take once it has a node, in wall seconds."""
    cold = PROFILES[PROFILE].cold_start
    image, weights, warmup = (
        each.p50_seconds / RATE if each else 0.0 for each in (cold.image, cold.weights, cold.warmup)
    )
    return Stages(image, weights, warmup)


def registration_seconds() -> int:
    """From a node's launch to its registration, with its GPU, in wall seconds."""
    cold = PROFILES[PROFILE].cold_start
    gpu_seconds = cold.gpu.p50_seconds if cold.gpu else 0.0
    return round((cold.node.p50_seconds + gpu_seconds - SCHEDULING_SECONDS) / RATE)


def reactive_scaled_object(namespace: str, name: str, prometheus_url: str) -> Json:
    """The benchmarks' reactive ScaledObject: 10 waiting requests per replica, with the HPA's and KEDA's periods at a fifth."""
    metadata = {
        "serverAddress": prometheus_url,
        "query": f'sum(vllm:num_requests_waiting{{namespace="{namespace}"}})',
        "threshold": f"{WAITING_PER_REPLICA:g}",
    }
    behavior = {"scaleUp": _rules(REACTIVE.up), "scaleDown": _rules(REACTIVE.down)}
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "scaleTargetRef": {"name": name},
            "minReplicaCount": BOUNDS["minReplicas"],
            "maxReplicaCount": BOUNDS["maxReplicas"],
            "pollingInterval": KEDA_POLLING_SECONDS,
            "cooldownPeriod": KEDA_COOLDOWN_SECONDS,
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": behavior}},
            "triggers": [{"type": "prometheus", "metricType": "AverageValue", "metadata": metadata}],
        },
    }


def _rules(rules: Rules) -> dict[str, Any]:
    policies = [
        {"type": each.unit.value, "value": each.value, "periodSeconds": round(each.period_seconds / RATE)}
        for each in rules.policies
    ]
    return {
        "stabilizationWindowSeconds": round(rules.stabilization_seconds / RATE),
        "selectPolicy": rules.select.value,
        "policies": policies,
    }
