"""Makes what the pools of the cluster need, and joins it: what is watched for them, their registry, and who grants.

Not here: what runs without pools, and the order in which all of it starts (`app`).
"""

import random
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from autoscaler.actuators.fetching import Fetches
from autoscaler.actuators.manifest import NAMESPACE
from autoscaler.actuators.standby.buffer import CapacityBuffers
from autoscaler.actuators.standby.jobs import StandbyJobs
from autoscaler.actuators.standby.manifest import LEAVING_TAINTS, HoldSettings
from autoscaler.actuators.standby.methods import Standby
from autoscaler.actuators.standby.watches import StandbyWatches
from autoscaler.clock import Clock
from autoscaler.control.changes import sweep
from autoscaler.control.granting import Granting
from autoscaler.control.pool_inputs import Sources
from autoscaler.control.pool_nodes import selector
from autoscaler.control.pool_runner import OtherPods, StandbyKeeper
from autoscaler.control.pools import PoolRegistry
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.kube.client import Kube
from autoscaler.kube.nodes import has_image
from autoscaler.kube.objects import Key, Object, key, labels
from autoscaler.kube.store import Store
from autoscaler.kube.watches import Watches
from autoscaler.records.store import Loaded
from autoscaler.records.writer import Recorder
from autoscaler.reporting.events import Events
from autoscaler.reporting.pool_reporter import PoolReporter
from autoscaler.settings import Settings
from autoscaler.starts.pods import engine
from autoscaler.starts.shortages import Shortages
from autoscaler.starts.watches import StartWatches
from crds.pool import GpuPool
from policies.ledger import Ledger

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_NOTHING: Mapping[str, str] = {}


class Reading(Protocol):
    """What is read in every process."""

    @property
    def clock(self) -> Clock:
        """The clock."""

    @property
    def kube(self) -> Kube:
        """The API."""

    @property
    def watches(self) -> Watches:
        """What is watched."""

    @property
    def starts(self) -> StartWatches:
        """What is watched of starts."""


class Followed(Protocol):
    """The policies that are followed."""

    @property
    def runtimes(self) -> Mapping[str, PolicyRuntime]:
        """By namespace/name."""


class Pooling:
    """The pools' part of a leader. `runs` are to be run until the process ends."""

    def __init__(
        self,
        settings: Settings,
        reading: Reading,
        policies: Followed,
        events: Events,
        recorder: Recorder,
        loaded: Loaded,
        ledger: Callable[[], Ledger],
        fetches: Fetches,
    ) -> None:
        clock, kube, watches, starts = reading.clock, reading.kube, reading.watches, reading.starts
        rng = random.Random()  # noqa: S311 - jitter
        namespace = settings.own_namespace or service_account_namespace() or NAMESPACE
        own = StandbyWatches(kube, clock, rng, namespace)
        taints = frozenset([*LEAVING_TAINTS, *filter(None, (settings.notice_taints or "").split(","))])
        held = HoldSettings(
            namespace, settings.balloon_deadline_seconds, settings.priority_class, settings.pause_image, taints
        )
        jobs = StandbyJobs(
            kube,
            own,
            lambda: watches.nodes,
            self._uids,
            held,
            lambda pool: images(pool, watches.nodes, policies),
        )
        buffers = CapacityBuffers(
            kube, clock, held, lambda: watches.nodes, self._names, partial(self._busy, policies, clock)
        )
        actuator = Standby(jobs, buffers, own)
        fetches.use_held(own.held_nodes)
        shortages = Shortages(
            kube,
            clock,
            rng,
            lambda: bool(self.registry.runtimes),
            lambda pod: node_selector(pod, watches, policies),
        )
        starts.subscribe_claims(partial(_take_claim, shortages))
        reporter = PoolReporter(watches.pools, kube, events, clock)
        others = OtherPods(kube, lambda: watches.nodes, clock)
        parts = (StandbyKeeper(actuator, clock), others, reporter)
        self.registry = PoolRegistry(watches, parts, reporter, others, clock, loaded.pools)
        sources = Sources(
            namespaces=watches.all_namespaces,
            nodes=lambda: watches.nodes,
            going=lambda: starts.going,
            shortages=shortages,
            standby=actuator,
            ledger=ledger,
            notice_taints=taints,
        )
        self.granting = Granting(self.registry.runtimes, self.registry.problem, sources, recorder)
        self.runs: tuple[Callable[[], Coroutine[Any, Any, None]], ...] = (
            self.registry.run,
            actuator.run,
            shortages.run,
            partial(sweep, "standby", actuator, clock),
        )

    def _uids(self) -> Collection[str] | None:
        return self.registry.uids()

    def _names(self) -> Collection[str] | None:
        return self.registry.names()

    def _busy(self, policies: Followed, clock: Clock) -> Collection[str]:
        """Nodes with a replica of a member, or with another pod that holds GPUs."""
        found = {node for pool in self.registry.runtimes.values() for node, pods in pool.gpus_by_pod.items() if pods}
        for runtime in policies.runtimes.values():
            supply = runtime.supply(clock.now()) if runtime.workload.pool else None
            found |= {unit.node for unit in (supply.units if supply else ()) if unit.node}
        return found


def service_account_namespace(path: Path = SERVICE_ACCOUNT) -> str:
    """The namespace of the pod that this runs in; empty outside of a pod."""
    try:
        return path.read_text().strip()
    except (OSError, ValueError):
        return ""


def images(pool: GpuPool, nodes: Store, policies: Followed) -> Mapping[str, int]:
    """By node of a pool: how many images of its members the node lists."""
    wanted = {
        engine(runtime.template)[1]
        for runtime in policies.runtimes.values()
        if runtime.workload.pool == pool.name and runtime.template is not None
    }
    found: dict[str, int] = {}
    for offering in pool.offerings:
        found |= nodes.made(selector(offering.node_selector), _images, frozenset(wanted))
    return found


def _images(nodes: Iterable[Object], wanted: frozenset[str]) -> Mapping[str, int]:
    return {key(node).name: sum([has_image(node, image) for image in wanted]) for node in nodes}


def _take_claim(shortages: Shortages, claim: Object, refused: bool) -> None:
    shortages.saw_claim(claim)
    if refused:
        shortages.saw_refused(claim)


def node_selector(pod: Key, watches: Watches, policies: Followed) -> Mapping[str, str]:
    """Which labels a member's pod asks of its node; none where the pod is of no policy."""
    found = watches.pods(pod.namespace).get(*pod)
    if found is None:
        return _NOTHING
    for runtime in policies.runtimes.values():
        pods, template = runtime.selector, runtime.template
        if runtime.workload.namespace != pod.namespace or pods is None or template is None:
            continue
        if pods.matches(labels(found)):
            asked = (template.get("spec") or {}).get("nodeSelector")
            return asked if isinstance(asked, Mapping) else _NOTHING  # of some kinds nobody checks the template
    return _NOTHING
