"""Watches what shows how replicas start, beside their pods: nodes, NodeClaims, and the kubelets' Events about images.

Each may be missing: the API, or the right to read it. Then what it would show is unknown, which is logged once.
"""

import asyncio
import random
from collections.abc import Callable, Iterable

import structlog

from autoscaler.clock import Clock
from autoscaler.kube import collection, trim
from autoscaler.kube.client import Kube
from autoscaler.kube.collection import Collection
from autoscaler.kube.errors import KubeError, Unavailable
from autoscaler.kube.nodes import has_image
from autoscaler.kube.objects import Key, Object, deleting, key
from autoscaler.kube.reflector import Reflector, Tail
from autoscaler.kube.store import Store, Stream
from autoscaler.starts.nodes import Nodes
from autoscaler.starts.pulls import Pulls
from policies.seen import NodeSeen, Place, PodSeen, Pull

REASONS = ("Pulling", "Pulled")  # a pull that fails shows in its pod, and BackOff comes once a minute from each
OPTIONAL = "NodeClaims"  # without Karpenter there are none, and little is missing
AGAIN_SECONDS = 3600.0  # until what is forbidden is looked for again: sooner, it would look like a right that is needed
AWAY_SECONDS = 30.0  # the same, while the API does not answer
FOLLOW_SECONDS = 5.0  # until Events of a new namespace are watched

_log = structlog.get_logger(__name__)


class StartWatches:
    """What they show. `namespaces` gives those whose Events are watched; without `nodes`, only Events are.

    `nodes` begins to watch them if nothing has yet: that is asked for once they may be read.
    """

    def __init__(
        self,
        kube: Kube,
        clock: Clock,
        rng: random.Random,
        namespaces: Callable[[], Iterable[str]],
        nodes: Callable[[], Store] | None,
    ) -> None:
        self._kube = kube
        self._clock = clock
        self._rng = rng
        self._namespaces = namespaces
        self._watched_nodes = nodes
        self._events: dict[str, list[asyncio.Task[None]]] = {}
        self._nodes = Store()
        self._claims = Store()
        self._seen = Nodes()
        self._going: set[str] = set()  # nodes whose NodeClaim is being deleted
        self._claim_listeners: list[Callable[[Object, bool], None]] = []
        self.pulls = Pulls()
        self._missing: dict[Collection, str] = (
            {} if nodes is not None else {collection.nodes(): "nodes"}
        )  # as they are called
        self._stores: dict[Collection, tuple[str, Store]] = {}  # those that are watched
        self._logged: set[str] = set()  # paths of what is missing
        self._use(self._nodes)
        self._claims.subscribe(self._claim_changed)

    def missing(self, namespace: str) -> tuple[str, ...]:
        """What cannot be seen now of starts in a namespace, of "nodes" and "Events"."""
        stale = {what: name for what, (name, store) in self._stores.items() if store.stale_since is not None}
        found = {name for what, name in (self._missing | stale).items() if what.namespace in (None, namespace)}
        return tuple(sorted(found - {OPTIONAL}))

    def node(self, name: str) -> NodeSeen | None:
        """What is known of a node; None where nodes cannot be seen, or it is gone."""
        found = self._nodes.get("", name)
        return None if found is None else self._seen.seen(found)

    def lists_image(self, node: str, image: str) -> bool:
        """Whether a node says that it has an image."""
        found = self._nodes.get("", node)
        return found is not None and has_image(found, image)

    def pull_of(self, pod: PodSeen) -> Pull | None:
        """What was last reported of the image of a pod's container."""
        return self.pulls.of(pod.namespace, pod.uid, pod.container)

    def pull_on(self, namespace: str, node: str, image: str) -> Pull | None:
        """The last pull of an image onto a node, for a pod of a namespace."""
        return self.pulls.on(namespace, node, image)

    def take_refused(self) -> list[Place]:
        """What the machines would have been that node autoscalers asked for in vain since this was last asked."""
        return self._seen.take_refused()

    @property
    def going(self) -> frozenset[str]:
        """Names of the nodes whose NodeClaim is being deleted."""
        return frozenset(self._going)

    def subscribe_claims(self, listener: Callable[[Object, bool], None]) -> None:
        """Call `listener` with every NodeClaim that changes, and whether it went since there was no capacity for it."""
        self._claim_listeners.append(listener)

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            if self._watched_nodes is not None:
                group.create_task(self._watch_nodes(self._watched_nodes))
                group.create_task(self._watch(OPTIONAL, collection.node_claims(), self._claims, trim.node_claim))
            while True:
                self._follow(group)
                await self._clock.sleep(FOLLOW_SECONDS)

    def _follow(self, group: asyncio.TaskGroup) -> None:
        wanted = set(self._namespaces())
        for namespace in self._events.keys() - wanted:
            for task in self._events.pop(namespace):
                task.cancel()
        for namespace in sorted(wanted - self._events.keys()):
            self._events[namespace] = [
                group.create_task(self._watch_events(collection.pod_events(namespace, reason))) for reason in REASONS
            ]

    async def _watch_events(self, what: Collection) -> None:
        stream = Stream()
        stream.subscribe(lambda event: self.pulls.saw(event, self._clock.now()))
        await self._watch("Events", what, stream, trim.event, Tail)

    async def _watch_nodes(self, watched: Callable[[], Store]) -> None:
        await self._readable("nodes", collection.nodes())
        self._use(watched())
        self._stores[collection.nodes()] = "nodes", self._nodes

    def _use(self, nodes: Store) -> None:
        self._nodes = nodes
        for node in nodes:
            self._node_changed(node)
        nodes.subscribe(self._node_changed)

    async def _watch(
        self,
        name: str,
        what: Collection,
        store: Store,
        kept: Callable[[Object], Object],
        kind: type[Reflector] = Reflector,
    ) -> None:
        try:
            await self._readable(name, what)
            self._stores[what] = name, store
            await kind(self._kube, what, store, clock=self._clock, rng=self._rng, trim=kept).run()
        finally:
            self._missing.pop(what, None)
            self._stores.pop(what, None)

    async def _readable(self, name: str, what: Collection) -> None:
        """Wait until something may be read."""
        while True:
            try:
                await self._kube.get(what.path, what.selector | {"limit": "1"})
            except KubeError as error:
                self._miss(name, what, str(error))
                await self._clock.sleep(AWAY_SECONDS if isinstance(error, Unavailable) else AGAIN_SECONDS)
            else:
                self._missing.pop(what, None)
                return

    def _miss(self, name: str, what: Collection, why: str) -> None:
        if what.path not in self._logged:
            self._logged.add(what.path)
            instead = "what only they show of a cold start is taken from spec.coldStart or the profile"
            log = _log.debug if name == OPTIONAL else _log.info
            log("starts.not_seen", what=name, why=why, instead=instead)
        self._missing[what] = name

    def _claim_changed(self, claim: Object) -> None:
        refused, node = False, str((claim.get("status") or {}).get("nodeName") or "")
        is_gone = self._claims.get(*Key("", key(claim).name)) is None
        if is_gone:
            refused = self._seen.lost_claim(claim, self._clock.now())
        else:
            self._seen.saw_claim(claim)
        if node and deleting(claim) and not is_gone:
            self._going.add(node)
        else:
            self._going.discard(node)
        for listener in self._claim_listeners:
            listener(claim, refused)

    def _node_changed(self, node: Object) -> None:
        if self._nodes.get(*Key("", key(node).name)) is None:
            self._seen.lost_node(node)
        else:
            self._seen.saw_node(node, self._clock.now())
