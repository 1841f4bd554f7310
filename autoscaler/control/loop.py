"""The loop: wakes on the decision grid and on events, decides for each policy, records, measures and publishes.

It awaits nothing but time and its own yields. Not here: whatever may hang (Kubernetes, Prometheus, fits) runs beside it, by
policy (`runner`), and learns of a decision from the policy's runtime.
"""

import asyncio
import math
from collections.abc import Mapping

import structlog

from autoscaler.clock import Clock, stopwatch_seconds
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.kube.objects import Key
from autoscaler.records.writer import Recorder
from autoscaler.scaler.board import Board
from autoscaler.sources.scrape import Scraper
from autoscaler.telemetry import metrics
from crds.workload import Mode
from policies.engine import next_tick
from policies.explain import explain
from policies.model import Fan, Inputs, Plan, StepResult, Supply

ROUND_SECONDS = 0.5  # after the first sample of a scrape round, for the others of that round

_log = structlog.get_logger(__name__)


class Loop:
    """Decides for each of `runtimes`, which others add to and take from."""

    def __init__(
        self, runtimes: Mapping[str, PolicyRuntime], scraper: Scraper, board: Board, recorder: Recorder, clock: Clock
    ) -> None:
        self._runtimes = runtimes
        self._clock = clock
        self._scraper = scraper
        self._board = board
        self._recorder = recorder
        self._stirred: set[str] = set()
        self._stir = asyncio.Event()
        scraper.subscribe(self._sampled)

    async def run(self) -> None:
        """Decide until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ticks())
            group.create_task(self._events())

    async def _ticks(self) -> None:
        due = next_tick(self._clock.now())
        while True:
            await self._clock.sleep(due - self._clock.now())
            # The tick's own time, not the moment at which each policy's turn comes: filters see an even grid.
            for runtime in list(self._runtimes.values()):
                self._turn(runtime, due, on_grid=True)
                await self._clock.sleep(0)
            due = max(due, self._clock.now())
            due = next_tick(due)

    async def _events(self) -> None:
        while True:
            await self._stir.wait()
            await self._clock.sleep(ROUND_SECONDS)
            self._stir.clear()
            stirred, self._stirred = self._stirred, set()
            for runtime in [self._runtimes[key] for key in sorted(stirred) if key in self._runtimes]:
                self._turn(runtime, self._clock.now(), on_grid=False)
                await self._clock.sleep(0)

    def _turn(self, runtime: PolicyRuntime, now_seconds: float, *, on_grid: bool) -> None:
        """Decide for one policy. A fault in it costs that policy its decision, whose age shows it; the others go on."""
        if not runtime.deciding:
            return
        try:
            inputs = runtime.inputs(self._scraper.latest, now_seconds, on_grid=on_grid)
            if on_grid or runtime.urgent(inputs):
                self._decide(runtime, inputs)
        except Exception:  # noqa: BLE001 - a fault of ours, of any kind
            _log.exception(
                "decision.failed", policy=runtime.key, instead="keeping the last decision for as long as it is fresh"
            )

    def _decide(self, runtime: PolicyRuntime, inputs: Inputs) -> None:
        before, last = runtime.state, runtime.result
        if last is None or last.state is not before:  # it was restarted, or has learned of the past
            self._recorder.restart(runtime.key)
        started = stopwatch_seconds()
        inputs, result = runtime.decide(inputs)
        metrics.STEP_SECONDS.observe(stopwatch_seconds() - started)
        self._recorder.record(runtime.workload.policy, before, inputs, result)
        _measure(runtime.key, result, inputs.fan)
        if result.plan is not None:
            self._publish(runtime, result.plan, inputs.supply)

    def _publish(self, runtime: PolicyRuntime, plan: Plan, supply: Supply | None) -> None:
        if runtime.workload.mode is Mode.ACTIVE:
            current = None if supply is None else supply.placed + supply.unplaced
            most = runtime.workload.policy.max_replicas
            self._board.publish(runtime.key, plan.desired_replicas, plan.at_seconds, current, most)
        else:
            self._board.withdraw(runtime.key)
        metrics.DECISION_AGE.decided(runtime.key, plan.at_seconds)
        before = runtime.plan_before
        if before is None or (before.desired_replicas, before.prepared_nodes) != (
            plan.desired_replicas,
            plan.prepared_nodes,
        ):
            _log.info(
                "decided",
                policy=runtime.key,
                mode=runtime.workload.mode,
                desired_replicas=plan.desired_replicas,
                prepared_nodes=plan.prepared_nodes,
                why=explain(plan, before),
            )

    def _sampled(self, pod: Key) -> None:
        self._stirred.update(
            key for key, runtime in self._runtimes.items() if runtime.workload.namespace == pod.namespace
        )
        self._stir.set()


def _measure(policy: str, result: StepResult, fan: Fan | None) -> None:
    demand = result.demand.replicas
    metrics.SIGNAL_UNKNOWN.labels(policy=policy).set(1 if demand is None else 0)
    metrics.DEMAND_REPLICAS.labels(policy=policy).set(math.nan if demand is None else demand)
    metrics.FORECAST_PROVEN.labels(policy=policy).set(0 if fan is None else int(fan.proven))
    if result.plan is not None:
        metrics.DESIRED_REPLICAS.labels(policy=policy).set(result.plan.desired_replicas)
        metrics.PREPARED_NODES.labels(policy=policy).set(result.plan.prepared_nodes)
