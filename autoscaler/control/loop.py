"""The loop: wakes on the decision grid and on events, gathers, decides, writes the board, records, and lets the actor act.

It awaits nothing but time and its own yields: whatever may hang (Kubernetes, Prometheus, fits) runs beside it.
"""

import asyncio
import math
from collections.abc import Callable

import structlog

from autoscaler.clock import Clock, stopwatch_seconds
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.kube.objects import Key
from autoscaler.kube.watches import Watches
from autoscaler.records.writer import Recorder
from autoscaler.scaler.board import Board
from autoscaler.sources.scrape import Scraper
from autoscaler.telemetry import metrics
from crds.workload import Mode
from policies.engine import next_tick
from policies.explain import explain
from policies.model import Fan, Inputs, StepResult

ROUND_SECONDS = 0.5  # after the first sample of a scrape round, for the others of that round

_log = structlog.get_logger(__name__)


class Loop:
    """Decides for every worker. `decided` is called after each decision."""

    def __init__(self, clock: Clock, watches: Watches, scraper: Scraper, board: Board, recorder: Recorder) -> None:
        self.runtimes: dict[str, PolicyRuntime] = {}
        self.decided: Callable[[PolicyRuntime], None] = lambda _runtime: None
        self._clock = clock
        self._watches = watches
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
            for runtime in list(self.runtimes.values()):
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
            for runtime in [self.runtimes[key] for key in sorted(stirred) if key in self.runtimes]:
                self._turn(runtime, self._clock.now(), on_grid=False)
                await self._clock.sleep(0)

    def _turn(self, runtime: PolicyRuntime, now_seconds: float, *, on_grid: bool) -> None:
        """Decide for one policy. A fault in it costs that policy its decision, whose age tells; the others go on."""
        if not runtime.ready:
            return
        try:
            inputs = runtime.inputs(self._watches, self._scraper.latest, now_seconds, on_grid=on_grid)
            if on_grid or runtime.pilot.urgent(inputs):
                self._decide(runtime, inputs)
        except Exception:  # noqa: BLE001 - a fault of ours, of any kind
            _log.exception(
                "decision.failed", policy=runtime.key, instead="the last decision, for as long as it is fresh"
            )

    def _decide(self, runtime: PolicyRuntime, inputs: Inputs) -> None:
        started = stopwatch_seconds()
        before, now_seconds = runtime.pilot.state, inputs.now_seconds
        inputs, result = runtime.pilot.decide(inputs)
        metrics.STEP_SECONDS.observe(stopwatch_seconds() - started)
        self._recorder.record(runtime.pilot.policy, before, inputs, result)
        _measure(runtime, result, inputs.fan)
        supply = inputs.supply
        self._publish(runtime, result, None if supply is None else supply.placed + supply.unplaced, now_seconds)
        self.decided(runtime)

    def _publish(self, runtime: PolicyRuntime, result: StepResult, current: int | None, now_seconds: float) -> None:
        runtime.result = result
        if result.plan is None:
            return
        changed = runtime.plan is None or (
            (runtime.plan.desired_replicas, runtime.plan.prepared_nodes)
            != (result.plan.desired_replicas, result.plan.prepared_nodes)
        )
        runtime.before, runtime.plan = runtime.plan, result.plan
        if runtime.workload.mode is Mode.ACTIVE:
            most = runtime.workload.policy.max_replicas
            self._board.publish(runtime.key, result.plan.desired_replicas, now_seconds, current, most)
        else:
            self._board.withdraw(runtime.key)
        metrics.DECISION_AGE.decided(runtime.key, now_seconds)
        if changed:
            _log.info(
                "decided",
                policy=runtime.key,
                mode=runtime.workload.mode,
                desired_replicas=result.plan.desired_replicas,
                prepared_nodes=result.plan.prepared_nodes,
                why=explain(result.plan, runtime.before),
            )

    def _sampled(self, pod: Key) -> None:
        self._stirred.update(
            key for key, runtime in self.runtimes.items() if runtime.workload.namespace == pod.namespace
        )
        self._stir.set()


def _measure(runtime: PolicyRuntime, result: StepResult, fan: Fan | None) -> None:
    demand = result.demand.replicas
    metrics.SIGNAL_UNKNOWN.labels(policy=runtime.key).set(1 if demand is None else 0)
    metrics.DEMAND_REPLICAS.labels(policy=runtime.key).set(math.nan if demand is None else demand)
    metrics.FORECAST_PROVEN.labels(policy=runtime.key).set(0 if fan is None else int(fan.proven))
    if result.plan is not None:
        metrics.DESIRED_REPLICAS.labels(policy=runtime.key).set(result.plan.desired_replicas)
        metrics.PREPARED_NODES.labels(policy=runtime.key).set(result.plan.prepared_nodes)
