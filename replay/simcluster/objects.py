"""The cluster's objects in the format of Kubernetes. Times are given in scenario Unix seconds."""

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence

from crds.notation.timestamps import timestamp
from crds.workload import Workload
from replay.sim.control_plane import GRACE_SECONDS
from replay.sim.views import BalloonView, Ended, NodeView, Phase, PodView
from replay.simcluster.pulls import IMAGE_BYTES
from replay.simcluster.resources import Json

DISRUPTED = "karpenter.sh/disrupted"  # the taint of a node that is being taken back
BACKOFF_LIMIT = "BackoffLimitExceeded", "Job has reached the specified backoff limit"
_UUIDS = uuid.UUID("6f1c3f0e-52c5-4d0f-9c9b-0d9f3c3f7f11")


def uid(*parts: object) -> str:
    """A uid that is the same for the same parts."""
    return str(uuid.uuid5(_UUIDS, "/".join(map(str, parts))))


def suffix(*parts: object) -> str:
    """Five characters, like those that Kubernetes appends to a generated name."""
    return hashlib.blake2s("/".join(map(str, parts)).encode()).hexdigest()[:5]


def owner(of: Json) -> Json:
    """The owner reference that a controller puts on what it creates."""
    metadata = of["metadata"]
    kind = {"apiVersion": of["apiVersion"], "kind": of["kind"]}
    return {**kind, "name": metadata["name"], "uid": metadata["uid"], "controller": True, "blockOwnerDeletion": True}


def deployment(workload: Workload, created_seconds: float) -> Json:
    """The Deployment that the policy targets, at 0 replicas."""
    name, namespace = workload.target.name, workload.namespace
    labels = {"app": name}
    port = workload.endpoint.ports[0]
    container = {
        "name": "vllm",
        "image": "vllm/vllm-openai:v0.32.0",
        "args": ["--model", f"/models/{name}", "--served-model-name", name, "--port", str(port)],
        "ports": [{"name": "http", "containerPort": port, "protocol": "TCP"}],
        "resources": {
            "limits": {"nvidia.com/gpu": str(workload.gpus_per_replica), "memory": "32Gi"},
            "requests": {"nvidia.com/gpu": str(workload.gpus_per_replica), "cpu": "4", "memory": "32Gi"},
        },
        "readinessProbe": {"httpGet": {"path": "/health", "port": port, "scheme": "HTTP"}, "periodSeconds": 1},
        "imagePullPolicy": "IfNotPresent",
    }
    pod_spec = {
        "containers": [container],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": int(GRACE_SECONDS),
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "schedulerName": "default-scheduler",
    }
    return {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid("Deployment", namespace, name),
            "generation": 1,
            "creationTimestamp": timestamp(created_seconds),
            "labels": labels,
        },
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod_spec},
            "strategy": {"type": "RollingUpdate"},
        },
        "status": {},
    }


def with_replicas(held: Json, replicas: int, pods: Sequence[PodView]) -> Json:
    """The Deployment with this spec and the status of these pods. Terminating pods do not count as replicas."""
    generation = held["metadata"]["generation"] + (replicas != held["spec"]["replicas"])
    alive = [pod for pod in pods if not pod.terminating]
    ready = sum(pod.ready for pod in alive)
    counts = {
        "replicas": len(alive),
        "updatedReplicas": len(alive),
        "readyReplicas": ready,
        "availableReplicas": ready,
        "unavailableReplicas": max(replicas, len(alive)) - ready,
    }
    return {
        **held,
        "metadata": {**held["metadata"], "generation": generation},
        "spec": {**held["spec"], "replicas": replicas},
        "status": {"observedGeneration": generation, **{name: count for name, count in counts.items() if count}},
    }


def replica(of: Json, view: PodView, address: str | None) -> Json:
    """A replica's pod. While it drains it stays Ready, as with a real kubelet."""
    template = of["spec"]["template"]
    digest = suffix(json.dumps(template, sort_keys=True))
    set_name = f"{of['metadata']['name']}-{digest}"
    replica_set = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": set_name, "uid": uid(set_name)}}
    metadata = {
        "name": view.name,
        "namespace": of["metadata"]["namespace"],
        "uid": uid("Pod", view.name, view.created_seconds),
        "creationTimestamp": timestamp(view.created_seconds),
        "labels": {**template["metadata"]["labels"], "pod-template-hash": digest},
        "ownerReferences": [owner(replica_set)],
    }
    if view.deleted_seconds is not None:
        metadata["deletionTimestamp"] = timestamp(view.deleted_seconds + GRACE_SECONDS)
        metadata["deletionGracePeriodSeconds"] = int(GRACE_SECONDS)
    running = view.image_ready_seconds is not None and view.phase not in {Phase.UNPLACED, Phase.PULLING}
    return _pod(
        metadata,
        template["spec"],
        view.node,
        address,
        created_seconds=view.created_seconds,
        scheduled_seconds=view.scheduled_seconds,
        running_seconds=view.image_ready_seconds if running else None,
        ready_seconds=view.ready_seconds,
    )


