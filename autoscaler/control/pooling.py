"""Makes what the pools of the cluster need, and joins it: what is watched for them, their registry, and who grants.

Not here: what runs without pools, and the order in which all of it starts (`app`).
"""

import random
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Protocol

from autoscaler.actuators.standby.base import StandbyActuator
from autoscaler.actuators.standby.noop import NoStandby
from autoscaler.clock import Clock
from autoscaler.control.changes import sweep
from autoscaler.control.granting import Granting
from autoscaler.control.pool_inputs import Sources
from autoscaler.control.pool_runner import OtherPods, StandbyKeeper
from autoscaler.control.pools import PoolRegistry
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.kube.client import Kube
from autoscaler.kube.objects import Key, Object, labels
from autoscaler.kube.watches import Watches
from autoscaler.records.store import Loaded
from autoscaler.records.writer import Recorder
from autoscaler.reporting.events import Events
from autoscaler.reporting.pool_reporter import PoolReporter
from autoscaler.settings import Settings
from autoscaler.starts.shortages import Shortages
from autoscaler.starts.watches import StartWatches
from policies.ledger import Ledger

DISRUPTED = "karpenter.sh/disrupted"  # the taint of a node that Karpenter is about to take
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
        standby: StandbyActuator | None = None,
    ) -> None:
        clock, kube, watches, starts = reading.clock, reading.kube, reading.watches, reading.starts
        actuator = NoStandby() if standby is None else standby
        rng = random.Random()  # noqa: S311 - jitter
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
            notice_taints=frozenset([DISRUPTED, *(settings.notice_taints or "").split(",")]),
        )
        self.granting = Granting(self.registry.runtimes, self.registry.problem, sources, recorder)
        self.runs: tuple[Callable[[], Coroutine[Any, Any, None]], ...] = (
            self.registry.run,
            shortages.run,
            partial(sweep, "standby", actuator, clock),
        )


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
        selector, template = runtime.selector, runtime.template
        is_of = runtime.workload.namespace == pod.namespace and selector is not None
        if is_of and selector is not None and selector.matches(labels(found)) and template is not None:
            asked: Mapping[str, str] = (template.get("spec") or {}).get("nodeSelector") or _NOTHING
            return asked
    return _NOTHING
