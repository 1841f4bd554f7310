"""A balloon as an object: a Job whose one pod holds a replica's place on a node and pulls its image."""

import json
from dataclasses import dataclass
from typing import Any

from autoscaler.actuators.footprint import Footprint, footprint
from autoscaler.kube.objects import Object
from autoscaler.kube.ours import BALLOON, MANAGED_BY, MANAGER, POLICY, SHAPE, SLOT, policy_label, short_hash
from crds.kinds import SCALING_POLICY
from crds.v1alpha1.resource import API_VERSION
from crds.workload import Workload
from policies.balloons import BROKEN_REST_SECONDS

JOB_NAME_LIMIT = 63  # characters; the name becomes a label of the pod
ENDED_SECONDS = int(BROKEN_REST_SECONDS)  # an ended Job is gone after that, but one that rests is still seen
NOBODY = 65534
NAMESPACE = "outrider-system"  # Outrider's own, as deployed
KEPT: dict[Any, Any] = {  # on a pod: no node autoscaler removes its node
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    "karpenter.sh/do-not-disrupt": "true",
}

PLACEMENT = (
    "nodeSelector",
    "affinity",
    "tolerations",
    "imagePullSecrets",
    "serviceAccountName",
    "runtimeClassName",
    "schedulerName",
)


class NoBalloonError(ValueError):
    """The target's template gives no balloon; the text says what to mend."""


@dataclass(frozen=True, slots=True)
class BalloonSettings:
    """What is the same for every balloon of this controller."""

    max_balloons: int  # in all the cluster
    max_balloons_per_namespace: int = 5
    deadline_seconds: int = 1800
    priority_class: str = "outrider-balloon"
    reads_classes: bool = True  # PriorityClasses are cluster-wide: an installation in one namespace cannot


@dataclass(frozen=True, slots=True)
class Owner:
    """What a Job is made for. Kubernetes deletes the Job with it."""

    kind: str
    name: str
    uid: str
    label: str  # under which the Job has its name

    @classmethod
    def of(cls, workload: Workload) -> "Owner":
        """A policy."""
        return cls(SCALING_POLICY.name, workload.name, workload.uid, POLICY)

    @property
    def labels(self) -> dict[str, str]:
        """By which its Jobs and their pods are found."""
        return {MANAGED_BY: MANAGER, self.label: policy_label(self.name)}

    @property
    def reference(self) -> dict[str, Any]:
        """As an owner in the metadata of a Job."""
        about = {"apiVersion": API_VERSION, "kind": self.kind, "name": self.name, "uid": self.uid}
        return {**about, "controller": True, "blockOwnerDeletion": False}


def job_name(workload: Workload, slot: int) -> str:
    """The name of a slot's Job: the same from every controller at every time, so a slot never has two."""
    return name_of(workload.name, f"-balloon-{slot}-{short_hash(workload.uid)}")


def name_of(name: str, tail: str) -> str:
    """A Job's name: as much of its owner's as there is room for, and its tail."""
    return name.replace(".", "-")[: JOB_NAME_LIMIT - len(tail)].rstrip("-") + tail


def replica_footprint(template: Object) -> Footprint:
    """What one replica asks for. Raises `NoBalloonError` where that cannot be read."""
    try:
        return footprint(template.get("spec") or {})
    except ValueError as error:
        raise NoBalloonError(f"the target's resources cannot be read: {error}") from error


def shape(workload: Workload, template: Object, settings: BalloonSettings) -> str:
    """A hash of all that a balloon's pod is made from: another one means that the balloons are to be rolled."""
    spec = _pod_spec(template, settings)
    return short_hash(json.dumps([workload.uid, spec], sort_keys=True))


def balloon_job(workload: Workload, template: Object, slot: int, settings: BalloonSettings) -> dict[str, Any]:
    """The Job of one slot. Raises `NoBalloonError` where the template cannot be held a place for."""
    name = job_name(workload, slot)
    return one_pod(
        workload.namespace,
        Owner.of(workload),
        name,
        labels={SLOT: str(slot)},
        annotations={SHAPE: shape(workload, template, settings)},
        deadline_seconds=settings.deadline_seconds,
        ended_seconds=ENDED_SECONDS,
        pod_labels={BALLOON: name},
        pod_annotations=KEPT,
        pod_spec=_pod_spec(template, settings),
    )


def one_pod(
    namespace: str,
    owner: Owner,
    name: str,
    *,
    labels: dict[str, str],
    annotations: dict[str, str],
    deadline_seconds: int,
    ended_seconds: int,
    pod_labels: dict[str, str],
    pod_annotations: dict[str, str],
    pod_spec: dict[str, Any],
) -> dict[str, Any]:
    """A Job of one pod, made for its owner: it ends at its deadline, is not repeated, and is gone `ended_seconds` after its end."""
    ours = owner.labels
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {**ours, **labels},
            "annotations": annotations,
            "ownerReferences": [owner.reference],
        },
        "spec": {
            "parallelism": 1,
            "completions": 1,
            "backoffLimit": 0,
            "activeDeadlineSeconds": deadline_seconds,
            "ttlSecondsAfterFinished": ended_seconds,
            "template": {
                "metadata": {"labels": {**ours, **pod_labels}, "annotations": pod_annotations},
                "spec": pod_spec,
            },
        },
    }


def pod_restrictions() -> dict[Any, Any]:
    """What every balloon's pod has, whatever it is made from; the admission policy requires it."""
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": NOBODY,
            "runAsGroup": NOBODY,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def container_restrictions() -> dict[Any, Any]:
    """The same for its container."""
    return {
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }


def _pod_spec(template: Object, settings: BalloonSettings) -> dict[str, Any]:
    replica = template.get("spec") or {}
    first: Object = next(iter(replica.get("containers") or ()), {})
    if not first.get("image"):
        raise NoBalloonError("the target's first container has no image")
    if replica.get("resourceClaims"):
        raise NoBalloonError(
            "the target's devices come from resource claims (DRA), which no replica can take over from a balloon by preemption: "
            "set maxPreparedNodes to 0, or ask for GPUs in resources.limits instead"
        )
    held = replica_footprint(template)
    if not held.has_gpu:
        raise NoBalloonError(
            "the target's containers ask for no GPU, so no GPU node would come for a balloon: "
            "set resources.limits, such as nvidia.com/gpu: 1"
        )
    return {
        **{name: replica[name] for name in PLACEMENT if replica.get(name)},
        "priorityClassName": settings.priority_class,
        **pod_restrictions(),
        "containers": [
            {
                "name": "hold",
                "image": first["image"],
                **({"imagePullPolicy": first["imagePullPolicy"]} if "imagePullPolicy" in first else {}),
                "command": ["sleep", str(settings.deadline_seconds)],
                "resources": held.resources,
                **container_restrictions(),
            }
        ],
    }
