"""Follows the starts of each policy's replicas: measures them, learns from them, and offers the cold start that is known now.

Not here: how a start is put together (`starts.fold`), and how durations are learned (`policies.ledger`).
"""

from collections.abc import Iterable, Sequence
from weakref import WeakKeyDictionary

import structlog

from autoscaler.clock import Clock
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.control.supply import serving
from autoscaler.control.ways import Came, Ways
from autoscaler.kube.client import Kube
from autoscaler.kube.errors import KubeError
from autoscaler.kube.nodes import UNKNOWN, Place, has_image, place
from autoscaler.kube.objects import Object, created_seconds, labels, uid
from autoscaler.kube.objects import node as node_name
from autoscaler.kube.ours import BALLOON_PODS, POLICY, policy_label
from autoscaler.kube.watches import Watches
from autoscaler.records.writer import Recorder
from autoscaler.reporting.events import EventReason, Events
from autoscaler.starts.engine_log import MOST_BYTES, warmup_parts
from autoscaler.starts.fold import ImageSeen, in_parts, observations, on_new_node, start
from autoscaler.starts.following import Following
from autoscaler.starts.keys import Way, What, compiled, keys, node_key
from autoscaler.starts.pods import PodSeen, engine
from autoscaler.starts.resolve import cold_start, priors
from autoscaler.starts.watches import StartWatches
from autoscaler.telemetry import metrics
from autoscaler.telemetry.traces import Traces
from crds.compile_cache import Kept, kept
from policies.cold_start_text import measured
from policies.explain import duration
from policies.ladder import lead_quantile_seconds
from policies.ledger import Key, Ledger, Observation, Outcome, learned, observe, usual
from policies.starts import Part, Start, hidden_seconds
from policies.supply import ColdStart

NEWS = 0.1  # of the median of a whole start: what moves less is not worth an Event
TOGETHER_SECONDS = 10.0  # pods of one step are created within it
_WHOLE = "measuring warm-ups as a whole"
_BALLOON_PARTS = (Part.REACTION, Part.NODE, Part.GPU, Part.IMAGE)  # a balloon serves nothing

_log = structlog.get_logger(__name__)


class _Policy:
    """What is kept of one policy."""

    def __init__(self) -> None:
        self.replicas = Following()
        self.balloons = Following()
        self.place = UNKNOWN  # of the node on which its last replica started
        self.own_way = Way.ENGINE  # how its last replica got weights that nothing brought
        self.present: set[str] = set()  # uids of pods whose node listed the image before they started
        self.queued: set[str] = set()  # uids of replicas that waited for a node behind an older pod
        self.named: ColdStart | None = None  # the cold start of the last Event


