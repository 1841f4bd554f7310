"""Nodes: Karpenter's KWOK provider creates them, and KWOK keeps them Ready, both with their own upstream files.

The stand-in runs their pods.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.components import files, program
from tests.e2e.harness.process import Process, free_port
from tests.e2e.standin.disk import GPU_SECONDS, GPUS
from tests.e2e.standin.pods import GPU

POOL_LABEL = "karpenter.sh/nodepool"
STAGES = ("node/fast", "node/heartbeat-with-lease")
# name, GPUs, CPUs, memory in GiB, price per hour on demand; spot costs 0.35 of it
INSTANCE_TYPES = (("g6.2xlarge", 1, 8, 32, 0.98), ("g6.12xlarge", 4, 48, 192, 4.6))
ZONES = ("zone-a", "zone-b")
SPOT_SHARE = 0.35
POOL = "gpu"
REFUSED = "refused-nodepools"  # a file in the cluster's folder: NodePools for which no machine is to be had


def kwok(folder: Path, kubeconfig: Path) -> Process:
    """KWOK for all nodes."""
    config = folder / "kwok-stages.yaml"
    command = [
        str(program("kwok")),
        f"--kubeconfig={kubeconfig}",
        f"--config={config}",
        "--manage-all-nodes=true",
        "--node-lease-duration-seconds=40",
        f"--server-address=127.0.0.1:{free_port()}",
    ]
    return Process("kwok", command, folder, files={config: yaml.safe_dump_all(_stages())})


def _stages() -> list[dict[str, Any]]:
    found = []
    for folder in STAGES:
        for file in sorted((files("kwok", "stages") / folder).glob("*.yaml")):
            stage = yaml.safe_load(file.read_text())
            if stage["kind"] == "Stage":
                found.append(stage)
    return found


def karpenter(folder: Path, kubeconfig: Path) -> Process:
    """Karpenter, with a fifth of its usual batching times."""
    types = folder / "instance-types.json"
    command = [
        str(program("karpenter")),
        "--disable-leader-election",
        f"--metrics-port={free_port()}",
        f"--health-probe-port={free_port()}",
        f"--instance-types-file-path={types}",
        "--batch-idle-duration=200ms",
        "--batch-max-duration=2s",
        "--feature-gates=CapacityBuffer=true",
    ]
    environment = {
        "KUBECONFIG": str(kubeconfig),
        "SYSTEM_NAMESPACE": "kube-system",
        "REFUSED_NODEPOOLS": str(folder / REFUSED),
    }
    offered = json.dumps([_instance_type(*each) for each in INSTANCE_TYPES])
    return Process("karpenter", command, folder, environment, {types: offered})


def _instance_type(name: str, gpus: int, cpus: int, memory_gib: int, price: float) -> dict[str, Any]:
    def offering(zone: str, capacity: str) -> dict[str, Any]:
        labels = {"karpenter.sh/capacity-type": capacity, "topology.kubernetes.io/zone": zone}
        return {
            "Price": price * (SPOT_SHARE if capacity == "spot" else 1.0),
            "Available": True,
            "Requirements": [{"key": key, "operator": "In", "values": [value]} for key, value in labels.items()],
        }

    return {
        "name": name,
        "offerings": [offering(zone, capacity) for zone in ZONES for capacity in ("spot", "on-demand")],
        "architecture": "amd64",
        "operatingSystems": ["linux"],
        "resources": {
            "cpu": str(cpus),
            "memory": f"{memory_gib}Gi",
            "pods": "110",
            "ephemeral-storage": "200Gi",
            GPU: str(gpus),
        },
    }


def late_gpus() -> list[dict[str, Any]]:
    """An admission policy that takes a node's GPUs away until the stand-in adds them; of nodes that name a delay alone.

    KWOK's provider creates a node with its GPUs, where a device plugin adds them after the kubelet has registered.
    """
    about = {"name": "late-gpus.outrider.test"}
    resource, escaped = json.dumps(GPU), f"jsonpatch.escapeKey({json.dumps(GPU)})"
    removed = (
        f'JSONPatch{{op: "remove", path: "/status/{field}/" + {escaped}}}' for field in ("allocatable", "capacity")
    )
    kept = (
        f'JSONPatch{{op: "add", path: "/metadata/annotations/" + jsonpatch.escapeKey({json.dumps(GPUS)}), '
        f"value: string(object.status.allocatable[{resource}])}}"
    )
    late = f"{json.dumps(GPU_SECONDS)} in object.metadata.annotations"
    there = " && ".join(
        f"has(object.status.{field}) && {resource} in object.status.{field}" for field in ("allocatable", "capacity")
    )
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["nodes"]}
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": about}
    return [
        {
            **kind,
            "kind": "MutatingAdmissionPolicy",
            "spec": {
                "matchConstraints": {"resourceRules": [rule]},
                "matchConditions": [
                    {"name": "late", "expression": f"has(object.metadata.annotations) && {late} && {there}"}
                ],
                "mutations": [
                    {"patchType": "JSONPatch", "jsonPatch": {"expression": f"[{', '.join((kept, *removed))}]"}}
                ],
                "reinvocationPolicy": "Never",
                "failurePolicy": "Fail",
            },
        },
        {**kind, "kind": "MutatingAdmissionPolicyBinding", "spec": {"policyName": about["name"]}},
    ]


def node(name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """A GPU node with room for one replica that no NodePool has made."""
    kind, gpus, cpus, memory_gib, _ = INSTANCE_TYPES[0]
    has = {"cpu": str(cpus), "memory": f"{memory_gib}Gi", "pods": "110", GPU: str(gpus)}
    about = {"name": name, "labels": {"node.kubernetes.io/instance-type": kind, **labels}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": about, "status": {"allocatable": has, "capacity": has}}


def pool(
    name: str = POOL,
    *,
    registration_seconds: int = 2,
    idle_seconds: int = 12,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    capacity: str = "on-demand",
    most_gpus: int = 64,
    weight: int = 0,
) -> list[dict[str, Any]]:
    """A NodePool of GPU nodes with room for one replica each, and its node class; labels and annotations of its nodes.

    Of several that would do, Karpenter takes the one of the highest weight.
    """
    node_class = {"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": name}
    wanted = {"karpenter.sh/capacity-type": [capacity], "node.kubernetes.io/instance-type": ["g6.2xlarge"]}
    return [
        {
            "apiVersion": "karpenter.kwok.sh/v1alpha1",
            "kind": "KWOKNodeClass",
            "metadata": {"name": name},
            "spec": {"nodeRegistrationDelay": f"{registration_seconds}s"},
        },
        {
            "apiVersion": "karpenter.sh/v1",
            "kind": "NodePool",
            "metadata": {"name": name},
            "spec": {
                "template": {
                    "metadata": {"labels": dict(labels or {}), "annotations": dict(annotations or {})},
                    "spec": {
                        "nodeClassRef": node_class,
                        "requirements": [
                            {"key": key, "operator": "In", "values": values} for key, values in wanted.items()
                        ],
                        "expireAfter": "Never",
                        "terminationGracePeriod": "30s",
                    },
                },
                "limits": {GPU: str(most_gpus)},
                **({"weight": weight} if weight else {}),
                "disruption": {
                    "consolidationPolicy": "WhenEmpty",
                    "consolidateAfter": f"{idle_seconds}s",
                    "budgets": [{"nodes": "100%"}],  # by default 10 %, which frees one of ten nodes every 25 s
                },
            },
        },
    ]
