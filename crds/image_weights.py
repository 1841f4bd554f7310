"""Whether replicas find weights that come as an image (`weights.method: image`), by the template of their pods and by nodes."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from crds.resolve.problems import Problem

PATH = "spec.weights.image"


def mounts_images(node: Mapping[str, Any]) -> bool:
    """Whether a node can mount an image as a volume: Kubernetes 1.35, and containerd 2.1 or CRI-O."""
    info = (node.get("status") or {}).get("nodeInfo") or {}
    runtime, _, version = str(info.get("containerRuntimeVersion") or "").partition("://")
    mounts = runtime == "cri-o" or (runtime == "containerd" and _version(version) >= (2, 1))
    return mounts and _version(str(info.get("kubeletVersion") or "")) >= (1, 35)


def used(pod_spec: Mapping[str, Any], image: str) -> bool:
    """Whether the pods have the image, as a volume or in a container."""
    return bool(_volumes(pod_spec, image)) or _runs(pod_spec, image)


def advice(pod_spec: Mapping[str, Any], image: str, nodes: Iterable[Mapping[str, Any]] = ()) -> Problem | None:
    """Why replicas do not find the weights of an image, and what to write instead; None where they may.

    Raises TypeError or AttributeError for what is no pod's spec, or no node.
    """
    volumes = _volumes(pod_spec, image)
    if _runs(pod_spec, image):
        return None
    if not volumes:
        why = "the target's pods do not use this image, so they would not find the weights, and it is not pulled"
        instead = (
            "an image volume with this reference in the target's template, mounted in its engine; or another method"
        )
        return Problem(PATH, image, why, instead)
    mounted = {
        mount.get("name")
        for container in pod_spec.get("containers") or ()
        for mount in container.get("volumeMounts") or ()
    }
    if not mounted & volumes:
        name = min(volumes)
        why = f"no container of the target mounts the volume {name}, which has this image, so the engine does not find the weights"
        return Problem(PATH, image, why, f"volumeMounts with name: {name} in the target's engine")
    wanted = (pod_spec.get("nodeSelector") or {}).items()
    old = next((node for node in nodes if wanted <= _labels(node).items() and not mounts_images(node)), None)
    if old is not None:
        name = str((old.get("metadata") or {}).get("name"))
        why = f"node {name} cannot mount images as volumes, which needs Kubernetes 1.35, and containerd 2.1 or CRI-O"
        return Problem(
            PATH, image, why, "newer nodes, or an init container of this image that copies the weights to a volume"
        )
    return None


def _volumes(pod_spec: Mapping[str, Any], image: str) -> set[str]:
    """Names of the volumes that are the image."""
    volumes = pod_spec.get("volumes") or ()
    return {str(each.get("name")) for each in volumes if (each.get("image") or {}).get("reference") == image}


def _runs(pod_spec: Mapping[str, Any], image: str) -> bool:
    kinds = ("containers", "initContainers")
    return any(each.get("image") == image for kind in kinds for each in pod_spec.get(kind) or ())


def _labels(node: Mapping[str, Any]) -> Mapping[str, Any]:
    labels: Mapping[str, Any] = (node.get("metadata") or {}).get("labels") or {}
    return labels


def _version(text: str) -> tuple[int, int]:
    """Major and minor; zeros where it cannot be read."""
    found = re.match(r"v?(\d{1,6})\.(\d{1,6})", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)
