"""By what the parts of a start are learned: the node's kind, the image, the model on its GPU.

Only nodes are shared: a key teaches its parents too, so that all else begins with its tenant. A small image of one must not
shorten what is expected of another's large one.
"""

from dataclasses import dataclass
from enum import Enum

from policies.ledger import LONGEST, Key
from policies.seen import UNKNOWN, Place
from policies.starts import WARMUP_PARTS, Part
from policies.weights import Way

COMPILED = ("hit", "miss")
_ROOT = 200  # characters of a policy's name: what follows it must not be cut off


class Kept(Enum):
    """Where a workload's pods keep what they compile."""

    NOWHERE = ""
    NODE = "on the node"  # a new node has nothing yet
    SHARED = "on a volume"  # that nodes may share


@dataclass(frozen=True, slots=True)
class What:
    """What is started, and where. Empty: unknown."""

    model: str  # namespace/name of the policy that serves it
    image: str = ""  # as the pod template has it
    place: Place = UNKNOWN
    way: Way | None = Way.ENGINE  # of its weights; None: not known
    weights: str = ""  # what has them, where that has a name: an image, a folder, a LocalModelCache
    compile_cache: Kept = Kept.NOWHERE

    @property
    def weights_apart(self) -> bool:
        """Whether the weights are there before the engine starts."""
        return self.way is not Way.ENGINE


def keys(what: What) -> dict[Part, Key]:
    """The key of each part, from general to specific. A part of which nothing is known has none."""
    place, (repository, version) = what.place, _image(what.image)
    node = (place.pool or _family(place.instance_type), place.instance_type, place.capacity_type)
    gpu = place.gpu or place.instance_type
    model = what.model[:_ROOT]
    root = (model, *(["with weights"] * (what.way is Way.ENGINE)), *_cached(what.compile_cache))
    warmup = (" ".join(root), gpu, what.image)
    found: dict[Part, Key] = {}
    if what.way is not None:  # else a warm-up without its weights would pass for one with them
        found |= dict.fromkeys((*WARMUP_PARTS, Part.WARMUP), warmup)
    if any(node):
        found |= dict.fromkeys((Part.REACTION, Part.NODE, Part.GPU), node)
    if what.image:
        found[Part.IMAGE] = (f"{what.model.partition('/')[0]}/{repository}", place.instance_type, version)
    if what.way:
        found[Part.WEIGHTS] = (f"{model} by {what.way}", *filter(None, [what.weights]))
    return {part: tuple(item[:LONGEST] for item in key) for part, key in found.items()}


def node_key(place: Place) -> Key | None:
    """The key of a node that never came, as far as its kind is known; None where nothing of it is."""
    found = keys(What("", place=place)).get(Part.NODE, ())
    while found and not found[-1]:
        found = found[:-1]
    return found or None


def compiled(key: Key, path: str) -> Key:
    """The key of a part of a warm-up that hit or missed the compile cache: neither is a parent of the other, or has one with it."""
    return (f"{key[0]}, {path}", *key[1:]) if path in COMPILED else key


def another_version(image: str, other: str) -> bool:
    """Whether two references are of one repository, and differ in their tags, or in their digests."""
    (repository, version), (of_other, version_of_other) = _image(image), _image(other)
    return (repository, "@" in image) == (of_other, "@" in other) and version != version_of_other


def _cached(where: Kept) -> tuple[str, ...]:
    return (f"with a compile cache {where.value}",) if where is not Kept.NOWHERE else ()


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