def node(view: NodeView, image: str, labels: Mapping[str, str] | None = None) -> Json:
    """A node that has registered, with its GPUs once they are allocatable, the image once it is there, and notice once given."""
    registered = timestamp(view.registered_seconds or 0.0)
    has = {"pods": "110"} if view.ready_seconds is None else {"nvidia.com/gpu": str(view.gpus), "pods": "110"}
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {
            "name": view.name,
            "uid": uid("Node", view.name, view.requested_seconds),
            "creationTimestamp": registered,
            "labels": {
                "kubernetes.io/hostname": view.name,
                "node.kubernetes.io/instance-type": "simulated",
                **(labels or {}),
            },
        },
        "spec": {} if view.notice_seconds is None else {"taints": [{"key": DISRUPTED, "effect": "NoSchedule"}]},
        "status": {
            "capacity": has,
            "allocatable": has,
            "conditions": [
                {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastTransitionTime": registered}
            ],
            "images": [{"names": [image], "sizeBytes": IMAGE_BYTES}] if view.has_image else [],
        },
    }


def balloon(job: Json, view: BalloonView, address: str | None) -> Json:
    """A Job's pod. It has no probe, so it is ready as soon as it runs."""
    template = job["spec"]["template"]
    name = job["metadata"]["name"]
    metadata = {
        **{k: v for k, v in template["metadata"].items() if k == "annotations"},
        "name": f"{name}-{suffix(job['metadata']['uid'])}",
        "generateName": f"{name}-",
        "namespace": job["metadata"]["namespace"],
        "uid": uid("Pod", job["metadata"]["uid"]),
        "creationTimestamp": timestamp(view.created_seconds),
        "labels": template["metadata"]["labels"],
        "ownerReferences": [owner(job)],
    }
    return _pod(
        metadata,
        template["spec"],
        view.node,
        address,
        created_seconds=view.created_seconds,
        scheduled_seconds=view.scheduled_seconds,
        running_seconds=view.running_seconds,
        ready_seconds=view.running_seconds,
    )


def _pod(
    metadata: Json,
    spec: Json,
    node: str | None,
    address: str | None,
    *,
    created_seconds: float,
    scheduled_seconds: float | None,
    running_seconds: float | None,
    ready_seconds: float | None,
) -> Json:
    def condition(kind: str, since_seconds: float | None, reason: str) -> Json:
        if since_seconds is not None:
            return {
                "type": kind,
                "status": "True",
                "lastProbeTime": None,
                "lastTransitionTime": timestamp(since_seconds),
            }
        last = scheduled_seconds if scheduled_seconds is not None and kind != "PodScheduled" else created_seconds
        return {
            "type": kind,
            "status": "False",
            "reason": reason,
            "lastProbeTime": None,
            "lastTransitionTime": timestamp(last),
        }

    status: Json = {
        "phase": "Pending" if running_seconds is None else "Running",
        "conditions": [condition("PodScheduled", scheduled_seconds, "Unschedulable")],
        "qosClass": "Burstable",
    }
    if scheduled_seconds is not None:
        state: Json = {"waiting": {"reason": "ContainerCreating"}}
        if running_seconds is not None:
            state = {"running": {"startedAt": timestamp(running_seconds)}}
        status["conditions"] += [
            condition("PodReadyToStartContainers", scheduled_seconds, ""),
            condition("Initialized", scheduled_seconds, ""),
            condition("ContainersReady", ready_seconds, "ContainersNotReady"),
            condition("Ready", ready_seconds, "ContainersNotReady"),
        ]
        status["startTime"] = timestamp(scheduled_seconds)
        status["containerStatuses"] = [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": "" if running_seconds is None else container["image"],
                "ready": ready_seconds is not None,
                "started": running_seconds is not None,
                "restartCount": 0,
                "state": state,
            }
            for container in spec["containers"]
        ]
    if address is not None:
        status["podIP"] = address
        status["podIPs"] = [{"ip": address}]
    placed = {"nodeName": node} if node is not None else {}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": {**spec, **placed}, "status": status}


def job_status(view: BalloonView, ended_seconds: float | None) -> Json:
    """A Job's status. A preempted pod counts as failed, and with no retries left the Job fails with it."""
    started = {"startTime": timestamp(view.created_seconds)}
    if view.ended is None or ended_seconds is None:
        return {**started, "active": 1, "ready": int(view.running), "uncountedTerminatedPods": {}}
    reason, message = {
        Ended.DEADLINE: ("DeadlineExceeded", "Job was active longer than specified deadline"),
        Ended.PREEMPTED: BACKOFF_LIMIT,
        Ended.EVICTED: BACKOFF_LIMIT,
    }[view.ended]
    at = timestamp(ended_seconds)
    conditions = [
        {
            "type": kind,
            "status": "True",
            "lastProbeTime": at,
            "lastTransitionTime": at,
            "reason": reason,
            "message": message,
        }
        for kind in ("FailureTarget", "Failed")
    ]
    return {**started, "failed": 1, "ready": 0, "uncountedTerminatedPods": {}, "conditions": conditions}
