"""What a kubelet writes to the API: pod status, Events, a node's images, and the deletion of pods that have ended."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import structlog

from autoscaler.clock import Clock
from autoscaler.kube.client import Kube
from autoscaler.kube.collection import Collection, events
from autoscaler.kube.errors import Conflict, Forbidden, KubeError, NotFound, Rejected, Unavailable
from autoscaler.kube.objects import Object, key, uid
from replay.simcluster import pulls
from tests.e2e.standin import status
from tests.e2e.standin.pods import GPU

PODS, NODES = Collection("v1", "pods"), Collection("v1", "nodes")
PAUSE_SECONDS = 0.2  # before a failed call is repeated
TRANSIENT = (Unavailable, Forbidden, Conflict)  # a starting API server answers Forbidden for a while

Answer = TypeVar("Answer")
log = structlog.get_logger("standin")


class Client(Kube):
    """The project's client with the one call that only a kubelet makes."""

    async def remove(self, path: str, its_uid: str) -> None:
        """Delete the pod with this uid at once, since it has ended."""
        preconditions = {"uid": its_uid}
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "preconditions": preconditions}
        await self._call("DELETE", path, {}, body)


Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


class WriteQueue:
    """One pod's writes, in order and in the background: a kubelet does not wait for the API server."""

    def __init__(self, pod: str, spawn: Spawn) -> None:
        self._pod, self._spawn = pod, spawn
        self._writes: deque[Callable[[], Awaitable[None]]] = deque()
        self._worker: asyncio.Task[None] | None = None

    def add(self, write: Callable[[], Awaitable[None]]) -> None:
        """Queue a write."""
        self._writes.append(write)
        if self._worker is None or self._worker.done():
            self._worker = self._spawn(self._work())

    async def drain(self) -> None:
        """Wait until the queue is empty."""
        if self._worker is not None:
            await asyncio.wait([self._worker])

    def discard(self) -> None:
        """Drop what is queued and stop."""
        self._writes.clear()
        if self._worker is not None:
            self._worker.cancel()
            self._worker = None

    async def _work(self) -> None:
        while self._writes:
            try:
                await self._writes.popleft()()
            except NotFound:  # the pod is gone
                self._writes.clear()
            except Rejected as error:
                log.warning("refused", pod=self._pod, error=str(error))


class KubeletClient:
    """Repeats each call until the API has answered; raises NotFound and Rejected."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock

    async def write_status(self, pod: Object, wanted: status.Json) -> Object:
        """Write a pod's status; returns the pod as stored."""
        path = PODS.item(*key(pod), "status")
        return await self._retry(
            lambda: self._client.merge_patch(path, {"metadata": {"uid": uid(pod)}, "status": wanted})
        )

    async def remove(self, pod: Object) -> None:
        """Delete a pod, but no other pod of the same name."""

        async def remove() -> None:
            with suppress(NotFound, Conflict):
                await self._client.remove(PODS.item(*key(pod)), uid(pod))

        await self._retry(remove)

    async def create_event(self, event: status.Json) -> None:
        """Create an Event; if the API refuses it, it is dropped."""
        path = events(event["metadata"]["namespace"]).path
        with suppress(NotFound, Rejected, Forbidden, Conflict):
            await self._retry(lambda: self._client.create(path, event), (Unavailable,))

    async def write_images(self, node: str, images: list[str]) -> None:
        """Write the list of images on a node, if the node still exists."""
        listed = [{"names": [image], "sizeBytes": pulls.IMAGE_BYTES} for image in images]
        path = f"{NODES.path}/{node}/status"
        with suppress(NotFound):
            await self._retry(lambda: self._client.merge_patch(path, {"status": {"images": listed}}))

    async def write_gpus(self, node: str, gpus: int) -> None:
        """Make GPUs allocatable, as a device plugin does when it registers."""
        count = {GPU: str(gpus)}
        path = f"{NODES.path}/{node}/status"
        with suppress(NotFound):
            await self._retry(
                lambda: self._client.merge_patch(path, {"status": {"capacity": count, "allocatable": count}})
            )

    async def _retry(
        self, call: Callable[[], Awaitable[Answer]], transient: tuple[type[KubeError], ...] = TRANSIENT
    ) -> Answer:
        logged = False
        while True:
            try:
                return await call()
            except transient as error:
                if not logged:
                    log.warning("not written yet", error=str(error))
                    logged = True
                await self._clock.sleep(PAUSE_SECONDS)
