"""When each node came, and its first allocatable GPU, which has no time of its own in the API."""

from autoscaler.kube.nodes import gpus, place
from autoscaler.kube.objects import Object, condition, created_seconds, key, seconds, uid
from policies.seen import NodeSeen, Place

LAUNCH_SECONDS = (
    330.0  # Karpenter gives up a machine that is not launched in 5 min, and at once one that is not to be had
)
MOST_REFUSED = 256  # kept until they are taken
NEW_SECONDS = 5.0  # since a node registered: if it has its GPU by then, they came together


class Nodes:
    """When each node's GPU came, and which NodeClaim it is for: allocatable resources have no time of their own.

    Feed it every node and NodeClaim that is seen, changes or goes.
    """

    def __init__(self) -> None:
        self._without: set[str] = set()  # uids of nodes that were seen without a GPU
        self._gpu_seconds: dict[str, float] = {}  # by uid
        self._claims: dict[str, tuple[float | None, float | None]] = {}  # by the node's name: created, initialized
        self._launching: set[str] = set()  # uids of NodeClaims without a machine
        self._refused: list[Place] = []

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
        asks = gpus((((claim.get("spec") or {}).get("resources")) or {}).get("requests"))
        if name or condition(claim, "Launched") or not asks:
            self._launching.discard(uid(claim))
        else:
            self._launching.add(uid(claim))
        if not isinstance(name, str) or not name:
            return
        initialized = condition(claim, "Initialized") if asks else None
        initialized_seconds = None if initialized is None else seconds(initialized.get("lastTransitionTime"))
        self._claims[name] = created_seconds(claim), initialized_seconds

    def lost_claim(self, claim: Object, now_seconds: float) -> bool:
        """A NodeClaim is gone. Karpenter deletes one for which the cloud has no capacity, and others after their nodes.

        Gives whether there was no capacity.
        """
        self._claims.pop((claim.get("status") or {}).get("nodeName") or "", None)
        if uid(claim) not in self._launching:
            return False
        self._launching.discard(uid(claim))
        created = created_seconds(claim)
        refused = created is not None and now_seconds - created <= LAUNCH_SECONDS
        if refused:
            self._refused = [*self._refused[1 - MOST_REFUSED :], place(claim)]
        return refused

    def take_refused(self) -> list[Place]:
        """What the machines would have been that were not to be had since this was last asked."""
        found, self._refused = self._refused, []
        return found

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
