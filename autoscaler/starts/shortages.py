"""When the offerings of pools refused a node to anyone, by what node autoscalers report.

Karpenter deletes a NodeClaim for which the cloud has no capacity, and says InsufficientCapacityError about it. The Cluster
Autoscaler says FailedScaleUp about the pod that the node was for. Not here: what is said about standby pods, which their actuator
reads itself.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from autoscaler.clock import Clock
from autoscaler.kube import collection, trim
from autoscaler.kube.client import Kube
from autoscaler.kube.objects import Key, Object, key, labels, seconds
from autoscaler.kube.reflector import Tail
from autoscaler.kube.store import Store, Stream
from crds.pool import GpuPool

OF_CLAIM, OF_POD = "InsufficientCapacityError", "FailedScaleUp"  # reasons of Events
NODE_POOL = "karpenter.sh/nodepool"
MOST = 256  # refusals that are remembered, and labels of NodeClaims
LOOK_SECONDS = 15.0  # until Events are watched, from when there is a pool

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Shortage:
    """A node that was not to be had: labels that it would have had, and when."""

    labels: Mapping[str, str]
    at_seconds: float


class Shortages:
    """The newest refusals. `wanted` says whether there is a pool; `selector_of` which labels a pod asks of its node."""

    def __init__(
        self,
        kube: Kube,
        clock: Clock,
        rng: random.Random,
        wanted: Callable[[], bool],
        selector_of: Callable[[Key], Mapping[str, str]],
    ) -> None:
        self._kube = kube
        self._clock = clock
        self._rng = rng
        self._wanted = wanted
        self._selector_of = selector_of
        self._found: deque[Shortage] = deque(maxlen=MOST)
        self._claims: dict[str, Mapping[str, str]] = {}  # labels of NodeClaims by name, also of those that are gone

    def saw_claim(self, claim: Object) -> None:
        """Take a NodeClaim: an Event about it may come after it is gone."""
        name = key(claim).name
        self._claims.pop(name, None)
        self._claims[name] = labels(claim)
        while len(self._claims) > MOST:
            del self._claims[next(iter(self._claims))]

    def saw_refused(self, claim: Object) -> None:
        """Take a NodeClaim that was deleted since there is no machine for it."""
        self._add(labels(claim), self._clock.now())

    def saw_event(self, event: Object) -> None:
        """Take an Event with one of the reasons."""
        about = event.get("involvedObject") or {}
        name = str(about.get("name") or "")
        at_seconds = seconds(event.get("lastTimestamp") or event.get("eventTime")) or self._clock.now()
        if event.get("reason") == OF_CLAIM:
            # Karpenter names its NodeClaims NODEPOOL-SUFFIX.
            self._add(self._claims.get(name) or {NODE_POOL: name.rpartition("-")[0]}, at_seconds)
        elif event.get("reason") == OF_POD:
            self._add(self._selector_of(Key(str(about.get("namespace") or ""), name)), at_seconds)

    def _add(self, of: Mapping[str, str], at_seconds: float) -> None:
        if of:
            self._found.append(Shortage(of, min(at_seconds, self._clock.now())))

    def last_seconds(self, pool: GpuPool, offering: str) -> float | None:
        """When an offering last refused a node; None: it was not seen to."""
        times = [each.at_seconds for each in self._found if offering_of(pool, each.labels) == offering]
        return max(times, default=None)

    async def run(self) -> None:
        """Watch Events until cancelled, once there is a pool."""
        while not self._wanted():
            await self._clock.sleep(LOOK_SECONDS)
        events = Stream()
        events.subscribe(self.saw_event)
        async with asyncio.TaskGroup() as group:
            for reason in (OF_CLAIM, OF_POD):
                group.create_task(self._tail(reason, events))

    async def _tail(self, reason: str, events: Store) -> None:
        what = collection.events_of(reason)
        await Tail(self._kube, what, events, clock=self._clock, rng=self._rng, trim=trim.event).run()


def offering_of(pool: GpuPool, found: Mapping[str, str]) -> str:
    """The first offering whose nodes have these labels, as far as they are known; empty if it is none of this pool.

    A node that does not exist lacks labels that only its kubelet or its driver would set.
    """
    for each in pool.offerings:
        own = {name: value for name, value in each.node_selector.items() if pool.node_selector.get(name) != value}
        known = found.keys() & each.node_selector.keys()
        tells = found.keys() & (own or each.node_selector).keys()
        if tells and all(found[name] == each.node_selector[name] for name in known):
            return each.name
    return ""
