"""KServe's LocalModelCaches: which nodes have the weights of one, and when they came to each: its status has no times."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from autoscaler.actuators.wishes import cache_obstacle
from autoscaler.kube import collection
from autoscaler.kube.client import Kube
from autoscaler.kube.errors import KubeError
from autoscaler.kube.objects import Object

LOOK_SECONDS = 60.0  # between looks at one
UNDER_WAY_SECONDS = 15.0  # the same, while a node downloads: the end is seen late by as much
DOWNLOADED = "NodeDownloaded"


@dataclass(frozen=True, slots=True)
class Copy:
    """The weights on one node. Unix seconds; a copy takes at most as long as from one to the other."""

    begin_seconds: float | None  # the last look at which the node was not listed; None: it was at the first
    end_seconds: float | None = None  # the first look at which it had them


@dataclass(slots=True)
class _Cache:
    problem: str = ""  # why it cannot be read
    due_seconds: float = 0.0
    looked_seconds: float | None = None
    copies: Mapping[str, Copy] = field(default_factory=dict)  # by node


class ModelCaches:
    """Those that policies name, by name."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._caches: dict[str, _Cache] = {}

    async def look(self, name: str, now_seconds: float) -> None:
        """Read a cache where that is due."""
        cache = self._caches.setdefault(name, _Cache())
        if now_seconds < cache.due_seconds:
            return
        try:
            self._take(cache, await self._kube.get(collection.local_model_cache(name)), now_seconds)
        except KubeError as error:
            cache.problem = f"the LocalModelCache {name} cannot be read: {error}"
        under_way = any(copy.end_seconds is None for copy in cache.copies.values())
        cache.due_seconds = now_seconds + (UNDER_WAY_SECONDS if under_way else LOOK_SECONDS)

    def obstacle(self, name: str, nodes: Sequence[str]) -> str:
        """Why a cache cannot be counted on, as last looked at; empty where all these nodes have its weights."""
        cache = self._caches.get(name, _Cache())
        having = {node for node, copy in cache.copies.items() if copy.end_seconds is not None}
        return cache.problem or cache_obstacle(name, nodes, having)

    def on(self, name: str, node: str) -> Copy | None:
        """What was seen of a cache's weights on a node; None if nothing was."""
        cache = self._caches.get(name)
        return None if cache is None else cache.copies.get(node)

    @staticmethod
    def _take(cache: _Cache, found: Object, now_seconds: float) -> None:
        cache.problem = ""
        copies = dict[str, Copy]()
        for node, state in ((found.get("status") or {}).get("nodeStatus") or {}).items():
            copy = cache.copies.get(node, Copy(cache.looked_seconds))
            if state != DOWNLOADED:
                copies[node] = Copy(copy.begin_seconds if copy.end_seconds is None else now_seconds)
            else:
                copies[node] = copy if copy.end_seconds is not None else Copy(copy.begin_seconds, now_seconds)
        cache.copies, cache.looked_seconds = copies, now_seconds
