"""A standby node as an object: a Job in Outrider's own namespace whose one pod holds all GPUs of one node of an offering."""

import json
from dataclasses import dataclass
from typing import Any

from autoscaler.actuators.manifest import (
    ENDED_SECONDS,
    KEPT,
    NAMESPACE,
    Owner,
    container_restrictions,
    name_of,
    one_pod,
    pod_restrictions,
)
from autoscaler.actuators.prepull import PAUSE_IMAGE
from autoscaler.kube.ours import OFFERING, POOL, SHAPE, SLOT, STANDBY, short_hash
from crds.kinds import GPU_POOL
from crds.pool import GpuPool, OfferingAt

GPU = "nvidia.com/gpu"
# Taints by which Karpenter and the Cluster Autoscaler announce that they take a node away.
LEAVING_TAINTS = ("karpenter.sh/disrupted", "ToBeDeletedByClusterAutoscaler")
OVERHEAD = {"cpu": "10m", "memory": "16Mi"}  # of the pause container: the node's CPUs and memory stay free


@dataclass(frozen=True, slots=True)
class HoldSettings:
    """What is the same for every standby node of this controller."""

    namespace: str = NAMESPACE  # Outrider's own
    deadline_seconds: int = 1800
    priority_class: str = "outrider-balloon"
    pause_image: str = PAUSE_IMAGE
    notice_taints: frozenset[str] = frozenset(LEAVING_TAINTS)  # of a node that is being taken away


def standby_name(pool: GpuPool, offering: OfferingAt, slot: int) -> str:
    """The name of a slot's Job: the same from every controller at every time, so a slot never has two."""
    tail = f"-standby-{slot}-{short_hash(f'{pool.uid} {offering.name}')}"
    return name_of(f"{pool.name}-{offering.name}", tail)


def shape(pool: GpuPool, offering: OfferingAt, settings: HoldSettings) -> str:
    """A hash of all that a standby node's pod is made from: another one means that it is to be rolled."""
    return short_hash(json.dumps([pool.uid, _pod_spec(pool, offering, settings)], sort_keys=True))


def standby_job(pool: GpuPool, offering: OfferingAt, slot: int, settings: HoldSettings) -> dict[str, Any]:
    """The Job of one slot of an offering."""
    name = standby_name(pool, offering, slot)
    where = {OFFERING: offering.name}
    return one_pod(
        settings.namespace,
        Owner(GPU_POOL.name, pool.name, pool.uid, POOL),
        name,
        labels={**where, SLOT: str(slot)},
        annotations={SHAPE: shape(pool, offering, settings)},
        deadline_seconds=settings.deadline_seconds,
        ended_seconds=ENDED_SECONDS,
        pod_labels={**where, STANDBY: name},
        pod_annotations=KEPT,
        pod_spec=_pod_spec(pool, offering, settings),
    )


def _pod_spec(pool: GpuPool, offering: OfferingAt, settings: HoldSettings) -> dict[str, Any]:
    gpus = next(each.gpus_per_node for each in pool.pool.offerings if each.name == offering.name)
    held = {**OVERHEAD, GPU: str(gpus)}
    return {
        "nodeSelector": dict(offering.node_selector),
        "tolerations": [*offering.tolerations, {"key": GPU, "operator": "Exists", "effect": "NoSchedule"}],
        "priorityClassName": settings.priority_class,
        **pod_restrictions(),
        "containers": [
            {
                "name": "hold",
                "image": settings.pause_image,
                "resources": {"requests": held, "limits": held},
                **container_restrictions(),
            }
        ],
    }
