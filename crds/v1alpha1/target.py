"""The target of a policy: the reference, and which kinds can be scaled."""

from pydantic import Field

from crds.resolve.rules import Rule
from crds.v1alpha1.fields import ApiVersion, KindName, Model, ObjectName

SCALABLE_APPS = ("Deployment", "StatefulSet", "ReplicaSet")
_ELSEWHERE = {
    "LeaderWorkerSet": "leaderworkerset.x-k8s.io/v1",
    "Rollout": "argoproj.io/v1alpha1",
    "ReplicationController": "v1",
}
_FOLLOWING = ("DaemonSet", "Job", "CronJob")
_KSERVE = "InferenceService"
_ANSWERED = (*_ELSEWHERE, *_FOLLOWING, _KSERVE)  # kinds with a rule of their own


class Target(Model):
    """The workload to scale: any object in the policy's namespace that has a /scale subresource."""

    api_version: ApiVersion = "apps/v1"
    """API version of the target."""
    kind: KindName = "Deployment"
    """Kind of the target, such as Deployment, StatefulSet or LeaderWorkerSet."""
    name: ObjectName = Field(examples=["chat-vllm"])
    """Name of the target."""


def _elsewhere(kind: str, version: str) -> Rule:
    return Rule(
        "spec.target",
        "apiVersion",
        f"self.kind != '{kind}' || self.apiVersion != 'apps/v1'",
        f"apps/v1, the default, has no {kind}",
        version,
        lambda target: target["kind"] != kind or target["apiVersion"] != "apps/v1",
    )


TARGET_RULES = (
    *(_elsewhere(kind, version) for kind, version in _ELSEWHERE.items()),
    Rule(
        "spec.target",
        "kind",
        f"self.kind != '{_KSERVE}' || !(self.apiVersion == 'apps/v1' || self.apiVersion.startsWith('serving.kserve.io/'))",
        "KServe's InferenceService has no /scale subresource, so its replicas cannot be set",
        "kind: Deployment and name: NAME-predictor, the Deployment that KServe makes in its Standard mode, and annotate the "
        "InferenceService with serving.kserve.io/autoscalerClass: external, so that KServe adds no autoscaler of its own",
        lambda target: (
            target["kind"] != _KSERVE
            or not (target["apiVersion"] == "apps/v1" or target["apiVersion"].startswith("serving.kserve.io/"))
        ),
    ),
    Rule(
        "spec.target",
        "kind",
        f"self.apiVersion != 'apps/v1' || !(self.kind in {list(_FOLLOWING)})",
        "it has no /scale subresource: a DaemonSet follows the nodes, and a Job runs to completion",
        "Deployment, StatefulSet or another kind that has /scale",
        lambda target: target["apiVersion"] != "apps/v1" or target["kind"] not in _FOLLOWING,
    ),
    Rule(
        "spec.target",
        "kind",
        f"self.apiVersion != 'apps/v1' || self.kind in {[*SCALABLE_APPS, *_ANSWERED]}",
        "apps/v1, the default apiVersion, has no such kind that can be scaled",
        "Deployment, StatefulSet or ReplicaSet, or the kind's own apiVersion beside it",
        lambda target: target["apiVersion"] != "apps/v1" or target["kind"] in (*SCALABLE_APPS, *_ANSWERED),
    ),
    Rule(
        "spec.target",
        "apiVersion",
        f"self.apiVersion == 'apps/v1' || !(self.kind in {list(SCALABLE_APPS)})",
        "this kind belongs to apps/v1",
        "apps/v1",
        lambda target: target["apiVersion"] == "apps/v1" or target["kind"] not in SCALABLE_APPS,
    ),
    Rule(
        "spec.target",
        "kind",
        "!(self.apiVersion in ['v1', 'batch/v1']) || self.kind in ['ReplicationController', 'Deployment', "
        "'StatefulSet', 'ReplicaSet']",
        "this kind has no /scale subresource, so its replicas cannot be set",
        "Deployment with apiVersion apps/v1, or another kind that has /scale",
        lambda target: (
            target["apiVersion"] not in ("v1", "batch/v1")
            or target["kind"] in ("ReplicationController", *SCALABLE_APPS)
        ),
    ),
)
