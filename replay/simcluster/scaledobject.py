"""The fields of a ScaledObject that the simulated KEDA and HPA use."""

from dataclasses import dataclass
from typing import Any

from replay.sim.hpa import Behavior, HpaPolicy, Rules, Select, Unit


@dataclass(frozen=True)
class ScaledObject:
    """`metadata` is the trigger's, with the scaler's address; it is sent with every call."""

    namespace: str
    name: str
    metadata: dict[str, str]
    min_replicas: int
    max_replicas: int
    polling_seconds: float
    behavior: Behavior


def read(manifest: dict[str, Any]) -> ScaledObject:
    """Read a manifest with all of these fields and one trigger. Raises KeyError or ValueError otherwise."""
    spec = manifest["spec"]
    (trigger,) = spec["triggers"]
    if trigger["type"] != "external-push":
        raise ValueError(f"spec.triggers[0].type: must be external-push, not {trigger['type']!r}")
    behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    return ScaledObject(
        namespace=manifest["metadata"]["namespace"],
        name=manifest["metadata"]["name"],
        metadata=dict(trigger["metadata"]),
        min_replicas=max(1, spec["minReplicaCount"]),
        max_replicas=spec["maxReplicaCount"],
        polling_seconds=float(spec["pollingInterval"]),
        behavior=Behavior(up=_rules(behavior["scaleUp"]), down=_rules(behavior["scaleDown"])),
    )


def _rules(direction: dict[str, Any]) -> Rules:
    policies = tuple(HpaPolicy(Unit(p["type"]), p["value"], float(p["periodSeconds"])) for p in direction["policies"])
    return Rules(
        stabilization_seconds=float(direction["stabilizationWindowSeconds"]),
        policies=policies,
        select=Select(direction["selectPolicy"]),
        tolerance=float(direction["tolerance"]),
    )