class StartObserver:
    """One for all policies, and one ledger."""

    def __init__(
        self,
        seen: StartWatches,
        watches: Watches,
        ways: Ways,
        recorder: Recorder,
        events: Events,
        clock: Clock,
        ledger: Ledger,
        logs: Kube | None = None,
        *,
        traces: Traces | None = None,
        learns: bool = True,
    ) -> None:
        self._seen = seen
        self._watches = watches
        self._ways = ways
        self._recorder = recorder
        self._events = events
        self._clock = clock
        self._policies: WeakKeyDictionary[PolicyRuntime, _Policy] = WeakKeyDictionary()
        self._learns = learns  # False: decisions keep the cold start that is given
        self._traces = traces
        self._logs = logs  # where engines' logs are read from; None: they are not
        self._unread: set[str] = set()  # namespaces whose logs could not be read, which was logged
        self.ledger = ledger

    async def run(self, runtime: PolicyRuntime) -> None:
        """Take up the starts of one policy that have ended."""
        now_seconds, pods = self._clock.now(), self._watches.pods(runtime.workload.namespace)
        if runtime.selector is None or not pods.current(now_seconds):
            return
        policy = self._policies.setdefault(runtime, _Policy())
        self._learn_of_refused(runtime)
        container, image = engine(runtime.template)
        replicas = list(serving(pods.matching(runtime.selector), runtime.workload.endpoint.pod_labels))
        label = policy_label(runtime.workload.name)
        balloons = [pod for pod in pods.matching(BALLOON_PODS) if labels(pod).get(POLICY) == label]
        self._look_at_queue(policy, [*replicas, *balloons])
        for pod in policy.balloons.look(balloons, "", now_seconds):
            what = What(runtime.key, image, self._place(pod, UNKNOWN))
            found = self._start(policy, pod, image, now_seconds, Came())
            taught = observations(found, pod, keys(what), now_seconds)
            self._learn(runtime, what, [each for each in taught if each.part in _BALLOON_PARTS])
        self._look_for_images(policy, replicas, image)
        for pod in policy.replicas.look(replicas, container, now_seconds):
            await self._ended(runtime, policy, pod, image, now_seconds)
        await self._offer(runtime, policy, replicas, image)

    async def _ended(
        self, runtime: PolicyRuntime, policy: _Policy, pod: PodSeen, image: str, now_seconds: float
    ) -> None:
        """Record, measure and learn one start."""
        came = self._ways.of(runtime, pod)
        found = self._start(policy, pod, image, now_seconds, came)
        policy.place = self._place(pod, policy.place)
        if self._logs is not None and found.serving_seconds is not None:
            found = in_parts(found, warmup_parts(await self._log(self._logs, pod), pod))
        if found.serving_seconds is not None:
            policy.own_way = came.way if came.way in (Way.ENGINE, Way.INIT) else policy.own_way
            for span in found.spans:
                metrics.STAGE_SECONDS.labels(stage=span.part.value, path=span.path).observe(span.seconds)
            metrics.HIDDEN_SECONDS.inc(hidden_seconds(found))
        self._recorder.start(runtime.key, found, now_seconds, runtime.workload.cold_start)
        if self._traces is not None:
            self._traces.start(runtime.key, found, image, now_seconds)
        what = self._what(runtime, policy, image, came)
        taught = observations(found, pod, _keys(what, found), now_seconds)
        for each in taught:
            await self._report_unusual(runtime, what, pod, each)
        self._learn(runtime, what, taught)

    async def _log(self, kube: Kube, pod: PodSeen) -> str:
        """The beginning of the engine's log; nothing where it cannot be read."""
        try:
            return await kube.log(pod.namespace, pod.name, pod.container, MOST_BYTES)
        except KubeError as error:
            if pod.namespace not in self._unread:
                self._unread.add(pod.namespace)
                _log.warning("starts.log_unread", namespace=pod.namespace, error=str(error), instead=_WHOLE)
            return ""

    def _look_for_images(self, policy: _Policy, replicas: Iterable[Object], image: str) -> None:
        """Keep which pods found their image on the node: once they run it is on every node."""
        waiting = {uid(pod): pod for pod in replicas if not (pod.get("status") or {}).get("podIP")}
        policy.present &= waiting.keys()
        for who, pod in waiting.items():
            node = self._seen.raw_node(node_name(pod))
            if node is not None and has_image(node, image):
                policy.present.add(who)

    @staticmethod
    def _look_at_queue(policy: _Policy, pods: Sequence[Object]) -> None:
        """Keep which pods may get a node that was requested for an older one, such as a balloon."""
        created = {uid(pod): created_seconds(pod) or 0.0 for pod in pods}
        waiting = {uid(pod): created[uid(pod)] for pod in pods if not node_name(pod)}
        oldest = min(waiting.values(), default=0.0)
        policy.queued &= created.keys()
        policy.queued |= {who for who, since in waiting.items() if since > oldest + TOGETHER_SECONDS}

    @staticmethod
    def _what(runtime: PolicyRuntime, policy: _Policy, image: str, came: Came) -> What:
        try:
            cache = kept((runtime.template or {}).get("spec") or {})
        except (AttributeError, TypeError):  # what is wrong with a template is the API server's to say
            cache = Kept.NOWHERE
        return What(runtime.key, image, policy.place, came.way, came.name, cache)

    def _start(self, policy: _Policy, pod: PodSeen, image: str, now_seconds: float, came: Came) -> Start:
        pulls = self._seen.pulls
        seen = ImageSeen(
            pulls.of(pod.namespace, pod.uid, pod.container),
            pulls.on(pod.namespace, pod.node, image),
            pod.uid in policy.present,
        )
        node = self._seen.node(pod.node) if pod.node else None
        return start(pod, node, seen, now_seconds, weights=came.span, queued=pod.uid in policy.queued)

    def _place(self, pod: PodSeen, otherwise: Place) -> Place:
        node = self._seen.raw_node(pod.node) if pod.node else None
        return otherwise if node is None else place(node)

    def _learn_of_refused(self, runtime: PolicyRuntime) -> None:
        """Count machines that were not to be had as failures of the node, in the turn of whichever policy is first."""
        for where in self._seen.take_refused():
            _log.info("starts.no_capacity", pool=where.pool, instance_type=where.instance_type)
            if (node := node_key(where)) is not None:
                self._learn(runtime, What(runtime.key), [Observation(Part.NODE, node, 0.0, Outcome.FAILED)])

    def _learn(self, runtime: PolicyRuntime, what: What, taught: Iterable[Observation]) -> None:
        prior = priors(what, runtime.workload.cold_start)
        for each in taught:
            if each.outcome is Outcome.FAILED:
                metrics.STAGE_FAILURES.labels(stage=each.part.value).inc()
            if each.part in prior:
                self.ledger = observe(self.ledger, each, prior[each.part])

    async def _report_unusual(self, runtime: PolicyRuntime, what: What, pod: PodSeen, each: Observation) -> None:
        prior = priors(what, runtime.workload.cold_start).get(each.part)
        if prior is None or each.outcome is not Outcome.DONE:
            return
        if usual(self.ledger, each.part, each.key, prior, each.seconds):
            return
        stage = learned(self.ledger, each.part, each.key, prior)
        reason = EventReason.STAGE_SLOW if each.seconds > stage.p50_seconds else EventReason.STAGE_FAST
        values = {
            "pod": pod.name,
            "stage": each.part.value,
            "took": duration(each.seconds),
            "p50": duration(stage.p50_seconds),
            "p95": duration(stage.p95_seconds),
        }
        await self._events.emit(runtime.workload, reason, **values)

    async def _offer(self, runtime: PolicyRuntime, policy: _Policy, replicas: Iterable[Object], image: str) -> None:
        """Offer the cold start of the next replica, and report it where it has become another one."""
        for pod in replicas:
            if policy.place == UNKNOWN and (node := self._seen.raw_node(node_name(pod))) is not None:
                policy.place = place(node)  # nothing has started yet since the controller did
        if not self._learns:
            return
        given = runtime.workload.cold_start
        what = self._what(runtime, policy, image, self._ways.expected(runtime, policy.own_way))
        now = cold_start(self.ledger, what, given)
        runtime.offer_cold_start(now, given, self._seen.missing(runtime.workload.namespace))
        if now == given or not _news(now, policy.named or given):
            return
        text = measured(now, given)
        if await self._events.emit(runtime.workload, EventReason.COLD_START_LEARNED, message=text):
            policy.named = now
            _log.info("starts.learned", policy=runtime.key, cold_start=text)


def _keys(what: What, of: Start) -> dict[Part, Key]:
    """The keys of a start. Where each node keeps a compile cache, a warm-up on a new one has missed it."""
    found = keys(what)
    if what.compile_cache is Kept.NODE and Part.WARMUP in found and on_new_node(of):
        found[Part.WARMUP] = compiled(found[Part.WARMUP], "miss")
    return found


def _news(now: ColdStart, before: ColdStart) -> bool:
    """Whether the median of a whole start has moved."""
    took, takes = (lead_quantile_seconds(each, (), 0.0) for each in (before, now))
    return abs(takes - took) > NEWS * took
