"""By what the parts of a start are learned: the node's kind, the image, the model on its GPU.

Only nodes are shared: a key teaches its parents too, so that all else begins with its tenant. A small image of one must not
shorten what is expected of another's large one.
"""

from dataclasses import dataclass

from policies.ledger import LONGEST, Key
from policies.seen import UNKNOWN, Place
from policies.starts import WARMUP_PARTS, Part


@dataclass(frozen=True, slots=True)
class What:
    """What is started, and where. Empty: unknown."""

    model: str  # namespace/name of the policy that serves it
    image: str = ""  # as the pod template has it
    place: Place = UNKNOWN
    weights_apart: bool = False  # they are got before the engine starts; else its warm-up includes them


def keys(what: What) -> dict[Part, Key]:
    """The key of each part, from general to specific. A part of which nothing is known has none."""
    place, (repository, version) = what.place, _image(what.image)
    node = (place.pool or _family(place.instance_type), place.instance_type, place.capacity_type)
    gpu = place.gpu or place.instance_type
    warmup = (what.model if what.weights_apart else f"{what.model} with weights", gpu, what.image)
    found: dict[Part, Key] = dict.fromkeys((*WARMUP_PARTS, Part.WARMUP), warmup)
    if any(node):
        found |= dict.fromkeys((Part.REACTION, Part.NODE, Part.GPU), node)
    if what.image:
        found[Part.IMAGE] = (f"{what.model.partition('/')[0]}/{repository}", place.instance_type, version)
    if what.weights_apart:
        found[Part.WEIGHTS] = (what.model, "init container")
    return {part: tuple(item[:LONGEST] for item in key) for part, key in found.items()}


def _image(reference: str) -> tuple[str, str]:
    """Repository, and digest or tag, of an image's reference. A port is no tag."""
    name, at, digest = reference.partition("@")
    if at:
        return name, digest
    repository, colon, tag = name.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (name, "latest")


def _family(instance_type: str) -> str:
    """p5 of p5.48xlarge, g2 of g2-standard-4; the whole of a name that has neither."""
    return instance_type.partition("." if "." in instance_type else "-")[0]
