"""Follows the starts of one workload's replicas and balloons: which have ended, what each teaches, how long the next one takes.

The live controller feeds it what the Kubernetes API shows, and a replay what its view does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from policies.fold import observations, on_new_node, start
from policies.following import Following
from policies.keys import Kept, What, another_version, compiled, keys
from policies.ledger import Key, Ledger, Observation, failure_rate, observe
from policies.resolve import cold_start, priors
from policies.seen import UNKNOWN, Cluster, ImageSeen, Place, PodSeen
from policies.starts import Part, Start
from policies.supply import ColdStart
from policies.weights import Came, Way

TOGETHER_SECONDS = 10.0  # pods of one step are created within it
FAILING = (Part.NODE, Part.IMAGE, Part.WARMUP)  # where a start is seen to fail
_BALLOON_PARTS = (Part.REACTION, Part.NODE, Part.GPU, Part.IMAGE)  # a balloon serves nothing


@dataclass(frozen=True, slots=True)
class Ended:
    """A start that is over."""

    pod: PodSeen
    start: Start
    came: Came  # its weights
    is_balloon: bool = False


def by_itself(pod: PodSeen) -> Came:
    """How a pod's weights came where nothing brings them."""
    return Came(Way.ENGINE if pod.weights is None else Way.INIT)


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a start teaches."""

    what: What
    observations: tuple[Observation, ...]


class Learner:
    """One workload's starts. `model` is namespace/name of its policy."""

    def __init__(self, model: str, cluster: Cluster) -> None:
        self._model = model
        self._cluster = cluster
        self._replicas = Following()
        self._balloons = Following()
        self._place = UNKNOWN  # of the node on which its last replica started
        self.own_way = Way.ENGINE  # how its last replica got weights that nothing brought
        self._listed: Sequence[PodSeen] = ()  # replicas at the last look
        self._present: set[str] = set()  # uids of pods whose node listed the image before they started
        self._queued: set[str] = set()  # uids of pods that waited for a node behind an older one

    def look(
        self,
        replicas: Sequence[PodSeen],
        balloons: Sequence[PodSeen],
        image: str,
        now_seconds: float,
        weights: Callable[[PodSeen], Came] = by_itself,
    ) -> tuple[Ended, ...]:
        """Take the pods as they are now. Gives the starts that have ended since the last look, balloons first.

        `weights` gives how a replica's came.
        """
        self._look_at_queue([*replicas, *balloons])
        ended = [
            Ended(pod, self._start(pod, image, now_seconds, Came()), Came(), is_balloon=True)
            for pod in self._balloons.look(balloons, now_seconds)
        ]
        self._look_for_images(replicas, image)
        for pod in self._replicas.look(replicas, now_seconds):
            came = weights(pod)
            ended.append(Ended(pod, self._start(pod, image, now_seconds, came), came))
        self._listed = replicas
        return tuple(ended)

    def lesson(self, of: Ended, image: str, now_seconds: float, cache: Kept = Kept.NOWHERE) -> Lesson:
        """What a start teaches. Ask for each, in order: the next replica is expected on the kind of node of the last.

        `image` is that of the template now: a pod that was created before a change of it teaches by its own.
        """
        pull = self._cluster.pull_of(of.pod)
        if pull is not None and another_version(pull.message.image, image):
            image = pull.message.image
        if of.is_balloon:
            what = What(self._model, image, self._placed(of.pod, UNKNOWN))
            taught = observations(of.start, of.pod, keys(what), now_seconds)
            return Lesson(what, tuple([each for each in taught if each.part in _BALLOON_PARTS]))
        self._place = self._placed(of.pod, self._place)
        if of.start.serving_seconds is not None:
            self.own_way = of.came.way if of.came.way in (Way.ENGINE, Way.INIT) else self.own_way
        what = self._what(image, of.came, cache)
        return Lesson(what, observations(of.start, of.pod, _keys(what, of.start), now_seconds))

    def cold_start(
        self, ledger: Ledger, image: str, given: ColdStart, came: Came, cache: Kept = Kept.NOWHERE
    ) -> ColdStart:
        """How the next replica starts, as far as a ledger knows; `came` is how its weights will have come."""
        return cold_start(ledger, self._next(image, came, cache), given)

    def failure_rates(self, ledger: Ledger, image: str, came: Came, cache: Kept = Kept.NOWHERE) -> Mapping[Part, float]:
        """The probability, from 0 to 1, that the next replica fails at its node, its image or its warm-up."""
        found = keys(self._next(image, came, cache))
        return {part: failure_rate(ledger, part, found.get(part, ())) for part in FAILING}

    def _next(self, image: str, came: Came, cache: Kept) -> What:
        """What is started next, on the kind of node of the last replica."""
        for pod in self._listed:
            if self._place == UNKNOWN:  # no replica has started since this one began to look
                self._place = self._placed(pod, UNKNOWN)
        return self._what(image, came, cache)

    def _what(self, image: str, came: Came, cache: Kept) -> What:
        return What(self._model, image, self._place, came.way, came.name, cache)

    def _placed(self, pod: PodSeen, otherwise: Place) -> Place:
        node = self._cluster.node(pod.node) if pod.node else None
        return otherwise if node is None else node.place

    def _look_for_images(self, replicas: Sequence[PodSeen], image: str) -> None:
        """Keep which pods found their image on the node: once they run it is on every node."""
        waiting = {pod.uid: pod.node for pod in replicas if not pod.has_address}
        self._present &= waiting.keys()
        self._present |= {who for who, node in waiting.items() if node and self._cluster.lists_image(node, image)}

    def _look_at_queue(self, pods: Sequence[PodSeen]) -> None:
        """Keep which pods may get a node that was requested for an older one, such as a balloon."""
        waiting = {pod.uid: pod.created_seconds or 0.0 for pod in pods if not pod.node}
        oldest = min(waiting.values(), default=0.0)
        self._queued &= {pod.uid for pod in pods}
        self._queued |= {who for who, since in waiting.items() if since > oldest + TOGETHER_SECONDS}

    def _start(self, pod: PodSeen, image: str, now_seconds: float, came: Came) -> Start:
        seen = ImageSeen(
            self._cluster.pull_of(pod),
            self._cluster.pull_on(pod.namespace, pod.node, image),
            pod.uid in self._present,
        )
        node = self._cluster.node(pod.node) if pod.node else None
        return start(pod, node, seen, now_seconds, weights=came.span, queued=pod.uid in self._queued)


def learn(ledger: Ledger, lesson: Lesson, given: ColdStart) -> Ledger:
    """The ledger with what a start teaches of the stages that its workload has."""
    prior = priors(lesson.what, given)
    for each in lesson.observations:
        if each.part in prior:
            ledger = observe(ledger, each, prior[each.part])
    return ledger


def _keys(what: What, of: Start) -> dict[Part, Key]:
    """The keys of a start. Where each node keeps a compile cache, a warm-up on a new one has missed it."""
    found = keys(what)
    if what.compile_cache is Kept.NODE and Part.WARMUP in found and on_new_node(of):
        found[Part.WARMUP] = compiled(found[Part.WARMUP], "miss")
    return found
