"""Whether the API server refuses pods that a scale target should have, as a quota or a webhook does."""

from autoscaler.kube.causes import brief, last_warning
from autoscaler.kube.client import Kube
from autoscaler.kube.discovery import Discovery
from autoscaler.kube.objects import Object, condition
from crds.workload import Target

# Kinds that say so themselves, in a condition. Where they do not, a missing pod waits for one that is being deleted.
REPORTING = ("Deployment", "ReplicaSet")


async def read_refusal(
    kube: Kube, discovery: Discovery, namespace: str, target: Target, *, overdue: bool
) -> str | None:
    """What the API server says, empty where that is not known; None where it refuses nothing. Raises `KubeError`.

    `overdue` says that pods have been missing for longer than it takes to create them.
    """
    collection = await discovery.collection(target.api_version, target.kind)
    raw = await kube.get(collection.item(namespace, target.name))
    failure = condition(raw, "ReplicaFailure")
    if failure is not None and failure.get("reason") != "FailedDelete":
        return brief(str(failure.get("message") or ""))
    if target.kind in REPORTING or not overdue or _waits(raw):
        return None
    return await last_warning(kube, raw)


def _waits(raw: Object) -> bool:
    """Whether a StatefulSet creates its pods one after the other, or replaces them."""
    spec, status = raw.get("spec") or {}, raw.get("status") or {}
    if raw.get("kind") != "StatefulSet":
        return False
    in_order = spec.get("podManagementPolicy", "OrderedReady") == "OrderedReady"
    unready = status.get("readyReplicas", 0) < status.get("replicas", 0)
    return (in_order and unready) or status.get("currentRevision") != status.get("updateRevision")
