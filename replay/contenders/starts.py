"""Starts of replicas as the Kubernetes API would show them of a simulated cluster: pods, nodes, and the kubelets' Events.

As there, times are whole seconds, durations of pulls whole milliseconds, and the time of a node's first GPU is that of its watch.
"""

from policies.learner import Learner, learn
from policies.ledger import Ledger
from policies.seen import NodeSeen, Place, PodSeen, Pull, PullMessage, PullState
from policies.supply import ColdStart, StageName
from policies.weights import Came, Way
from replay.contenders.view import View
from replay.sim.views import BalloonView, NodeView, PodView

NAMESPACE, IMAGE = "simulated", "engine"  # they only have to be the same for all
PLACE = Place(instance_type="simulated")


class Starts:
    """What one workload's starts have taught. Have it look once a grid step, as the live controller does."""

    def __init__(self, view: View, given: ColdStart) -> None:
        self.cold_start = given
        self._view = view
        self._given = given
        self._learner = Learner(f"{NAMESPACE}/llm", self)
        self._ledger = Ledger()
        self._weights = Came(Way.PREFETCH if StageName.WEIGHTS in given.ahead else Way.ENGINE)  # of every replica
        self._nodes: dict[str, NodeView] = {}
        self._pulls: dict[str, Pull] = {}  # by a pod's uid
        self._pulled: dict[str, Pull] = {}  # by node: the last real pull

    def look(self, now_seconds: float) -> None:
        """Take up the starts that have ended."""
        self._nodes = {node.name: node for node in self._view.nodes() if node.registered_seconds is not None}
        self._pulled = {name: pull for name, pull in self._pulled.items() if name in self._nodes}
        self._pulls = {}
        replicas = [self._replica(pod) for pod in self._view.pods()]
        balloons = [self._balloon(balloon) for balloon in self._view.balloons() if balloon.ended is None]
        for ended in self._learner.look(replicas, balloons, IMAGE, now_seconds, lambda _: self._weights):
            lesson = self._learner.lesson(ended, IMAGE, now_seconds)
            self._ledger = learn(self._ledger, lesson, self._given)
        self.cold_start = self._learner.cold_start(self._ledger, IMAGE, self._given, self._weights)

    def node(self, name: str) -> NodeSeen | None:
        """A node; None once it is gone."""
        found = self._nodes.get(name)
        if found is None or found.registered_seconds is None:
            return None
        return NodeSeen(name, PLACE, _whole(found.registered_seconds), found.ready_seconds)

    def lists_image(self, node: str, image: str) -> bool:
        """Whether a node says that it has the image."""
        return image == IMAGE and node in self._nodes and self._nodes[node].has_image

    def pull_of(self, pod: PodSeen) -> Pull | None:
        """What was last reported of a pod's image."""
        return self._pulls.get(pod.uid)

    def pull_on(self, namespace: str, node: str, image: str) -> Pull | None:
        """The last pull of the image onto a node."""
        return self._pulled.get(node) if (namespace, image) == (NAMESPACE, IMAGE) else None

    def _replica(self, pod: PodView) -> PodSeen:
        gone = pod.deleted_seconds is not None
        return self._pod(pod, pod.image_ready_seconds, pod.ready_seconds, gone=gone)

    def _balloon(self, balloon: BalloonView) -> PodSeen:
        return self._pod(balloon, balloon.running_seconds, balloon.running_seconds, gone=False)

    def _pod(
        self, of: PodView | BalloonView, image_seconds: float | None, ready_seconds: float | None, *, gone: bool
    ) -> PodSeen:
        uid, scheduled_seconds = f"{of.name} of {of.created_seconds!r}", of.scheduled_seconds
        if scheduled_seconds is not None:
            pull = self._pulls[uid] = _pull(scheduled_seconds, image_seconds)
            if pull.message.state is PullState.PULLED and of.node is not None:
                self._pulled[of.node] = pull
        return PodSeen(
            NAMESPACE,
            of.name,
            uid,
            of.node or "",
            "",
            created_seconds=_whole(of.created_seconds),
            scheduled_seconds=_whole(scheduled_seconds),
            sandbox_seconds=_whole(scheduled_seconds),
            started_seconds=_whole(image_seconds),
            ready_seconds=_whole(ready_seconds),
            has_address=scheduled_seconds is not None,
            gone=gone,
        )


def _pull(scheduled_seconds: float, image_seconds: float | None) -> Pull:
    if image_seconds is None:
        return Pull(PullMessage(IMAGE, PullState.PULLING), float(int(scheduled_seconds)))
    if image_seconds <= scheduled_seconds:
        return Pull(PullMessage(IMAGE, PullState.PRESENT), float(int(scheduled_seconds)))
    took_seconds = int((image_seconds - scheduled_seconds) * 1000 + 1e-6) / 1000
    return Pull(PullMessage(IMAGE, PullState.PULLED, took_seconds, took_seconds), float(int(image_seconds)))


def _whole(at_seconds: float | None) -> float | None:
    return None if at_seconds is None else float(int(at_seconds))
