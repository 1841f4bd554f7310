"""Nodes as the API has them, at some moment of their start."""

from typing import Any

from crds.notation.timestamps import timestamp

GPU = "nvidia.com/gpu"
POOL = {"karpenter.sh/nodepool": "gpu-l4"}
NODES = "/api/v1/nodes"


def node(
    name: str = "n1",
    *,
    created_seconds: float = 0.0,
    labels: dict[str, str] | None = None,
    taints: tuple[tuple[str, str], ...] = (),
    gpus: int | None = 1,
    ready: bool = True,
    full: bool = False,
    kubelet: str = "v1.34.2",
    runtime: str = "containerd://2.1.3",
    disk: str = "",
    images: dict[str, float] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A node; `gpus` None: its device plugin has not registered. `taints` are keys and effects."""
    conditions = [{"type": "Ready", "status": str(ready)}, {"type": "DiskPressure", "status": str(full)}]
    devices = {} if gpus is None else {GPU: str(gpus)}
    return {
        "metadata": {
            "name": name,
            "uid": f"uid-of-{name}",
            "creationTimestamp": timestamp(created_seconds),
            "labels": {
                "kubernetes.io/hostname": name,
                "node.kubernetes.io/instance-type": "g6.2xlarge",
                **(labels or POOL),
            },
        },
        "spec": {"taints": [{"key": key, "effect": effect} for key, effect in taints], **spec},
        "status": {
            "conditions": conditions,
            "allocatable": {"cpu": "8", **devices, **({"ephemeral-storage": disk} if disk else {})},
            "nodeInfo": {"kubeletVersion": kubelet, "containerRuntimeVersion": runtime, "osImage": "linux"},
            "images": [{"names": [each], "sizeBytes": size} for each, size in (images or {}).items()],
        },
    }
