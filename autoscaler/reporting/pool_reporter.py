"""Reports how each pool stands: its status, an Event where an offering or a limit says something new, and its metrics.

Not here: what a status says (`pool_status`), and what the status of each member says (`reporter`).
"""

import math
from collections.abc import Mapping
from typing import Any, Protocol

import structlog

from autoscaler.clock import Clock
from autoscaler.kube import collection
from autoscaler.kube.client import Kube
from autoscaler.kube.errors import KubeError
from autoscaler.kube.objects import Object
from autoscaler.kube.store import Store
from autoscaler.reporting.events import EventReason, Events
from autoscaler.reporting.pool_report import PoolReport
from autoscaler.reporting.pool_status import IN_FLIGHT, invalid_status, pool_status
from autoscaler.telemetry import metrics
from policies.engine import GRID_SECONDS
from policies.explain import duration
from policies.pool import Claim, PoolPlan, Step

PERIOD_SECONDS = 60.0  # what was spent is written at least that often, for a restart
_MOVING = ("lastDecisionTime", "message", "conditions", "spend")  # what alone makes no status worth a write

_log = structlog.get_logger(__name__)


class ReportedPool(Protocol):
    """Whatever can be reported about."""

    def report(self, now_seconds: float) -> PoolReport:
        """What there is to report at `now_seconds`."""


class PoolReporter:
    """One for all pools. `pools` are the GPUPools as they are watched."""

    def __init__(self, pools: Store, kube: Kube, events: Events, clock: Clock) -> None:
        self._pools = pools
        self._kube = kube
        self._events = events
        self._clock = clock
        self._written: dict[str, tuple[float, Mapping[str, Any]]] = {}
        self._unwritten: dict[str, str] = {}  # by pool: why its status is not written, which was logged
        self._reported: dict[str, PoolReport] = {}  # by pool: at its last turn

    async def run(self, pool: ReportedPool) -> None:
        """Report one turn of one pool."""
        report = pool.report(self._clock.now())
        raw = self._pools.get("", report.pool.name)
        if raw is None:  # deleted: its runtime is about to end
            return
        measure(report)
        await self._write(report.pool.name, pool_status(report, raw))
        await self._write_events(report)

    async def refuse(self, raw: Object, pool: str, problem: str) -> None:
        """Report a pool of which no version was ever valid."""
        metrics.POOL_READY.labels(pool=pool).set(0)
        await self._write(pool, invalid_status(raw, problem, self._clock.now()))

    def forget(self, pool: str) -> None:
        """Forget a pool that is gone, also in the metrics."""
        self._written.pop(pool, None)
        self._unwritten.pop(pool, None)
        self._reported.pop(pool, None)
        self._events.forget(pool)
        metrics.forget_pool(pool)

    async def _write(self, pool: str, status: Mapping[str, Any]) -> None:
        """Write a status that says something new, at most once a grid step; one that only says what was spent, once a minute."""
        now_seconds = self._clock.now()
        at_seconds, before = self._written.get(pool, (-math.inf, {}))
        passed_seconds = now_seconds - at_seconds
        is_news = _essence(before) != _essence(status)
        if passed_seconds < GRID_SECONDS or (not is_news and passed_seconds < PERIOD_SECONDS) or status == before:
            return
        try:
            await self._kube.merge_patch(collection.gpu_pools().item("", pool, "status"), {"status": status})
        except KubeError as error:
            if self._unwritten.get(pool) != str(error):
                self._unwritten[pool] = str(error)
                _log.warning("status.not_written", pool=pool, error=str(error))
        else:
            self._unwritten.pop(pool, None)
            self._written[pool] = now_seconds, status

    async def _write_events(self, report: PoolReport) -> None:
        """Events and a log line of what has changed since the last turn."""
        before, pool = self._reported.get(report.pool.name), report.pool
        self._reported[pool.name] = report
        if report.plan is not None and (before is None or _essence_of(report.plan) != _essence_of(before.plan)):
            _log.info("pool.decided", pool=pool.name, standby_nodes=report.plan.standby_nodes, why=report.sentence)
        if before is None or report.plan is None:  # what was so at the start is no news
            return
        rested, emit = set(before.resting), self._events.emit
        for name in report.resting:
            state = next(each for each in report.state.offerings if each.name == name)
            if name not in rested and state.resting_until_seconds is not None:
                rest = duration(state.resting_until_seconds - report.now_seconds)
                await emit(pool, EventReason.OFFERING_RESTS, offering=name, rest=rest)
        landed = {each.name: each.landed_seconds for each in before.state.offerings}
        for name in rested - set(report.resting):
            if any(each.name == name and each.landed_seconds != landed.get(name) for each in report.state.offerings):
                await emit(pool, EventReason.OFFERING_RETURNED, offering=name)
        if (hedge := _hedge(report.plan)) and (before.plan is None or _hedge(before.plan) != hedge):
            late = ", ".join(report.resting) or "an earlier offering"
            await emit(pool, EventReason.STANDBY_HEDGED, offering=hedge.offering, late=late)
        leaving, left = (_leaving(each) for each in (report, before))
        if leaving > left:
            await emit(pool, EventReason.NODES_LEAVING, count=leaving)
        if report.standby_problem and report.standby_problem != before.standby_problem:
            await emit(pool, EventReason.STANDBY_FAILED, problem=report.standby_problem)
        if report.refused and {each.workload for each in report.refused} - {each.workload for each in before.refused}:
            await emit(pool, EventReason.POOL_REFUSED, refused=f"{report.refusals}.")


