"""What a kubelet does to the API: write status and Events, and take a pod away once it has ended."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import structlog

from autoscaler.clock import Clock
from autoscaler.kube.client import Kube
from autoscaler.kube.collection import Collection, events
from autoscaler.kube.errors import Conflict, Forbidden, KubeError, NotFound, Unavailable
from autoscaler.kube.objects import Object, key, uid
from tests.e2e.standin import status

PODS, NODES = Collection("v1", "pods"), Collection("v1", "nodes")
PAUSE_SECONDS = 0.2  # before a call that failed is made again

Answer = TypeVar("Answer")
log = structlog.get_logger("standin")


class Client(Kube):
    """The project's client, and the one call that only a kubelet makes."""

    async def remove(self, path: str, its_uid: str) -> None:
        """Delete that very pod now: it has ended."""
        preconditions = {"uid": its_uid}
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "preconditions": preconditions}
        await self._call("DELETE", path, {}, body)


class Hand:
    """Calls are made again until the API has answered; NotFound and Rejected are raised."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock

    async def write(self, pod: Object, wanted: status.Json) -> Object:
        """Write a pod's status; the pod as it is then."""
        path = PODS.item(*key(pod), "status")
        return await self._insist(
            lambda: self._client.merge_patch(path, {"metadata": {"uid": uid(pod)}, "status": wanted})
        )

    async def remove(self, pod: Object) -> None:
        """Take a pod away. Another of its name stays."""

        async def remove() -> None:
            with suppress(NotFound, Conflict):
                await self._client.remove(PODS.item(*key(pod)), uid(pod))

        await self._insist(remove)

    async def tell(self, pod: Object, node: str, reason: str, message: str, container: str) -> None:
        """Write an Event, if the API is there."""
        event = status.event(pod, node, reason, message, self._clock.now(), container)
        try:
            await self._client.create(events(key(pod)[0]).path, event)
        except KubeError as error:
            log.warning("event_lost", pod="/".join(key(pod)), reason=reason, error=str(error))

    async def list_images(self, node: str, images: list[str]) -> None:
        """Write what a node holds, if it and the API are there."""
        listed = [{"names": [image], "sizeBytes": status.IMAGE_BYTES} for image in images]
        try:
            await self._client.merge_patch(f"{NODES.path}/{node}/status", {"status": {"images": listed}})
        except KubeError as error:
            log.warning("images_not_listed", node=node, error=str(error))

    async def _insist(self, call: Callable[[], Awaitable[Answer]]) -> Answer:
        while True:
            try:
                return await call()
            except (Unavailable, Forbidden, Conflict) as error:  # an API server that starts refuses for a while
                log.warning("again", error=str(error))
                await self._clock.sleep(PAUSE_SECONDS)
