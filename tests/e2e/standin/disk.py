"""A node: whether it is up, and what is on its disk."""

import asyncio
from dataclasses import dataclass, field

from autoscaler.clock import Clock
from autoscaler.kube.objects import Object, condition, created_seconds, seconds, uid
from tests.e2e.standin.pods import GPU, dated

WEIGHTS = "weights of "  # prefix of the item that is a workload's weights


class Disk:
    """Images and weights. Concurrent fetches of an item are one, which goes on even if its callers have gone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[str, None] = {}
        self._fetching: dict[str, asyncio.Task[None]] = {}

    def __contains__(self, item: str) -> bool:
        return item in self._held

    @property
    def items(self) -> tuple[str, ...]:
        """All items, oldest first."""
        return tuple(self._held)

    def add(self, item: str) -> None:
        """Put an item on the disk."""
        self._held[item] = None

    async def fetch(self, item: str, seconds: float) -> None:
        """Wait until the item is on the disk; the first caller's `seconds` count."""
        if item in self._held:
            return
        if item not in self._fetching:
            self._fetching[item] = asyncio.create_task(self._fetch(item, seconds))
        await asyncio.shield(self._fetching[item])

    def wipe(self) -> None:
        """Remove everything and cancel every fetch: the node is gone."""
        self._held.clear()
        for task in self._fetching.values():
            task.cancel()

    async def _fetch(self, item: str, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self.add(item)
        del self._fetching[item]


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
    gone_seconds: float | None = None

    @property
    def images(self) -> list[str]:
        """The images on its disk."""
        return [item for item in self.disk.items if not item.startswith(WEIGHTS)]

    def update(self, node: Object, now_seconds: float) -> None:
        """Take over what the API says about the node."""
        status = node.get("status") or {}
        self.uid = uid(node)
        if self.created_seconds is None:
            self.created_seconds = dated(created_seconds(node) or now_seconds, now_seconds)
        self.gpus = int((status.get("capacity") or {}).get(GPU) or 0)
        self.address = next(
            (each["address"] for each in status.get("addresses") or () if each["type"] == "InternalIP"), ""
        )
        for image in status.get("images") or ():
            self.disk.add(image["names"][0])
        if condition(node, "Ready") is not None and not self.up.is_set():
            ready_seconds = seconds((condition(node, "Ready") or {}).get("lastTransitionTime"))
            self.ready_seconds = dated(ready_seconds or now_seconds, now_seconds)
            self.up.set()

    def remove(self, now_seconds: float) -> None:
        """The node is gone."""
        self.gone_seconds = now_seconds
        self.disk.wipe()
