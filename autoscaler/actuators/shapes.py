"""The shapes of what actuators make, as data: tests check the makers against them, and the admission policies are made from them.

A shape is a tree of plain values. A mapping names all fields that may be there: one whose name ends in `?` may be missing, and
with `...: ...` there may be others. A list has its members in order. A range bounds an integer, `...` is anything, and any other
value is itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import EllipsisType

from autoscaler.actuators.manifest import (
    ENDED_SECONDS,
    PLACEMENT,
    BalloonSettings,
    container_restrictions,
    pod_restrictions,
)
from autoscaler.kube.ours import BALLOON, MANAGED_BY, MANAGER, POLICY, SLOT
from crds.kinds import SCALING_POLICY
from crds.v1alpha1.resource import API_VERSION

LONGEST_DEADLINE_SECONDS = 86_400  # a held GPU that nothing releases ends after a day, whatever the settings

Fields = Mapping["str | EllipsisType", "Tree"]
Tree = Fields | list["Tree"] | range | str | int | EllipsisType


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of object that an actuator makes."""

    name: str  # what it is called in a refusal
    group: str
    resource: str  # the plural of its kind
    tree: Fields


_OURS: Fields = {MANAGED_BY: MANAGER, POLICY: ...}
_BY_THE_JOB_CONTROLLER: Fields = {
    f"{prefix}{name}?": ... for prefix in ("", "batch.kubernetes.io/") for name in ("controller-uid", "job-name")
}
_POD: Fields = {
    **{f"{name}?": ... for name in PLACEMENT},
    "priorityClassName": BalloonSettings(max_balloons=0).priority_class,
    **pod_restrictions(),
    "containers": [
        {
            "name": "hold",
            "image": ...,
            "imagePullPolicy?": ...,
            "command": ["sleep", ...],
            "resources": ...,
            **container_restrictions(),
            "terminationMessagePath?": ...,  # this and the next are the API server's defaults
            "terminationMessagePolicy?": ...,
        }
    ],
    "dnsPolicy?": ...,  # this and the next are the API server's too
    "serviceAccount?": ...,
}
BALLOON_JOB = Shape(
    name="balloon",
    group="batch",
    resource="jobs",
    tree={
        "metadata": {
            "labels": {**_OURS, SLOT: ..., ...: ...},
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": SCALING_POLICY.name,
                    "name": ...,
                    "uid": ...,
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
            ...: ...,
        },
        "spec": {
            "parallelism": 1,
            "completions": 1,
            "backoffLimit": 0,
            "activeDeadlineSeconds": range(1, LONGEST_DEADLINE_SECONDS + 1),
            "ttlSecondsAfterFinished": ENDED_SECONDS,
            "template": {
                "metadata": {
                    "labels": {**_OURS, BALLOON: ..., **_BY_THE_JOB_CONTROLLER},
                    "annotations": {
                        "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
                        "karpenter.sh/do-not-disrupt": "true",
                    },
                    "creationTimestamp?": ...,  # null, from older API servers
                },
                "spec": _POD,
            },
            "suspend?": ...,  # Kueue sets it; the others are the API server's
            "selector?": ...,
            "manualSelector?": False,
            "completionMode?": "NonIndexed",
            "podReplacementPolicy?": ...,
        },
        ...: ...,
    },
)
