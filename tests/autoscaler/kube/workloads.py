"""A workload and its target, as the tests of this room use them."""

from dataclasses import replace
from typing import Any

from crds.workload import Endpoint, Target, Workload
from policies.model import Engine, Mode, Policy, Signal
from policies.supply import ColdStart, Stage

STAGE = Stage(60.0, 120.0)
POLICY = Policy(
    name="ns/chat",
    mode=Mode.ACTIVE,
    signal=Signal.WORK,
    min_replicas=1,
    max_replicas=10,
    queue_wait_seconds=5.0,
    attainment=0.99,
    engine=Engine(2500.0, 0.0025, 0.85, 32.0),
    hold_seconds=None,
    scale_up_replicas_per_minute=None,
    scale_down_percent_per_minute=25.0,
    max_prepared_nodes=3,
    gpus_per_replica=1,
    price_per_gpu_hour=0.8,
)
WORKLOAD = Workload(
    namespace="ns",
    name="chat",
    generation=4,
    uid="0b6d9a52-5f0a-4b57-9a43-0d5a6f2f6c11",
    target=Target("apps/v1", "Deployment", "chat"),
    endpoint=Endpoint("http", (8000,), "/metrics"),
    profile="8b-l4",
    cold_start=ColdStart(STAGE, STAGE, STAGE, STAGE),
    schedules=(),
    policy=POLICY,
)

TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"app": "chat"}, "annotations": {"kubectl.kubernetes.io/restartedAt": "then"}},
    "spec": {
        "serviceAccountName": "chat",
        "nodeSelector": {"karpenter.sh/nodepool": "gpu-l4"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "imagePullSecrets": [{"name": "registry"}],
        "volumes": [{"name": "weights", "persistentVolumeClaim": {"claimName": "weights"}}],
        "containers": [
            {
                "name": "vllm",
                "image": "vllm/vllm-openai:v0.32.0",
                "imagePullPolicy": "IfNotPresent",
                "args": ["--model", "/models/chat"],
                "env": [{"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hf", "key": "token"}}}],
                "volumeMounts": [{"name": "weights", "mountPath": "/models"}],
                "resources": {
                    "requests": {"cpu": "6", "memory": "24Gi", "nvidia.com/gpu": "1"},
                    "limits": {"memory": "24Gi", "nvidia.com/gpu": "1"},
                },
            }
        ],
    },
}


def workload(
    name: str = "chat", mode: Mode = Mode.ACTIVE, max_prepared_nodes: int = 3, namespace: str = "ns"
) -> Workload:
    policy = replace(POLICY, name=f"{namespace}/{name}", mode=mode, max_prepared_nodes=max_prepared_nodes)
    uid = WORKLOAD.uid if name == "chat" else f"uid-of-{name}"
    return replace(WORKLOAD, namespace=namespace, name=name, uid=uid, policy=policy)


def policy_object(of: Workload) -> dict[str, Any]:
    """The policy as the API has it, as far as the balloons read it."""
    about = {"namespace": of.namespace, "name": of.name, "uid": of.uid}
    return {"metadata": about, "spec": {"mode": of.mode.value}}
