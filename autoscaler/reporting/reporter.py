"""Reports how each policy stands: its status once a turn, and an Event where its replicas moved.

Not here: what a status says (`status`), how an Event reads and how many are written (`events`), and what the parts that act
have to report themselves. A report that is lost is no failure: it is logged once, and the next turn reports again.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from autoscaler.clock import Clock
from autoscaler.kube.errors import KubeError
from autoscaler.kube.objects import Key
from autoscaler.kube.store import Store
from autoscaler.reporting.events import EventReason, Events
from autoscaler.reporting.grants import granted
from autoscaler.reporting.measures import measure_starting
from autoscaler.reporting.readings import metrics_read
from autoscaler.reporting.report import PolicyReport, Reported
from autoscaler.reporting.status import StatusWriter, status_patch
from autoscaler.telemetry import metrics
from policies.model import Mode, Plan

_log = structlog.get_logger(__name__)


class Reporter:
    """One for all policies. `policies` are the ScalingPolicies as they are watched."""

    def __init__(self, policies: Store, status: StatusWriter, events: Events, clock: Clock) -> None:
        self._policies = policies
        self._status = status
        self._events = events
        self._clock = clock
        self._reported: dict[str, Plan | None] = {}  # by policy: the plan at its last turn
        self._unwritten: dict[str, str] = {}  # by policy: why its status is not written, which was logged
        self._granted: dict[str, str] = {}  # by policy: the reason of the last Event about what its pool refuses
        self._unread: dict[str, str] = {}  # by policy: the reason of the last Event about metrics that cannot be read

    async def run(self, policy: Reported) -> None:
        """Report one turn of one policy."""
        now_seconds = self._clock.now()
        report = policy.report(now_seconds)
        key = Key(report.workload.namespace, report.workload.name)
        raw = self._policies.get(*key)
        if raw is None:  # deleted: its runtime is about to end
            return
        metrics.POLICY_READY.labels(policy=str(key)).set(int(report.ready))
        await self._write_status(key, status_patch(report, raw, now_seconds))
        await self._write_events(str(key), report)
        await self._report_readings(str(key), report)
        await self._report_granted(str(key), report)
        if report.supply is not None:
            metrics.BALLOONS.labels(policy=str(key), state="prepared").set(report.supply.prepared)
            metrics.BALLOONS.labels(policy=str(key), state="preparing").set(report.supply.preparing)
        measure_starting(str(key), report)

    def forget(self, policy: str) -> None:
        """Forget a policy that is gone, also in the metrics."""
        self._reported.pop(policy, None)
        self._granted.pop(policy, None)
        self._unread.pop(policy, None)
        self._unwritten.pop(policy, None)
        self._status.forget(policy)
        self._events.forget(policy)
        metrics.forget(policy)

    async def _write_status(self, policy: Key, status: Mapping[str, Any]) -> None:
        try:
            await self._status.write(policy, status)
        except KubeError as error:
            if self._unwritten.get(str(policy)) != str(error):
                self._unwritten[str(policy)] = str(error)
                _log.warning("status.not_written", policy=str(policy), error=str(error))
        else:
            self._unwritten.pop(str(policy), None)

    async def _write_events(self, policy: str, report: PolicyReport) -> None:
        is_first = policy not in self._reported
        before, now = self._reported.get(policy), report.plan
        self._reported[policy] = now
        if is_first and report.state_problem:
            await self._events.emit(report.workload, EventReason.STATE_REFUSED, **report.state_values)
        was = None if now is None else now.replicas_before(before)
        if now is None or was is None or was == now.desired_replicas:
            return
        explanation = replace(report, plan_before=before).explanation
        await self._events.emit(report.workload, _moved(was, now), explanation=explanation)

    async def _report_readings(self, policy: str, report: PolicyReport) -> None:
        """An Event and a log line where metrics became unreadable, for another reason than before, or readable again."""
        now, before = metrics_read(report.readings), self._unread.get(policy, "")
        emit = self._events.emit
        if now.status == "False" and now.reason != before:
            if await emit(report.workload, EventReason.METRICS_UNREAD, problem=now.message):
                _log.warning("metrics.unread", policy=policy, reason=now.reason, problem=now.message)
                self._unread[policy] = now.reason
        elif (
            now.status == "True"
            and before
            and await emit(report.workload, EventReason.METRICS_READ, message=now.message)
        ):
            _log.info("metrics.read", policy=policy)
            del self._unread[policy]

    async def _report_granted(self, policy: str, report: PolicyReport) -> None:
        """An Event where the pool refuses something, by another limit than before, and where it grants all again."""
        now, before = granted(report), self._granted.get(policy, "")
        emit, workload = self._events.emit, report.workload
        if now is None:
            self._granted.pop(policy, None)
        elif now.status == "False" and now.reason != before:
            missing = bool(report.pool_problem)
            reason = EventReason.POOL_MISSING if missing else EventReason.POOL_REFUSED
            if await emit(workload, reason, problem=now.message, refused=now.message):
                _log.warning("pool.refused", policy=policy, pool=workload.pool, reason=now.reason, why=now.message)
                self._granted[policy] = now.reason
        elif now.status == "True" and before and await emit(workload, EventReason.POOL_GRANTED, pool=workload.pool):
            _log.info("pool.granted", policy=policy, pool=workload.pool)
            del self._granted[policy]


def _moved(was: int, now: Plan) -> EventReason:
    if now.mode is Mode.SHADOW:
        return EventReason.WOULD_SCALE
    return EventReason.SCALED_UP if now.desired_replicas > was else EventReason.SCALED_DOWN
