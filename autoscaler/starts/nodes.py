"""When each node came, and its first allocatable GPU, which has no time of its own in the API."""

from autoscaler.kube.nodes import gpus, place
from autoscaler.kube.objects import Object, condition, created_seconds, key, seconds, uid
from policies.seen import NodeSeen

NEW_SECONDS = 5.0  # since a node registered: if it has its GPU by then, they came together


class Nodes:
    """When each node's GPU came, and which NodeClaim it is for: allocatable resources have no time of their own.

    Feed it every node and NodeClaim that is seen, changes or goes.
    """

    def __init__(self) -> None:
        self._without: set[str] = set()  # uids of nodes that were seen without a GPU
        self._gpu_seconds: dict[str, float] = {}  # by uid
        self._claims: dict[str, tuple[float | None, float | None]] = {}  # by the node's name: created, initialized

    def saw_node(self, node: Object, now_seconds: float) -> None:
        """Take a node as it is at `now_seconds`. Of an old one that had its GPU when it was first seen, the time is unknown."""
        who = uid(node)
        if not gpus((node.get("status") or {}).get("allocatable")):
            self._without.add(who)
        elif who not in self._gpu_seconds and (who in self._without or _is_new(node, now_seconds)):
            self._gpu_seconds[who] = now_seconds

    def saw_claim(self, claim: Object) -> None:
        """Take a NodeClaim. It is initialized once its GPU is there only if it asks for one."""
        name = (claim.get("status") or {}).get("nodeName")
        if not isinstance(name, str) or not name:
            return
        asks = gpus((((claim.get("spec") or {}).get("resources")) or {}).get("requests"))
        initialized = condition(claim, "Initialized") if asks else None
        initialized_seconds = None if initialized is None else seconds(initialized.get("lastTransitionTime"))
        self._claims[name] = created_seconds(claim), initialized_seconds

    def lost_node(self, node: Object) -> None:
        """A node is gone."""
        self._without.discard(uid(node))
        self._gpu_seconds.pop(uid(node), None)
        self._claims.pop(key(node).name, None)

    def seen(self, node: Object) -> NodeSeen:
        """What is known of a node."""
        claimed, initialized = self._claims.get(key(node).name, (None, None))
        came = self._gpu_seconds.get(uid(node), initialized)
        return NodeSeen(key(node).name, place(node), created_seconds(node), came, claimed)


def _is_new(node: Object, now_seconds: float) -> bool:
    created = created_seconds(node)
    return created is not None and now_seconds - created <= NEW_SECONDS
