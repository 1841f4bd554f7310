"""Brings images and weights to nodes ahead of replicas, by the fetch actuator, and says whether that works for a policy here."""

from autoscaler.actuators.fetching import Fetches, FetchSettings, Wish
from autoscaler.actuators.landing import Placement
from autoscaler.actuators.wishes import (
    NODES_UNKNOWN,
    PRE_PULL,
    WEIGHTS,
    abilities,
    asked,
    fetches,
    image_obstacle,
    prefetch_obstacle,
    sentence,
    wish,
)
from autoscaler.clock import Clock
from autoscaler.control.changes import log_change, sweep
from autoscaler.control.fetch_measures import FetchMeasures
from autoscaler.control.model_caches import ModelCaches
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.kube import collection
from autoscaler.kube.client import Kube
from autoscaler.kube.errors import KubeError
from autoscaler.kube.objects import Object, key
from autoscaler.reporting.events import EventReason, Events
from crds.workload import WeightsMethod, Workload
from policies.fetches import Ability, probability_needed
from policies.ladder import lead_seconds
from policies.level import VOLATILITY_PRIOR
from policies.supply import Rung, StageName

NAMESPACE_SECONDS = 60.0  # how old what Pod Security lets a namespace do may be

_NO_TEMPLATE = "the target's pod template has not been read"


class Fetcher:
    """One turn for one policy after each decision."""

    def __init__(
        self,
        actuator: Fetches,
        kube: Kube,
        settings: FetchSettings,
        events: Events,
        clock: Clock,
        caches: ModelCaches,
    ) -> None:
        self._actuator = actuator
        self._kube = kube
        self._settings = settings
        self._events = events
        self._clock = clock
        self._namespaces: dict[str, tuple[float, Object | None]] = {}
        self._caches = caches
        self._measures = FetchMeasures()

    async def run(self, runtime: PolicyRuntime) -> None:
        """Bring one policy's images and weights to its nodes, and offer its runtime what works."""
        workload, template, now_seconds = runtime.workload, runtime.template, self._clock.now()
        obstacles = await self._weights_obstacle(runtime, now_seconds)
        wanted: Wish | None = None
        if fetches(workload) and template is None:
            obstacles = dict.fromkeys(asked(workload), runtime.template_problem or _NO_TEMPLATE)
        elif fetches(workload) and template is not None:
            probability = self._probability(runtime, now_seconds)
            try:
                wanted = wish(workload, template, probability, self._settings, weights=WEIGHTS not in obstacles)
            except ValueError as error:
                obstacles = dict.fromkeys(asked(workload), str(error))
        known = wanted is not None or not fetches(workload)
        change = await self._actuator.ensure(workload, wanted, now_seconds, runtime.refused, known=known)
        obstacles = self._standing(workload, wanted, now_seconds) | obstacles
        nodes = self._actuator.nodes(wanted.placement, now_seconds) if wanted is not None else ()
        seen = self._actuator.seen(workload) if wanted is not None else ()
        if fetches(workload):
            self._measures.measure(runtime, seen, self._actuator.bytes_by_what(workload), now_seconds)
        else:
            self._measures.forget(runtime)
        found: tuple[Ability, ...] = tuple(
            abilities(workload, wanted, seen, obstacles, None if nodes is None else len(nodes))
        )
        news = runtime.offer_abilities(found, change.problem)
        log_change("fetches", runtime.key, change, news=news)
        if news:
            await self._events.emit(workload, EventReason.FETCH_FAILED, problem=sentence(change.problem))

    async def sweep(self) -> None:
        """Delete fetches that no policy stands behind, until cancelled."""
        await sweep("fetches", self._actuator, self._clock)

    def _standing(self, workload: Workload, wanted: Wish | None, now_seconds: float) -> dict[str, str]:
        """What does not come to new nodes, and why."""
        contents = [each for found in (wanted.contents.values() if wanted else ()) for each in found]
        names = {StageName.IMAGE: PRE_PULL, StageName.WEIGHTS: WEIGHTS}
        causes = {names[each.stage]: self._actuator.obstacle(workload, each.what, now_seconds) for each in contents}
        return {name: cause for name, cause in causes.items() if cause}

    @staticmethod
    def _probability(runtime: PolicyRuntime, now_seconds: float) -> float:
        filters, supply, plan = runtime.state.filters, runtime.supply(now_seconds), runtime.plan
        if supply is None or plan is None:
            return 1.0
        volatility = VOLATILITY_PRIOR if filters.volatility is None else filters.volatility
        lead = lead_seconds(runtime.workload.cold_start, Rung.REQUESTED)
        return probability_needed(filters.level, volatility, supply.placed, plan.desired_replicas, lead)

    async def _weights_obstacle(self, runtime: PolicyRuntime, now_seconds: float) -> dict[str, str]:
        workload, template = runtime.workload, runtime.template
        if workload.weights.method is WeightsMethod.PREFETCH and template is not None:
            namespace = await self._namespace(workload.namespace, now_seconds)
            why = prefetch_obstacle(workload, template, namespace, allowed=self._settings.prefetches)
            return {WEIGHTS: why} if why else {}
        if workload.weights.method is WeightsMethod.IMAGE and template is not None:
            why = image_obstacle(workload, template)
            return {WEIGHTS: why} if why else {}
        if workload.weights.method is WeightsMethod.LOCAL_MODEL_CACHE:
            await self._caches.look(workload.weights.cache, now_seconds)
            why = self._cache_obstacle(runtime, now_seconds)
            return {WEIGHTS: why} if why else {}
        return {}

    def _cache_obstacle(self, runtime: PolicyRuntime, now_seconds: float) -> str:
        if runtime.template is None:
            return runtime.template_problem or _NO_TEMPLATE
        try:
            nodes = self._actuator.nodes(Placement.of(runtime.template), now_seconds)
        except ValueError as error:
            return str(error)
        if nodes is None:
            return NODES_UNKNOWN
        return self._caches.obstacle(runtime.workload.weights.cache, [key(each).name for each in nodes])

    async def _namespace(self, name: str, now_seconds: float) -> Object | None:
        """The namespace itself; None where it cannot be read. Its labels change seldom."""
        at_seconds, found = self._namespaces.get(name, (-NAMESPACE_SECONDS, None))
        if now_seconds - at_seconds >= NAMESPACE_SECONDS:
            try:
                found = await self._kube.get(collection.namespace(name))
            except KubeError:
                found = None
            self._namespaces[name] = now_seconds, found
        return found
