"""The shapes of what actuators make, as data: tests check the makers against them, and the admission policies are made from them.

A shape is a tree of plain values. A mapping names all fields that may be there: one whose name ends in `?` may be missing, and
with `...: ...` there may be others. A list has its members in order. A range bounds an integer, a `Text` a string, a setting decides
a `Configured` one, `...` is anything, and any other value is itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import EllipsisType

from autoscaler.actuators.manifest import (
    ENDED_SECONDS,
    KEPT,
    NAMESPACE,
    PLACEMENT,
    BalloonSettings,
    container_restrictions,
    pod_restrictions,
)
from autoscaler.actuators.prefetch import CACHE, COMMAND, ENVIRONMENT, REFRESH_SECONDS
from autoscaler.actuators.prepull import PAUSE_IMAGE, PRIORITY_CLASS, PULL_ACCOUNT, RESTS_SECONDS, Form
from autoscaler.kube.ours import (
    BALLOON,
    FETCH,
    FETCH_JOB,
    MANAGED_BY,
    MANAGER,
    OFFERING,
    POLICY,
    POOL,
    SLOT,
    STANDBY,
)
from crds.kinds import GPU_POOL, SCALING_POLICY
from crds.v1alpha1.fetching import CACHE_ROOT
from crds.v1alpha1.resource import API_VERSION

LONGEST_DEADLINE_SECONDS = 86_400  # a held GPU that nothing releases ends after a day, whatever the settings

Fields = Mapping["str | EllipsisType", "Tree"]


@dataclass(frozen=True, slots=True)
class Text:
    """A string that matches a pattern, from its first character to its last."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Configured:
    """A string that a setting of the controller decides: the admission policy has it as a variable, which an install may patch."""

    variable: str
    default: str


Tree = Fields | list["Tree"] | range | Text | Configured | str | int | EllipsisType


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of object that an actuator makes."""

    name: str  # what it is called in a refusal
    group: str
    resource: str  # the plural of its kind
    tree: Fields
    form: str = ""  # by the label of a fetch; empty: without it
    label: str = ""  # that its objects have, and those of no other shape; empty: they have none of these


_OURS: Fields = {MANAGED_BY: MANAGER, POLICY: ...}
_OF_POOLS: Fields = {MANAGED_BY: MANAGER, POOL: ...}
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
_API_SERVERS: Fields = {  # its defaults in a pod
    "dnsPolicy?": ...,
    "schedulerName?": ...,
    "serviceAccount?": ...,
}
_CONTAINERS_DEFAULTS: Fields = {"terminationMessagePath?": ..., "terminationMessagePolicy?": ...}


def _job(
    labels: Fields,
    pod_labels: Fields,
    annotations: Fields,
    longest: int,
    ended: "Tree",
    pod: Fields,
    *,
    kind: str = SCALING_POLICY.name,
    ours: Fields = _OURS,
    about: Fields | None = None,
) -> Fields:
    """What the Jobs of every actuator have in common. `about` is what else their metadata must have."""
    return {
        "metadata": {
            **(about or {}),
            "labels": {**ours, **labels, ...: ...},
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": kind,
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
            "activeDeadlineSeconds": range(1, longest + 1),
            "ttlSecondsAfterFinished": ended,
            "template": {
                "metadata": {
                    "labels": {**ours, **pod_labels, **_BY_THE_JOB_CONTROLLER},
                    "annotations": annotations,
                    "creationTimestamp?": ...,  # null, from older API servers
                },
                "spec": pod,
            },
            "suspend?": ...,  # Kueue sets it; the others are the API server's
            "selector?": ...,
            "manualSelector?": False,
            "completionMode?": "NonIndexed",
            "podReplacementPolicy?": ...,
        },
        ...: ...,
    }


BALLOON_JOB = Shape(
    name="balloon",
    group="batch",
    resource="jobs",
    tree=_job(
        {SLOT: ...},
        {BALLOON: ...},
        KEPT,
        LONGEST_DEADLINE_SECONDS,
        ENDED_SECONDS,
        _POD,
    ),
)


def _fetch(name: str, form: Form, ended: int, pod: Fields) -> Shape:
    """A Job that brings something to one node."""
    every: Fields = {
        "nodeName": ...,
        "tolerations": [{"operator": "Exists"}],
        "priorityClassName": PRIORITY_CLASS,
        **pod,
        **_API_SERVERS,
    }
    labels: Fields = {FETCH: form.value}
    evictable: Fields = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "true"}
    tree = _job(labels, {**labels, FETCH_JOB: ...}, evictable, LONGEST_DEADLINE_SECONDS, ended, every)
    return Shape(name, "batch", "jobs", tree, form.value)


_PULLS: Fields = {**{f"{name}?": ... for name in PULL_ACCOUNT}, **pod_restrictions()}
_HOLD: Fields = {"name": "hold", **container_restrictions(), "resources": ..., **_CONTAINERS_DEFAULTS}
PREPULL_JOB = _fetch(
    "prepull",
    Form.SLEEP,
    RESTS_SECONDS,
    {**_PULLS, "containers": [{**_HOLD, "image": ..., "imagePullPolicy?": ..., "command": ["sleep", ...]}]},
)
PREPULL_VOLUME_JOB = _fetch(
    "prepull-volume",
    Form.VOLUME,
    RESTS_SECONDS,
    {
        **_PULLS,
        "containers": [
            {
                **_HOLD,
                "image": Configured("pauseImage", PAUSE_IMAGE),
                "imagePullPolicy?": ...,
                "volumeMounts": [{"name": "held", "mountPath": "/held", "readOnly": True}],
            }
        ],
        "volumes": [{"name": "held", "image": {"reference": ..., "pullPolicy?": ...}}],
    },
)
PREFETCH_JOB = _fetch(
    "prefetch",
    Form.WEIGHTS,
    REFRESH_SECONDS,
    {
        "serviceAccountName?": ...,
        **pod_restrictions(),
        "securityContext": {"runAsUser": 0, "runAsGroup": 0, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "prefetch",
                "image": ...,
                "imagePullPolicy?": ...,
                "command": list(COMMAND),
                "args": ...,
                "env": [{"name": name, "value": ...} for name in ENVIRONMENT],
                "envFrom?": ...,
                "resources": ...,
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                "volumeMounts": [
                    {"name": "cache", "mountPath": CACHE},
                    {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - in the container
                ],
                **_CONTAINERS_DEFAULTS,
            }
        ],
        "volumes": [
            {"name": "cache", "hostPath": {"path": Text(CACHE_ROOT), "type": "DirectoryOrCreate"}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
        ],
    },
)
FETCH_SHAPES = (PREPULL_JOB, PREPULL_VOLUME_JOB, PREFETCH_JOB)
STANDBY_JOB = Shape(
    name="standby",
    group="batch",
    resource="jobs",
    label=POOL,
    tree=_job(
        {OFFERING: ..., SLOT: ...},
        {OFFERING: ..., STANDBY: ...},
        KEPT,
        LONGEST_DEADLINE_SECONDS,
        ENDED_SECONDS,
        {
            "nodeSelector": ...,
            "tolerations": ...,
            "priorityClassName": BalloonSettings(max_balloons=0).priority_class,
            **pod_restrictions(),
            "containers": [
                {**_HOLD, "image": Configured("pauseImage", PAUSE_IMAGE), "imagePullPolicy?": ...},
            ],
            **_API_SERVERS,
        },
        kind=GPU_POOL.name,
        ours=_OF_POOLS,
        about={"namespace": NAMESPACE},
    ),
)
