"""Follows the starts of each policy's replicas: measures them, learns from them, and offers the cold start that is known now.

Not here: how a start is put together and what it teaches (`policies.learner`), and how durations are learned (`policies.ledger`).
"""

from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import structlog

from autoscaler.clock import Clock
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.control.stage_reader import StageReader
from autoscaler.control.ways import Ways
from autoscaler.kube.client import Kube
from autoscaler.kube.errors import KubeError
from autoscaler.kube.objects import labels
from autoscaler.kube.ours import BALLOON_PODS, POLICY, policy_label
from autoscaler.kube.watches import Watches
from autoscaler.records.writer import Recorder
from autoscaler.reporting.events import EventReason, Events
from autoscaler.starts.engine_log import MOST_BYTES, warmup_parts
from autoscaler.starts.pods import engine, seen
from autoscaler.starts.watches import StartWatches
from autoscaler.telemetry import metrics
from autoscaler.telemetry.traces import Traces
from crds.compile_cache import kept
from policies.cold_start_text import measured
from policies.explain import duration
from policies.fold import in_parts
from policies.keys import Kept, What, node_key
from policies.ladder import lead_quantile_seconds
from policies.learner import Ended, Learner, Lesson, learn
from policies.ledger import Ledger, Observation, Outcome, learned, usual
from policies.resolve import priors
from policies.seen import PodSeen
from policies.starts import Part, Start, hidden_seconds
from policies.supply import ColdStart

NEWS = 0.1  # of the median of a whole start: what moves less is not worth an Event
_WHOLE = "measuring warm-ups as a whole"

_log = structlog.get_logger(__name__)


@dataclass
class _Policy:
    """What is kept of one policy."""

    learner: Learner
    named: ColdStart | None = None  # the cold start of the last Event


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
        stages: StageReader | None = None,
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
        self._stages = stages  # what engines said of their stages; None: they are not asked
        self._unread: set[str] = set()  # namespaces whose logs could not be read, which was logged
        self.ledger = ledger

    async def run(self, runtime: PolicyRuntime) -> None:
        """Take up the starts of one policy that have ended."""
        now_seconds, pods = self._clock.now(), self._watches.pods(runtime.workload.namespace)
        if runtime.selector is None or not pods.current(now_seconds):
            return
        policy = self._policies.setdefault(runtime, _Policy(Learner(runtime.key, self._seen)))
        self._learn_of_refused(runtime)
        container, image = engine(runtime.template)
        label = policy_label(runtime.workload.name)
        balloons = [seen(pod, "") for pod in pods.matching(BALLOON_PODS) if labels(pod).get(POLICY) == label]
        for each in policy.learner.look(
            runtime.replicas(container), balloons, image, now_seconds, lambda pod: self._ways.of(runtime, pod)
        ):
            await self._ended(runtime, policy.learner, each, image, now_seconds)
        await self._offer(runtime, policy, image)

    async def _ended(
        self, runtime: PolicyRuntime, learner: Learner, ended: Ended, image: str, now_seconds: float
    ) -> None:
        """Record, measure and learn one start. Of a balloon's, only learn."""
        if not ended.is_balloon:
            ended = replace(ended, start=await self._measured(ended))
        lesson = learner.lesson(ended, image, now_seconds, _compile_cache(runtime))
        if not ended.is_balloon:
            self._recorder.start(runtime.key, ended.start, now_seconds, runtime.workload.cold_start)
            if self._traces is not None:
                self._traces.start(runtime.key, ended.start, lesson.what.image, now_seconds)
            for each in lesson.observations:
                await self._report_unusual(runtime, lesson.what, ended.pod, each)
        self._learn(runtime, lesson)

    async def _measured(self, ended: Ended) -> Start:
        """A replica's start, with the parts of its warm-up where its engine's log or its stages show them.

        The log wins: it has the engine's own times, and says whether the compile cache was hit.
        """
        found, pod = ended.start, ended.pod
        asked = () if self._stages is None else self._stages.parts(pod)
        if found.serving_seconds is None:
            return found
        logged = () if self._logs is None else warmup_parts(await self._log(self._logs, pod), pod)
        found = in_parts(found, logged or asked)
        for span in found.spans:
            metrics.STAGE_SECONDS.labels(stage=span.part.value, path=span.path).observe(span.seconds)
        metrics.HIDDEN_SECONDS.inc(hidden_seconds(found))
        return found

    async def _log(self, kube: Kube, pod: PodSeen) -> str:
        """The beginning of the engine's log; nothing where it cannot be read."""
        try:
            return await kube.log(pod.namespace, pod.name, pod.container, MOST_BYTES)
        except KubeError as error:
            if pod.namespace not in self._unread:
                self._unread.add(pod.namespace)
                _log.warning("starts.log_unread", namespace=pod.namespace, error=str(error), instead=_WHOLE)
            return ""

    def _learn_of_refused(self, runtime: PolicyRuntime) -> None:
        """Count machines that were not to be had as failures of the node, in the turn of whichever policy is first."""
        for where in self._seen.take_refused():
            _log.info("starts.no_capacity", pool=where.pool, instance_type=where.instance_type)
            if (node := node_key(where)) is not None:
                self._learn(runtime, Lesson(What(runtime.key), (Observation(Part.NODE, node, 0.0, Outcome.FAILED),)))

    def _learn(self, runtime: PolicyRuntime, lesson: Lesson) -> None:
        for each in lesson.observations:
            if each.outcome is Outcome.FAILED:
                metrics.STAGE_FAILURES.labels(stage=each.part.value).inc()
        self.ledger = learn(self.ledger, lesson, runtime.workload.cold_start)

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

    async def _offer(self, runtime: PolicyRuntime, policy: _Policy, image: str) -> None:
        """Offer the cold start of the next replica, and report it where it has become another one."""
        if not self._learns:
            return
        given, came = runtime.workload.cold_start, self._ways.expected(runtime, policy.learner.own_way)
        cache = _compile_cache(runtime)
        now = policy.learner.cold_start(self.ledger, image, given, came, cache)
        for part, rate in policy.learner.failure_rates(self.ledger, image, came, cache).items():
            metrics.FAILURE_RATIO.labels(policy=runtime.key, stage=part.value).set(rate)
        runtime.offer_cold_start(now, given, self._seen.missing(runtime.workload.namespace))
        if now == given or not _news(now, policy.named or given):
            return
        text = measured(now, given)
        if await self._events.emit(runtime.workload, EventReason.COLD_START_LEARNED, message=text):
            policy.named = now
            _log.info("starts.learned", policy=runtime.key, cold_start=text)


def _compile_cache(runtime: PolicyRuntime) -> Kept:
    try:
        return kept((runtime.template or {}).get("spec") or {})
    except (AttributeError, TypeError):  # what is wrong with a template is the API server's to say
        return Kept.NOWHERE


def _news(now: ColdStart, before: ColdStart) -> bool:
    """Whether the median of a whole start has moved."""
    took, takes = (lead_quantile_seconds(each, (), 0.0) for each in (before, now))
    return abs(takes - took) > NEWS * took
