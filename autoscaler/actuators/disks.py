"""What nodes say of their disks and images: how much room there is, how large an image is, and which nodes are fit for a fetch."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from autoscaler.kube.objects import Object, condition, created_seconds, key
from autoscaler.kube.trim import DISK
from crds.notation.units import exact_quantity

# The kubelet begins to remove images at 85 %.
FULL_SHARE = 0.8
# containerd reports the compressed size, and keeps the layers both compressed and unpacked.
UNPACKED = 3.0
STARTS_WITHIN_SECONDS = 900.0  # a node that is not Ready for longer does not come up


def image_bytes(nodes: Iterable[Object]) -> Mapping[str, float]:
    """The size of each large image that any node lists, by each of its names."""
    return {name: _size(image) for node in nodes for image in _images(node) for name in image.get("names") or ()}


def listed_bytes(sizes: Mapping[str, float], reference: str) -> float | None:
    """The size of an image, of those that `image_bytes` gives; None where no node lists it."""
    return next((sizes[name] for name in _names(reference) if name in sizes), None)


def has_image(node: Object, reference: str) -> bool:
    """Whether the node lists the image. It lists 50 at most, so that one which is missing may be there."""
    names = _names(reference)
    return any(name in names for image in _images(node) for name in image.get("names") or ())


@lru_cache(maxsize=4096)
def _names(reference: str) -> tuple[str, str]:
    """The names under which a node may list an image: as written, and in full, as containerd and CRI-O have it."""
    first, slash, _ = reference.partition("/")
    hosted = slash and ("." in first or ":" in first or first == "localhost")
    full = reference if hosted else f"docker.io/{reference}" if slash else f"docker.io/library/{reference}"
    name, _, digest = full.partition("@")
    path, _, last = name.rpartition("/")
    base, _, tag = last.partition(":")
    return reference, f"{path}/{base}@{digest}" if digest else f"{path}/{base}:{tag or 'latest'}"


def room_bytes(node: Object) -> float | None:
    """What may still be unpacked on the node's disk; None where that is not known."""
    text = ((node.get("status") or {}).get("allocatable") or {}).get(DISK)
    try:
        whole = float(exact_quantity(text)) if text is not None else None
    except ValueError:
        return None
    return None if whole is None else FULL_SHARE * whole - UNPACKED * sum(map(_size, _images(node)))


def rooms_bytes(nodes: Iterable[Object]) -> Mapping[str, float]:
    """What may still be unpacked on each node, by name, where that is known."""
    found = {key(node).name: room_bytes(node) for node in nodes}
    return {name: room for name, room in found.items() if room is not None}


def fit(node: Object, now_seconds: float) -> bool:
    """Whether a fetch may begin there: the disk is not full, and the node is up or coming up."""
    young = now_seconds - (created_seconds(node) or 0.0) < STARTS_WITHIN_SECONDS
    return condition(node, "DiskPressure") is None and (young or condition(node, "Ready") is not None)


def _images(node: Object) -> Iterable[Object]:
    return (node.get("status") or {}).get("images") or ()


def _size(image: Object) -> float:
    return float(image.get("sizeBytes") or 0.0)
