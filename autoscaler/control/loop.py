"""The loop: wakes on the decision grid and on events, gathers, decides, writes the board, records, and lets the actor act.

It awaits nothing but time and its own yields: whatever may hang (Kubernetes, Prometheus, fits) runs beside it.
"""

import asyncio
import math
from collections.abc import Callable

import structlog

from autoscaler.clock import Clock, stopwatch_seconds
from autoscaler.control.runtime import Worker
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
        self.workers: dict[str, Worker] = {}
        self.decided: Callable[[Worker], None] = lambda _worker: None
        self._clock = clock
        self._watches = watches
        self._scraper = scraper
        self._board = board
        self._recorder = recorder
        self._stirred: set[str] = set()
        self._stir = asyncio.Event()
        scraper.changed = self._sampled

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
            for worker in list(self.workers.values()):
                self._turn(worker, due, on_grid=True)
                await self._clock.sleep(0)
            due = max(due, self._clock.now())
            due = next_tick(due)

    async def _events(self) -> None:
        while True:
            await self._stir.wait()
            await self._clock.sleep(ROUND_SECONDS)
            self._stir.clear()
            stirred, self._stirred = self._stirred, set()
            for worker in [self.workers[key] for key in sorted(stirred) if key in self.workers]:
                self._turn(worker, self._clock.now(), on_grid=False)
                await self._clock.sleep(0)

    def _turn(self, worker: Worker, now_seconds: float, *, on_grid: bool) -> None:
        """Decide for one policy. A fault in it costs that policy its decision, whose age tells; the others go on."""
        if not worker.ready:
            return
        try:
            inputs = worker.inputs(self._watches, self._scraper.latest, now_seconds, on_grid=on_grid)
            if on_grid or worker.pilot.urgent(inputs):
                self._decide(worker, inputs)
        except Exception:  # noqa: BLE001 - a fault of ours, of any kind
            _log.exception(
                "decision.failed", policy=worker.key, instead="the last decision, for as long as it is fresh"
            )

    def _decide(self, worker: Worker, inputs: Inputs) -> None:
        started = stopwatch_seconds()
        before, now_seconds = worker.pilot.state, inputs.now_seconds
        inputs, result = worker.pilot.decide(inputs)
        metrics.STEP_SECONDS.observe(stopwatch_seconds() - started)
        self._recorder.record(worker.pilot.policy, before, inputs, result)
        _measure(worker, result, inputs.fan)
        supply = inputs.supply
        self._publish(worker, result, None if supply is None else supply.placed + supply.unplaced, now_seconds)
        self.decided(worker)

    def _publish(self, worker: Worker, result: StepResult, current: int | None, now_seconds: float) -> None:
        worker.result = result
        if result.plan is None:
            return
        changed = worker.plan is None or (
            (worker.plan.desired_replicas, worker.plan.prepared_nodes)
            != (result.plan.desired_replicas, result.plan.prepared_nodes)
        )
        worker.before, worker.plan = worker.plan, result.plan
        if worker.workload.mode is Mode.ACTIVE:
            most = worker.workload.policy.max_replicas
            self._board.publish(worker.key, result.plan.desired_replicas, now_seconds, current, most)
        else:
            self._board.withdraw(worker.key)
        metrics.DECISION_AGE.decided(worker.key, now_seconds)
        if changed:
            _log.info(
                "decided",
                policy=worker.key,
                mode=worker.workload.mode,
                desired_replicas=result.plan.desired_replicas,
                prepared_nodes=result.plan.prepared_nodes,
                why=explain(result.plan, worker.before),
            )

    def _sampled(self, pod: str) -> None:
        namespace = pod.partition("/")[0]
        self._stirred.update(key for key, worker in self.workers.items() if worker.workload.namespace == namespace)
        self._stir.set()


def _measure(worker: Worker, result: StepResult, fan: Fan | None) -> None:
    demand = result.demand.replicas
    metrics.SIGNAL_UNKNOWN.labels(policy=worker.key).set(1 if demand is None else 0)
    metrics.DEMAND_REPLICAS.labels(policy=worker.key).set(math.nan if demand is None else demand)
    metrics.FORECAST_PROVEN.labels(policy=worker.key).set(0 if fan is None else int(fan.proven))
    if result.plan is not None:
        metrics.DESIRED_REPLICAS.labels(policy=worker.key).set(result.plan.desired_replicas)
        metrics.PREPARED_NODES.labels(policy=worker.key).set(result.plan.prepared_nodes)
