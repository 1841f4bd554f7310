"""Objects as an API server gives them, of the start of one replica on a node that Karpenter makes for it."""

from typing import Any

from crds.notation.timestamps import timestamp

Json = dict[str, Any]
T0 = 1_700_000_000.0  # when the replica was asked for
IMAGE = "vllm/vllm-openai:v0.19.1"
NODE = "ip-10-0-0-1.ec2.internal"


def at(seconds: float | None) -> str | None:
    """A time after T0, as the API writes it."""
    return None if seconds is None else timestamp(T0 + seconds)


def condition(kind: str, since: float | None) -> list[Json]:
    """A condition that is True since then; none where that is None."""
    return [] if since is None else [{"type": kind, "status": "True", "lastTransitionTime": at(since)}]


def pod(
    name: str = "chat-0",
    *,
    created: float = 0.0,
    scheduled: float | None = None,
    sandbox: float | None = None,
    started: float | None = None,
    ready: float | None = None,
    waiting: str = "",
    restarts: int = 0,
    weights: tuple[float, float] | None = None,
    **metadata: Any,
) -> Json:
    """A replica as far as it has come."""
    state = {"waiting": {"reason": waiting or "ContainerCreating"}}
    if started is not None:
        state = {"running": {"startedAt": str(at(started))}}
    init = []
    if weights is not None:
        over = {"startedAt": at(weights[0]), "finishedAt": at(weights[1]), "exitCode": 0}
        init = [{"name": "storage-initializer", "restartCount": 0, "state": {"terminated": over}}]
    about = {"name": name, "namespace": "ns", "uid": f"uid-{name}", "labels": {"app": "chat"}, **metadata}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"creationTimestamp": at(created), **about},
        "spec": {"containers": [{"name": "vllm", "image": IMAGE}]} | ({} if scheduled is None else {"nodeName": NODE}),
        "status": {
            "phase": "Pending" if started is None else "Running",
            "conditions": condition("PodScheduled", scheduled)
            + condition("PodReadyToStartContainers", sandbox)
            + condition("Ready", ready),
            "containerStatuses": [
                {"name": "proxy", "image": "proxy", "restartCount": 0, "state": {"running": {"startedAt": at(created)}}},
                {"name": "vllm", "image": IMAGE, "restartCount": restarts, "state": state},
            ],
            "initContainerStatuses": init,
        },
    }  # fmt: skip


def node(created: float = 62.0, gpus: int = 0, images: tuple[str, ...] = (), **labels: str) -> Json:
    """The node, with its labels of Karpenter and of the instance."""
    known = {
        "karpenter.sh/nodepool": "gpu",
        "karpenter.sh/capacity-type": "spot",
        "node.kubernetes.io/instance-type": "g6.xlarge",
        "kubernetes.io/hostname": NODE,
    }
    allocatable = {"cpu": "4", "memory": "16Gi"} | ({"nvidia.com/gpu": str(gpus)} if gpus else {})
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": NODE, "uid": "uid-node", "creationTimestamp": at(created), "labels": known | labels},
        "status": {
            "allocatable": allocatable,
            "images": [{"names": [f"docker.io/{name}"], "sizeBytes": 9_612_695_005} for name in images],
            "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": at(created)}],
        },
    }


def node_claim(created: float = 3.0, initialized: float | None = None, *, asks: bool = True) -> Json:
    """Its NodeClaim."""
    requests = {"cpu": "3"} | ({"nvidia.com/gpu": "1"} if asks else {})
    return {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodeClaim",
        "metadata": {"name": "gpu-1", "uid": "uid-claim", "creationTimestamp": at(created), "labels": {}},
        "spec": {"resources": {"requests": requests}},
        "status": {"nodeName": NODE, "conditions": condition("Initialized", initialized)},
    }


def event(message: str, seconds: float, of: str = "chat-0", container: str = "vllm", namespace: str = "ns") -> Json:
    """An Event of the node's kubelet."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{of}.{abs(hash(message))}", "namespace": namespace},
        "involvedObject": {
            "kind": "Pod",
            "namespace": namespace,
            "name": of,
            "uid": f"uid-{of}",
            "fieldPath": f"spec.containers{{{container}}}",
        },
        "reason": "Pulled",
        "message": message,
        "source": {"component": "kubelet", "host": NODE},
        "firstTimestamp": at(seconds),
        "lastTimestamp": at(seconds),
        "eventTime": None,
    }


PULLED = f'Successfully pulled image "{IMAGE}" in 3m5s (3m5s including waiting). Image size: 9612695005 bytes.'
PRESENT = f'Container image "{IMAGE}" already present on machine'
