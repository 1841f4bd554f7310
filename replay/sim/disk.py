"""What workloads leave on a node's disk: images, weights, and what engines have compiled."""

import math
from dataclasses import dataclass, field

from replay.scenario.actuators import Actuators, CompileCache
from replay.scenario.scenario import Hardware


@dataclass(eq=False)
class Compiled:
    """A place where engines keep what they compile, and since when there is something."""

    seconds: float = math.inf


@dataclass(eq=False, frozen=True)
class Model:
    """What the replicas of one workload bring onto a node."""

    name: str
    hardware: Hardware
    actuators: Actuators
    seed: int
    offerings: tuple[str, ...]  # whose nodes its pods can land on, in the order in which they are asked
    image: str  # workloads with the same one share it
    image_bytes: float = 0.0
    weights_bytes: float = 0.0
    volume: Compiled = field(default_factory=Compiled)  # of all its replicas


@dataclass(eq=False)
class Copy:
    """An image or a model's weights, there or on its way."""

    size_bytes: float
    users: set[str]  # names of workloads
    seconds: float  # when it is there
    ahead_seconds: float = math.inf  # likewise where no pod is needed for it
    used_seconds: float = -math.inf  # when a pod last used it


class Disk:
    """A node's disk. What was used least lately makes room; what is in use, or on its way, stays."""

    def __init__(self, size_bytes: float) -> None:
        self._size_bytes = size_bytes
        self._images: dict[str, Copy] = {}
        self._weights: dict[str, Copy] = {}
        self._compiled: dict[str, Compiled] = {}
        self.pulls_until_seconds = -math.inf  # the kubelet pulls one image at a time

    def image(self, model: Model) -> Copy | None:
        """Its image; None: neither there nor on its way."""
        return self._images.get(model.image)

    def image_seconds(self, model: Model) -> float:
        """When its image is there; infinity: not planned."""
        image = self.image(model)
        return math.inf if image is None else image.seconds

    def weights(self, model: Model) -> Copy | None:
        """Its weights, likewise."""
        return self._weights.get(model.name)

    def compiled(self, model: Model) -> Compiled:
        """Where its engines on this node find what was compiled."""
        if model.actuators.compile_cache is CompileCache.VOLUME:
            return model.volume
        return self._compiled.setdefault(model.name, Compiled())

    def caches(self, model: Model, now_seconds: float) -> tuple[bool, bool]:
        """Whether its weights and its image are there."""
        weights, image = self._weights.get(model.name), self._images.get(model.image)
        return (
            weights is not None and weights.seconds <= now_seconds,
            image is not None and image.seconds <= now_seconds,
        )

    def holds(self, model: Model, by_seconds: float) -> bool:
        """Whether all that it needs before it warms up is there by then."""
        weights, image = self.caches(model, by_seconds)
        return image and (weights or model.hardware.cold_start.weights is None)

    def add_image(self, model: Model, seconds: float, now_seconds: float, in_use: set[str]) -> Copy:
        """Its image will be there at `seconds`. `in_use`: names of workloads that have pods on the node."""
        self._make_room(model.image_bytes, now_seconds, in_use)
        copy = self._images[model.image] = Copy(model.image_bytes, {model.name}, seconds, seconds)
        return copy

    def add_weights(self, model: Model, seconds: float, now_seconds: float, in_use: set[str]) -> Copy:
        """Likewise its weights, which a pod brings that may go before; with `ahead_seconds` they come without it."""
        self._make_room(model.weights_bytes, now_seconds, in_use)
        copy = self._weights[model.name] = Copy(model.weights_bytes, {model.name}, seconds)
        return copy

    def drop_weights(self, model: Model) -> None:
        """They do not come any more."""
        self._weights.pop(model.name, None)

    def used(self, model: Model, now_seconds: float) -> None:
        """A pod uses, or used until now, what there is of it."""
        for copy in (self._images.get(model.image), self._weights.get(model.name)):
            if copy is not None:
                copy.users.add(model.name)
                copy.used_seconds = now_seconds

    def _make_room(self, size_bytes: float, now_seconds: float, in_use: set[str]) -> None:
        if self._size_bytes == math.inf:
            return
        kept = [(places, key, copy) for places in (self._images, self._weights) for key, copy in places.items()]
        excess = sum(copy.size_bytes for _, _, copy in kept) + size_bytes - self._size_bytes
        for places, key, copy in sorted(kept, key=lambda each: max(each[2].seconds, each[2].used_seconds)):
            if excess <= 0.0:
                break
            if copy.seconds <= now_seconds and not copy.users & in_use:
                del places[key]
                excess -= copy.size_bytes
