"""Brings the prepared nodes to the plan, by the actuator. Not here: how many are wanted, and which balloons go first."""

from dataclasses import replace

from autoscaler.actuators.base import Actuator, Change
from autoscaler.clock import Clock
from autoscaler.control.changes import log_change, sweep
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.reporting.events import TEXTS, EventReason, Events
from crds.workload import Workload
from policies.explain import explain


class Preparer:
    """Acts on the newest plan: deciding goes on while the API is slow."""

    def __init__(self, actuator: Actuator, events: Events, clock: Clock) -> None:
        self._actuator = actuator
        self._events = events
        self._clock = clock

    async def run(self, runtime: PolicyRuntime) -> None:
        """Prepare or release one policy's nodes."""
        plan, before, now_seconds = runtime.plan, runtime.plan_before, self._clock.now()
        if plan is None:
            return
        supply = runtime.supply(now_seconds)
        change = await self._actuator.ensure(
            runtime.workload, runtime.template, plan, supply, now_seconds, runtime.refused
        )
        if change.problem and runtime.template is None and runtime.template_problem:
            change = replace(change, problem=runtime.template_problem, impossible=True)
        news = runtime.offer_balloon_problem(_sentence(change), impossible=change.impossible)
        log_change("balloons", runtime.key, change, news=news)
        explanation = explain(plan, before) if change.created or change.released else ""
        await self._report(runtime.workload, change, explanation)

    async def sweep(self) -> None:
        """Delete balloons that no policy stands behind, until cancelled."""
        await sweep("balloons", self._actuator, self._clock)

    async def _report(self, workload: Workload, change: Change, explanation: str) -> None:
        emit = self._events.emit
        if change.created:
            await emit(workload, EventReason.PREPARED, count=len(change.created), explanation=explanation)
        if change.released:
            await emit(workload, EventReason.RELEASED, names=", ".join(change.released), explanation=explanation)
        if change.refused:
            await emit(workload, EventReason.CAPPED, count=change.refused)
        if change.problem:
            await emit(workload, EventReason.BALLOON_FAILED, problem=change.problem)


def _sentence(change: Change) -> str:
    """Why fewer nodes are prepared than planned; empty if they are not."""
    problem = f"{change.problem[:1].upper()}{change.problem[1:].removesuffix('.')}." if change.problem else ""
    capped = TEXTS[EventReason.CAPPED].format(count=change.refused) if change.refused else ""
    return " ".join(filter(None, (problem, capped)))
