"""A CapacityBuffer as it is read: whether Outrider may set its size, and which nodes of its offering nobody has taken."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from autoscaler.actuators.standby.units import leaves, up
from autoscaler.kube import collection
from autoscaler.kube.client import Kube
from autoscaler.kube.errors import Forbidden, NotFound
from autoscaler.kube.nodes import gpus
from autoscaler.kube.objects import Object, created_seconds, ended, key, labels
from crds.pool import GpuPool, OfferingAt

_COMPONENT = "apply the component capacity-buffers, which lets Outrider read and set those of its own namespace"


@dataclass(frozen=True, slots=True)
class BufferReading:
    """What one look shows."""

    replicas: int = 0  # nodes that it asks for
    waits: bool = False  # the node autoscaler does not act on it yet
    free: tuple[str, ...] = ()  # nodes that are up and that nobody has taken, the oldest first
    starting: tuple[tuple[str, float], ...] = ()  # nodes that have registered, and when
    taken: frozenset[str] = frozenset()  # nodes that somebody has taken, of those that were looked at
    impossible: str = ""  # why Outrider does not set its size; empty if it does


async def read(
    kube: Kube,
    namespace: str,
    pool: GpuPool,
    offering: OfferingAt,
    nodes: Sequence[Object],
    busy: Iterable[str],
    taints: Collection[str],
) -> BufferReading:
    """Look at an offering's buffer and nodes. Raises KubeError for what may pass.

    `busy` nodes have a member's pod, and nodes with one of `taints` are being taken away.
    """
    path = collection.capacity_buffers(namespace).item(namespace, offering.capacity_buffer)
    try:
        buffer = await kube.get(path)
        problem = unfit(buffer, offering) or await _of_template(kube, namespace, buffer, pool, offering)
    except NotFound:
        return BufferReading(impossible=f"there is no CapacityBuffer {namespace}/{offering.capacity_buffer}: create it")
    except Forbidden as error:
        return BufferReading(impossible=f"{error}: {_COMPONENT}")
    spec, status = buffer.get("spec") or {}, buffer.get("status") or {}
    conditions = {each.get("type"): each.get("status") for each in status.get("conditions") or ()}
    found = BufferReading(_count(spec.get("replicas")), conditions.get("ReadyForProvisioning") == "False")
    if problem:
        return replace(found, impossible=problem)
    own = [each for each in nodes if offering.selects(labels(each)) and not leaves(each, taints)]
    own.sort(key=lambda each: (created_seconds(each) or 0.0, key(each).name))
    starting = tuple((key(each).name, created_seconds(each) or 0.0) for each in own if not up(each))
    ready, taken = [key(each).name for each in own if up(each)], set(busy)
    free: list[str] = []
    for name in ready:
        if name in taken or len(free) >= pool.pool.standby.max_nodes:
            continue
        pods, _ = await kube.list_all(collection.pods_on(name))
        if _gpus_held(pods):
            taken.add(name)
        else:
            free.append(name)
    return replace(found, free=tuple(free), starting=starting, taken=frozenset(taken))


def unfit(buffer: Object, offering: OfferingAt) -> str:
    """Why a buffer's size is not Outrider's to set; empty if it is."""
    spec, name = buffer.get("spec") or {}, offering.capacity_buffer
    if not spec.get("limits"):
        return (
            f"the CapacityBuffer {name} has no spec.limits, and would outlive this controller at any size: "
            "set them to the most that it may hold"
        )
    if spec.get("percentage") is not None:
        return f"the CapacityBuffer {name} has spec.percentage, which sets its size as well: remove it"
    return ""


async def _of_template(kube: Kube, namespace: str, buffer: Object, pool: GpuPool, offering: OfferingAt) -> str:
    """Why the pods of a buffer are not whole nodes of the offering; empty if they are."""
    spec, status = buffer.get("spec") or {}, buffer.get("status") or {}
    name = str((spec.get("podTemplateRef") or status.get("podTemplateRef") or {}).get("name") or "")
    if not name:
        return (
            f"the CapacityBuffer {offering.capacity_buffer} has no spec.podTemplateRef, so what it holds is not known: "
            "name a PodTemplate of a whole node"
        )
    found = await kube.get(collection.pod_templates(namespace).item(namespace, name))
    asks = round(_gpus_of((found.get("template") or {}).get("spec") or {}))
    node_gpus = next(each.gpus_per_node for each in pool.pool.offerings if each.name == offering.name)
    if asks == node_gpus:
        return ""
    return (
        f"the PodTemplate {name} of the CapacityBuffer {offering.capacity_buffer} asks for {asks} GPUs, and a node of the offering "
        f"{offering.name} has {node_gpus}: let it ask for all of them"
    )


def _gpus_held(pods: Iterable[Object]) -> float:
    return sum(_gpus_of(pod.get("spec") or {}) for pod in pods if not ended(pod))


def _gpus_of(pod_spec: Object) -> float:
    return sum(gpus((each.get("resources") or {}).get("limits")) for each in pod_spec.get("containers") or ())


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
