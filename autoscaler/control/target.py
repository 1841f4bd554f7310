"""Reads the scale target of a policy: its `/scale` at every turn, its pod template once a minute.

Not here: the pods themselves, which are watched, and how they are counted (`supply`).
"""

from collections.abc import Callable

import structlog

from autoscaler.actuators.base import Refused
from autoscaler.clock import Clock
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.kube.client import Kube
from autoscaler.kube.discovery import Discovery
from autoscaler.kube.errors import KubeError, NotFound, Unavailable
from autoscaler.kube.refusal import read_refusal
from autoscaler.kube.scale import read_scale, read_template
from autoscaler.reporting.events import EventReason, Events

TEMPLATE_SECONDS = 60.0  # how old the pod template may be that balloons are made from
MISSING_SECONDS = 5.0  # a controller creates the pods of a higher scale in far less

_log = structlog.get_logger(__name__)


class TargetReader:
    """Offers each runtime the scale and the template of its target, or why there is none."""

    def __init__(self, kube: Kube, events: Events, clock: Clock) -> None:
        self._kube = kube
        self._discovery = Discovery(kube)
        self._events = events
        self._clock = clock
        self._listeners: list[Callable[[str], None]] = []

    def subscribe(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with the policy when it becomes known, or changes, which pods are its target's."""
        self._listeners.append(listener)

    async def run(self, runtime: PolicyRuntime) -> None:
        """Read one policy's target."""
        try:
            await self._read(runtime)
        except KubeError as error:
            if isinstance(error, NotFound):
                runtime.offer_target_missing(self._clock.now(), is_missing=True)
            await self._failed(runtime, str(error))
        else:
            runtime.offer_target_missing(self._clock.now(), is_missing=False)
            runtime.offer_target_problem("")

    async def _read(self, runtime: PolicyRuntime) -> None:
        namespace, target, now_seconds = runtime.workload.namespace, runtime.workload.target, self._clock.now()
        scale = await read_scale(self._kube, self._discovery, namespace, target)
        if runtime.offer_scale(scale, self._clock.now()):
            for listener in self._listeners:
                listener(runtime.key)
        due = now_seconds - runtime.template_seconds >= TEMPLATE_SECONDS
        if (
            runtime.missing or runtime.refused or (due and runtime.has_balloons_near)
        ):  # a rollout may be refused its surge
            await self._look_for_refusal(runtime)
        else:
            runtime.offer_refused(None)
        if due:
            await self._read_template(runtime, now_seconds)

    async def _read_template(self, runtime: PolicyRuntime, now_seconds: float) -> None:
        """Only balloons need a template: without one the policy goes on, and they say why there are none."""
        namespace, target = runtime.workload.namespace, runtime.workload.target
        try:
            template = await read_template(self._kube, self._discovery, namespace, target)
        except Unavailable:  # the last one stays, and the next turn tries again
            return
        except KubeError as error:
            runtime.offer_template(None, now_seconds, f"no balloon is created: {error}")
        else:
            runtime.offer_template(template, now_seconds)

    async def _look_for_refusal(self, runtime: PolicyRuntime) -> None:
        namespace, target, now_seconds = runtime.workload.namespace, runtime.workload.target, self._clock.now()
        overdue = runtime.missing_seconds(now_seconds) >= MISSING_SECONDS and runtime.lacks_pods
        try:
            cause = await read_refusal(self._kube, self._discovery, namespace, target, overdue=overdue)
        except KubeError as error:  # the scale alone is enough to be scaled
            cause = str(error) if overdue else None
        refused = None if cause is None else Refused(max(1, runtime.missing), cause)
        if runtime.offer_refused(refused):
            _log.warning("replicas.refused", policy=runtime.key, missing=runtime.missing, cause=cause)
        if refused is not None:
            await self._events.emit(runtime.workload, EventReason.REPLICAS_REFUSED, refused=refused.sentence)

    async def _failed(self, runtime: PolicyRuntime, problem: str) -> None:
        if runtime.offer_target_problem(problem):
            _log.warning("target.unreadable", policy=runtime.key, error=problem)
            await self._events.emit(runtime.workload, EventReason.TARGET_FAILED, problem=problem)
