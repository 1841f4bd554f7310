"""A node: whether it is up, its GPUs, and what is on its disk."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from autoscaler.clock import Clock
from autoscaler.kube.objects import Object, condition, created_seconds, metadata, seconds, uid
from policies.ladder import CONTENTION
from tests.e2e.standin.pods import GPU, dated

# Annotations of a Node, which a NodePool's template may carry
GPU_SECONDS = "outrider.test/gpu-seconds"  # from registration until the GPUs are allocatable; absent: at once
GPUS = "outrider.test/gpus"  # how many there will be: the admission policy in harness/nodes.py writes it
IMAGES = "outrider.test/images"  # on the disk from the beginning, separated by spaces
PARALLEL_PULLS = "outrider.test/parallel-pulls"  # absent: one at a time, as by the kubelet's default


class Disk:
    """Images, and markers of what else is there: weights, compile caches.

    Concurrent fetches of an item are one, which goes on even if its callers have gone. Images wait for one another, and
    images and other things slow one another.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[str, None] = {}
        self._images: dict[str, None] = {}
        self._fetching: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(1)
        self._busy = {"images": 0, "others": 0}  # fetches under way
        self._changed = asyncio.Event()  # replaced whenever those change

    def __contains__(self, item: str) -> bool:
        return item in self._held

    @property
    def images(self) -> list[str]:
        """All images, oldest first."""
        return list(self._images)

    @property
    def items(self) -> list[str]:
        """All that is there or on its way, sorted."""
        return sorted({*self._held, *self._fetching})

    def parallel_pulls(self, most: int) -> None:
        """Pull up to so many images at a time. Call it before the first pull."""
        self._slots = asyncio.Semaphore(most)

    def add(self, item: str) -> None:
        """Put a marker on the disk."""
        self._held[item] = None

    def add_image(self, image: str) -> None:
        """Put an image on the disk."""
        self.add(image)
        self._images[image] = None

    async def fetch(self, item: str, seconds: float) -> None:
        """Wait until the item is on the disk; the first caller's `seconds` count."""
        if item not in self._held:
            await self._shared(item, lambda: self._fetch(item, seconds))

    async def pull(self, image: str, seconds: float) -> float:
        """As `fetch`, in the node's queue of pulls. Returns how long the caller's own pull took, without waiting."""
        if image in self._held:
            return 0.0
        own_seconds = 0.0 if image in self._fetching else seconds
        await self._shared(image, lambda: self._pull(image, seconds))
        return own_seconds

    def wipe(self) -> None:
        """Remove everything and cancel every fetch: the node is gone."""
        self._held.clear()
        self._images.clear()
        for task in self._fetching.values():
            task.cancel()

    async def _shared(self, item: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if item not in self._fetching:
            self._fetching[item] = asyncio.create_task(work())
        await asyncio.shield(self._fetching[item])

    async def _fetch(self, item: str, seconds: float) -> None:
        await self._copy("others", seconds)
        self.add(item)
        del self._fetching[item]

    async def _pull(self, image: str, seconds: float) -> None:
        async with self._slots:
            await self._copy("images", seconds)
        self.add_image(image)
        del self._fetching[image]

    async def _copy(self, kind: str, seconds: float) -> None:
        """Take so long, and longer while the other kind is copied, too."""
        [other] = self._busy.keys() - {kind}
        self._count(kind, 1)
        try:
            left_seconds = seconds
            while left_seconds > 0:
                slowdown = CONTENTION if self._busy[other] else 1.0
                began_seconds = self._clock.now()
                if await self._slept(left_seconds * slowdown):
                    return
                left_seconds -= (self._clock.now() - began_seconds) / slowdown
        finally:
            self._count(kind, -1)

    async def _slept(self, seconds: float) -> bool:
        """Whether so many seconds have passed before anything changed."""
        sleep = asyncio.ensure_future(self._clock.sleep(seconds))
        change = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait((sleep, change), return_when=asyncio.FIRST_COMPLETED)
            return sleep.done()
        finally:
            sleep.cancel()
            change.cancel()

    def _count(self, kind: str, change: int) -> None:
        self._busy[kind] += change
        self._changed.set()
        self._changed = asyncio.Event()


@dataclass
class Machine:
    """A node, from its first appearance to its end. Times are Unix seconds."""

    name: str
    disk: Disk
    up: asyncio.Event = field(default_factory=asyncio.Event)
    uid: str = ""  # empty: a pod is bound to it, but its Node has not appeared
    address: str = ""
    gpus: int = 0
    created_seconds: float | None = None
    ready_seconds: float | None = None
    gpu_seconds: float | None = None  # when its GPUs became allocatable
    gone_seconds: float | None = None

    def update(self, node: Object, now_seconds: float) -> None:
        """Take over what the API says about the node."""
        status = node.get("status") or {}
        if not self.uid:
            self._register(node)
        self.uid = uid(node)
        if self.created_seconds is None:
            self.created_seconds = dated(created_seconds(node) or now_seconds, now_seconds)
        self.gpus = int((status.get("capacity") or {}).get(GPU) or 0)
        if self.gpus and self.gpu_seconds is None:
            self.gpu_seconds = now_seconds if GPUS in _annotations(node) else self.created_seconds
        self.address = next(
            (each["address"] for each in status.get("addresses") or () if each["type"] == "InternalIP"), ""
        )
        for image in status.get("images") or ():
            self.disk.add_image(image["names"][0])
        if condition(node, "Ready") is not None and not self.up.is_set():
            ready_seconds = seconds((condition(node, "Ready") or {}).get("lastTransitionTime"))
            self.ready_seconds = dated(ready_seconds or now_seconds, now_seconds)
            self.up.set()

    def remove(self, now_seconds: float) -> None:
        """The node is gone."""
        self.gone_seconds = now_seconds
        self.disk.wipe()

    def _register(self, node: Object) -> None:
        for image in baked_images(node):
            self.disk.add_image(image)
        self.disk.parallel_pulls(int(_annotations(node).get(PARALLEL_PULLS, 1)))


def baked_images(node: Object) -> list[str]:
    """The images that a node came with."""
    return _annotations(node).get(IMAGES, "").split()


def late_gpus(node: Object) -> tuple[int, float] | None:
    """How many GPUs a node will have, and after how long; None if it has them, or never will."""
    given, capacity = _annotations(node), (node.get("status") or {}).get("capacity") or {}
    if GPU_SECONDS not in given or GPUS not in given or GPU in capacity:
        return None
    return int(given[GPUS]), float(given[GPU_SECONDS])


def _annotations(node: Object) -> Mapping[str, str]:
    return metadata(node).get("annotations") or {}
