"""The loop: wakes on the decision grid and on events, decides for each policy, records, measures and publishes.

It awaits nothing but time and its own yields. Not here: whatever may hang (Kubernetes, Prometheus, fits) runs beside it, by
policy (`runner`), and learns of a decision from the policy's runtime.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import structlog

from autoscaler.clock import Clock, Slices, stopwatch_seconds
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.kube.objects import Key
from autoscaler.records.writer import Recorder
from autoscaler.reporting.measures import measure
from autoscaler.scaler.board import FRESH_SECONDS, Board
from autoscaler.sources.scrape import Scraper
from autoscaler.telemetry import metrics
from policies.engine import Proposal, next_tick
from policies.explain import explain
from policies.model import Grant, Mode, Plan
from policies.supply import Supply

ROUND_SECONDS = 0.5  # after the first sample of a scrape round, for the others of that round

_log = structlog.get_logger(__name__)


class Loop:
    """Decides for each of `runtimes`, which others add to and take from. `policies_of` gives those that have a pod."""

    def __init__(
        self,
        runtimes: Mapping[str, PolicyRuntime],
        policies_of: Callable[[Key], Collection[str]],
        scraper: Scraper,
        board: Board,
        recorder: Recorder,
        clock: Clock,
    ) -> None:
        self._runtimes = runtimes
        self._policies_of = policies_of
        self._clock = clock
        self._scraper = scraper
        self._board = board
        self._recorder = recorder
        self._sampled_policies: set[str] = set()
        self._proposals: dict[str, Proposal] = {}  # the last of each policy
        self._has_samples = asyncio.Event()
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
            self._proposals = {key: last for key, last in self._proposals.items() if key in self._runtimes}
            slices = Slices(self._clock)
            # The tick's own time, not the moment at which each pool's turn comes: filters see an even grid.
            for members in self._pools(self._runtimes):
                self._turn(members, members, due, on_grid=True)
                await slices.cut()
            due = max(due, self._clock.now())
            due = next_tick(due)

    async def _events(self) -> None:
        while True:
            await self._has_samples.wait()
            await self._clock.sleep(ROUND_SECONDS)
            self._has_samples.clear()
            await self.round()

    async def round(self) -> None:
        """Decide for the policies of which there are new samples."""
        sampled, self._sampled_policies = self._sampled_policies, set()
        slices = Slices(self._clock)
        for members in self._pools(sorted(sampled)):
            asking = [runtime for runtime in members if runtime.key in sampled]
            self._turn(asking, members, self._clock.now(), on_grid=False)
            await slices.cut()

    def _pools(self, policies: Iterable[str]) -> list[list[PolicyRuntime]]:
        """The policies that are granted together with these. There is no kind of pool, so that each has one to itself."""
        return [[self._runtimes[policy]] for policy in policies if policy in self._runtimes]

    def _turn(
        self,
        asking: Sequence[PolicyRuntime],
        members: Sequence[PolicyRuntime],
        now_seconds: float,
        *,
        on_grid: bool,
    ) -> None:
        """Propose for those that ask, grant what each asks for since there is no pool, settle. Nothing comes in between."""
        took_seconds: dict[str, float] = {}
        for runtime in asking:
            with _contained(runtime.key):
                started = stopwatch_seconds()
                if runtime.deciding and self._propose(runtime, now_seconds, on_grid=on_grid):
                    took_seconds[runtime.key] = stopwatch_seconds() - started
        last = {each.key: self._proposals[each.key] for each in members if each.key in self._proposals}
        for runtime in asking:
            if runtime.key in took_seconds:
                with _contained(runtime.key):
                    self._settle(runtime, last[runtime.key], last[runtime.key].asked, took_seconds[runtime.key])

    def _propose(self, runtime: PolicyRuntime, now_seconds: float, *, on_grid: bool) -> bool:
        """Whether there is a proposal of this moment."""
        proposal = runtime.propose(runtime.inputs(self._scraper.latest, now_seconds, on_grid=on_grid))
        if proposal is not None:
            self._proposals[runtime.key] = proposal
        return proposal is not None

    def _settle(self, runtime: PolicyRuntime, proposal: Proposal, grant: Grant | None, took_seconds: float) -> None:
        """Commit what the pool granted, record it and publish it. `took_seconds` is what the proposal took."""
        started = stopwatch_seconds()
        result = runtime.settle(proposal, grant)
        metrics.STEP_SECONDS.observe(took_seconds + stopwatch_seconds() - started)
        self._recorder.record(runtime.policy, proposal.state, proposal.inputs, result)
        measure(runtime.policy, proposal.inputs, result)
        if result.plan is not None:
            self._publish(runtime, result.plan, proposal.inputs.supply)

    def _publish(self, runtime: PolicyRuntime, plan: Plan, supply: Supply | None) -> None:
        if runtime.workload.mode is Mode.ACTIVE:
            current = None if supply is None else supply.placed + supply.unplaced
            most = runtime.workload.policy.max_replicas
            self._board.publish(runtime.key, plan.desired_replicas, plan.at_seconds, current, most)
        else:
            self._board.withdraw(runtime.key)
        metrics.DECISION_AGE.happened(runtime.key, plan.at_seconds)
        if plan.differs_from(runtime.plan_before):
            _log.info(
                "decided",
                policy=runtime.key,
                mode=runtime.workload.mode,
                desired_replicas=plan.desired_replicas,
                prepared_nodes=plan.prepared_nodes,
                why=explain(plan, runtime.plan_before),
            )

    def _sampled(self, pod: Key) -> None:
        if sampled := self._policies_of(pod):
            self._sampled_policies.update(sampled)
            self._has_samples.set()


@contextmanager
def _contained(policy: str) -> Iterator[None]:
    """A fault in one policy costs it a decision, whose age shows it; the others go on."""
    try:
        yield
    except Exception:  # noqa: BLE001 - a fault of ours, of any kind
        metrics.FAILURES.labels(policy=policy, part="decision").inc()
        _log.exception(
            "decision.failed", policy=policy, instead=f"keeping the last decision until it is {FRESH_SECONDS:.0f} s old"
        )