def _hedge(plan: PoolPlan) -> Claim | None:
    return next((claim for claim in plan.claims if claim.step is Step.HEDGE and claim.nodes), None)


def _essence_of(plan: PoolPlan | None) -> tuple[object, ...]:
    """What makes a plan worth a log line: other standby nodes, or a refusal to another member or by another limit."""
    if plan is None:
        return ()
    refused = [(each.workload, each.refusal.limit) for each in plan.grants if each.refusal is not None]
    return plan.standby_nodes, plan.claims, refused


def _leaving(report: PoolReport) -> int:
    return 0 if report.inputs is None else report.inputs.leaving_nodes


def _essence(status: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a status worth a write: a new time or amount alone does not."""
    kept = {name: value for name, value in status.items() if name not in _MOVING}
    kept["offerings"] = [
        {name: value for name, value in each.items() if name != "message"} for each in status.get("offerings") or ()
    ]
    kept["shown"] = [(each["type"], each["status"], each["reason"]) for each in status.get("conditions") or ()]
    return kept


def measure(report: PoolReport) -> None:
    """Export how a pool stands."""
    pool, plan, inputs, account = report.pool.name, report.plan, report.inputs, report.state.account
    limits = report.pool.pool.limits
    metrics.POOL_READY.labels(pool=pool).set(int(not report.problem))
    metrics.POOL_USD_PER_HOUR.labels(pool=pool).set(_known(report.usd_per_hour))
    for state, amount in (
        ("spent", account.day_usd),
        ("forecast", None if plan is None else plan.projected_usd),
        ("limit", limits.usd_per_day),
    ):
        metrics.POOL_USD_TODAY.labels(pool, state).set(_known(amount))
    for offering in report.pool.offerings:
        resting = offering.name in report.resting
        metrics.POOL_RESTING.labels(pool, offering.name).set(int(resting))
        seen = next((each for each in (inputs.offerings if inputs else ()) if each.name == offering.name), None)
        metrics.POOL_NODES.labels(pool, offering.name).set(math.nan if seen is None else seen.nodes)
    if plan is None or inputs is None:
        return
    refused = sum(map(report.refused_gpus, plan.grants))
    for state, gpus in (
        ("held", plan.held_gpus),
        ("granted", plan.granted_gpus),
        ("refused", refused),
        ("limit", limits.gpus),
        ("other", inputs.other_gpus),
    ):
        metrics.POOL_GPUS.labels(pool, state).set(_known(gpus))
    known = inputs.standby is not None
    in_flight = sum([unit.phase in IN_FLIGHT for unit in report.standby])
    metrics.POOL_STANDBY.labels(pool, "decided").set(plan.standby_nodes)
    metrics.POOL_STANDBY.labels(pool, "ready").set(report.ready if known else math.nan)
    metrics.POOL_STANDBY.labels(pool, "in_flight").set(in_flight if known else math.nan)
    metrics.POOL_LEAVING.labels(pool=pool).set(inputs.leaving_nodes)


def _known(number: float | None) -> float:
    return math.nan if number is None else number
