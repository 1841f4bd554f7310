"""Reads a scale target: its scale and the template of its pods."""

from collections.abc import Mapping
from dataclasses import dataclass

from autoscaler.kube.client import Kube
from autoscaler.kube.discovery import Discovery
from autoscaler.kube.errors import NotFound, Rejected
from autoscaler.kube.objects import Object
from crds.notation.selectors import Selector, parse
from crds.workload import Target

MAX_REPLICAS = 2**31 - 1  # replicas are an int32 in Kubernetes
LONGEST_SELECTOR = 16_384  # characters, parsed in 20 ms; one label takes at most 400


@dataclass(frozen=True, slots=True)
class Scale:
    """A target's `/scale`."""

    spec_replicas: int
    selector: Selector
    status_replicas: int | None = None  # pods that the target counts as its own; None: unknown


async def read_scale(kube: Kube, discovery: Discovery, namespace: str, target: Target) -> Scale:
    """Read the target's `/scale`. Raises `KubeError`; `Rejected` where it has no selector, and so no pods."""
    collection = await discovery.collection(target.api_version, target.kind)
    path = collection.item(namespace, target.name, "scale")
    try:
        raw = await kube.get(path)
    except NotFound as error:
        raise NotFound(
            f"{error}: the target does not exist, or its kind has no /scale subresource; check spec.target"
        ) from error
    text = str((raw.get("status") or {}).get("selector") or "")
    if len(text) > LONGEST_SELECTOR:
        raise Rejected(
            f"{path}: status.selector has {len(text)} characters, more than the {LONGEST_SELECTOR} that are read"
        )
    try:
        selector = parse(text)
    except ValueError as error:
        raise Rejected(f"{path}: {error}") from error
    if not selector.requirements:
        raise Rejected(f"{path}: status.selector is empty, so the target's pods cannot be found")
    spec_replicas = _count((raw.get("spec") or {}).get("replicas", 0))  # the API leaves out a zero
    if spec_replicas is None:
        raise Rejected(f"{path}: spec.replicas is not a number of pods")
    return Scale(spec_replicas, selector, _count((raw.get("status") or {}).get("replicas")))


def _count(value: object) -> int | None:
    """A number of pods; None for what cannot be one."""
    return value if type(value) is int and 0 <= value <= MAX_REPLICAS else None


async def read_template(kube: Kube, discovery: Discovery, namespace: str, target: Target) -> Object:
    """Read the template of one of the target's pods. Raises `KubeError`; `Rejected` where there is none to prepare a node for."""
    raw = await _read(kube, discovery, namespace, target)
    spec = raw.get("spec") or {}
    if target.kind == "LeaderWorkerSet":
        return _leader(spec)
    if target.kind == "Rollout" and (ref := spec.get("workloadRef")):
        workload = Target(ref.get("apiVersion") or "", ref.get("kind") or "", ref.get("name") or "")
        spec = (await _read(kube, discovery, namespace, workload)).get("spec") or {}
    return _whole(spec.get("template"), "spec.template")


async def _read(kube: Kube, discovery: Discovery, namespace: str, target: Target) -> Object:
    collection = await discovery.collection(target.api_version, target.kind)
    return await kube.get(collection.item(namespace, target.name))


def _leader(spec: Object) -> Object:
    """The template of the only pod of a replica. Of a larger group a balloon cannot hold the place, which is on several nodes."""
    group = spec.get("leaderWorkerTemplate") or {}
    size = group.get("size", 1)
    if size != 1:
        raise Rejected(f"each replica is a group of {size} pods, and nodes are prepared for single pods only")
    template = group.get("leaderTemplate") or group.get("workerTemplate")
    return _whole(template, "spec.leaderWorkerTemplate")


def _whole(template: object, where: str) -> Object:
    """A template as pods have it. The API server checks that for its own kinds only: another may have a name there."""
    spec = template.get("spec") if isinstance(template, Mapping) else None
    if not isinstance(template, Mapping) or not isinstance(spec, Mapping) or not _are_containers(spec):
        raise Rejected(f"the target has no {where} with containers, so no node can be prepared for it")
    return template


def _are_containers(spec: Object) -> bool:
    found = spec.get("containers"), spec.get("initContainers") or []
    return bool(found[0]) and all(
        isinstance(each, list) and all(isinstance(one, Mapping) for one in each) for each in found
    )
