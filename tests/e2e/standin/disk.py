"""A node as the stand-in knows it: whether it is up, and what its disk holds."""

import asyncio
from dataclasses import dataclass, field

from autoscaler.clock import Clock
from autoscaler.kube.objects import Object, condition, created_seconds, seconds, uid
from tests.e2e.standin.pods import GPU, dated

WEIGHTS = "weights of "  # what the name of a service's weights begins with


class Disk:
    """Images and weights. What several ask for at once comes once; it comes even if those who asked have gone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[str, None] = {}
        self._coming: dict[str, asyncio.Task[None]] = {}

    def __contains__(self, item: str) -> bool:
        return item in self._held

    @property
    def items(self) -> tuple[str, ...]:
        """All that it holds, oldest first."""
        return tuple(self._held)

    def hold(self, item: str) -> None:
        """It is there."""
        self._held[item] = None

    async def fetch(self, item: str, seconds: float) -> None:
        """Wait until it is there; the first who asks says how long it takes."""
        if item in self._held:
            return
        if item not in self._coming:
            self._coming[item] = asyncio.create_task(self._bring(item, seconds))
        await asyncio.shield(self._coming[item])

    def wipe(self) -> None:
        """The node is gone, and with it all that it held or waited for."""
        self._held.clear()
        for task in self._coming.values():
            task.cancel()

    async def _bring(self, item: str, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self.hold(item)
        del self._coming[item]


@dataclass
class Machine:
    """A node, from the first that was heard of it to its end. Times are Unix seconds."""

    name: str
    disk: Disk
    up: asyncio.Event = field(default_factory=asyncio.Event)
    uid: str = ""  # empty: a pod is bound to it, but it has not been seen
    address: str = ""
    gpus: int = 0
    created_seconds: float | None = None
    ready_seconds: float | None = None
    gone_seconds: float | None = None

    @property
    def images(self) -> list[str]:
        """The images on its disk."""
        return [item for item in self.disk.items if not item.startswith(WEIGHTS)]

    def see(self, node: Object, now_seconds: float) -> None:
        """The node as the API tells it."""
        told = node.get("status") or {}
        self.uid = uid(node)
        if self.created_seconds is None:
            self.created_seconds = dated(created_seconds(node) or now_seconds, now_seconds)
        self.gpus = int((told.get("capacity") or {}).get(GPU) or 0)
        self.address = next(
            (each["address"] for each in told.get("addresses") or () if each["type"] == "InternalIP"), ""
        )
        for image in told.get("images") or ():
            self.disk.hold(image["names"][0])
        if condition(node, "Ready") is not None and not self.up.is_set():
            told_seconds = seconds((condition(node, "Ready") or {}).get("lastTransitionTime"))
            self.ready_seconds = dated(told_seconds or now_seconds, now_seconds)
            self.up.set()

    def lose(self, now_seconds: float) -> None:
        """It is gone."""
        self.gone_seconds = now_seconds
        self.disk.wipe()
