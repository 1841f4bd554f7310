"""The loop: wakes on the decision grid and on events, decides for each policy and pool, records, measures and publishes.

It awaits nothing but time and its own yields. Not here: whatever may hang (Kubernetes, Prometheus, fits) runs beside it, by
policy (`runner`), and learns of a decision from the policy's runtime.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import structlog

from autoscaler.clock import Clock, Slices, stopwatch_seconds
from autoscaler.control.granting import Granting, Grants, kept
from autoscaler.control.pool_inputs import Member
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.kube.objects import Key
from autoscaler.records.writer import Recorder
from autoscaler.reporting.measures import measure
from autoscaler.reporting.spending import Meter
from autoscaler.scaler.board import FRESH_SECONDS, Board
from autoscaler.sources.scrape import Scraper
from autoscaler.telemetry import metrics
from policies.engine import Proposal, next_tick
from policies.explain import explain
from policies.model import Grant, Mode, Plan
from policies.supply import Supply

ROUND_SECONDS = 0.5  # after the first sample of a scrape round, for the others of that round

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Group:
    """Policies that are granted together: the members of a pool, or one without a pool."""

    pool: str  # empty: none
    members: Sequence[PolicyRuntime]


class Loop:
    """Decides for each of `runtimes`, which others add to and take from. `policies_of` gives those that have a pod.

    Without `granting` there are no pools, and every policy gets what it asks for.
    """

    def __init__(
        self,
        runtimes: Mapping[str, PolicyRuntime],
        policies_of: Callable[[Key], Collection[str]],
        scraper: Scraper,
        board: Board,
        recorder: Recorder,
        clock: Clock,
        granting: Granting | None = None,
    ) -> None:
        self._runtimes = runtimes
        self._granting = granting
        self._policies_of = policies_of
        self._clock = clock
        self._scraper = scraper
        self._board = board
        self._recorder = recorder
        self._sampled_policies: set[str] = set()
        self._proposals: WeakKeyDictionary[PolicyRuntime, Proposal] = WeakKeyDictionary()  # the last of each policy
        self._meters: WeakKeyDictionary[PolicyRuntime, Meter] = WeakKeyDictionary()
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
            slices = Slices(self._clock)
            # The tick's own time, not the moment at which each pool's turn comes: filters see an even grid.
            for group in self._groups(self._runtimes, on_grid=True):
                self._turn(group, group.members, due, on_grid=True)
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
        for group in self._groups(sorted(sampled), on_grid=False):
            asking = [runtime for runtime in group.members if runtime.key in sampled]
            self._turn(group, asking, self._clock.now(), on_grid=False)
            await slices.cut()

    def _groups(self, policies: Iterable[str], *, on_grid: bool) -> list[_Group]:
        """The policies that are granted together with these; on the grid, pools without a member decide as well."""
        found = [runtime for policy in policies if (runtime := self._runtimes.get(policy)) is not None]
        if self._granting is None:
            return [_Group("", [runtime]) for runtime in found]
        pools = dict.fromkeys(runtime.workload.pool for runtime in found if runtime.workload.pool)
        if on_grid:
            pools |= dict.fromkeys(self._granting.pools)
        members: dict[str, list[PolicyRuntime]] = {pool: [] for pool in pools}
        for runtime in self._runtimes.values() if pools else ():
            if runtime.workload.pool in members:
                members[runtime.workload.pool].append(runtime)
        alone = [_Group("", [runtime]) for runtime in found if not runtime.workload.pool]
        return [*alone, *(_Group(pool, together) for pool, together in members.items())]

    def _turn(self, group: _Group, asking: Sequence[PolicyRuntime], now_seconds: float, *, on_grid: bool) -> None:
        """Propose for those that ask, grant against the last proposals of their pool, settle. Nothing comes in between."""
        took_seconds: dict[str, float] = {}
        for runtime in asking:
            with _contained(runtime.key):
                started = stopwatch_seconds()
                if self._granting is not None and group.pool:
                    self._granting.offer_standby(runtime, now_seconds)
                if runtime.deciding and self._propose(runtime, now_seconds, on_grid=on_grid):
                    took_seconds[runtime.key] = stopwatch_seconds() - started
        grants, problem = self._grants(group, took_seconds.keys(), now_seconds, on_grid=on_grid)
        contact = "" if self._granting is None else self._granting.contact(group.pool)
        for runtime in asking:
            if runtime.key in took_seconds:
                with _contained(runtime.key):
                    proposal, granted = self._proposals[runtime], grants.get(runtime.key)
                    runtime.offer_granted(granted, problem, contact)
                    grant = granted.grant if granted else kept(proposal) if group.pool else proposal.asked
                    self._settle(runtime, proposal, grant, took_seconds[runtime.key])

    def _grants(
        self, group: _Group, asking: Collection[str], now_seconds: float, *, on_grid: bool
    ) -> tuple[Grants, str]:
        """What a pool grants, and why it cannot be used. A fault in it costs its members growth, and others nothing."""
        if self._granting is None or not group.pool or not (asking or on_grid):
            return {}, ""
        try:
            members = [Member(each, self._proposals.get(each), each.key in asking) for each in group.members]
            grants = self._granting.grants(group.pool, members, now_seconds, on_grid=on_grid)
            return grants, self._granting.problem(group.pool)
        except Exception:  # noqa: BLE001 - a fault of ours, of any kind
            metrics.POOL_FAILURES.labels(pool=group.pool, part="decision").inc()
            _log.exception(
                "pool.failed", pool=group.pool, instead="its members keep what they have until the next tick"
            )
            return {}, "its last decision failed in Outrider itself; see the controller's log"

    def _propose(self, runtime: PolicyRuntime, now_seconds: float, *, on_grid: bool) -> bool:
        """Whether there is a proposal of this moment."""
        proposal = runtime.propose(runtime.inputs(self._scraper.latest, now_seconds, on_grid=on_grid))
        if proposal is not None:
            self._proposals[runtime] = proposal
        return proposal is not None

    def _settle(self, runtime: PolicyRuntime, proposal: Proposal, grant: Grant | None, took_seconds: float) -> None:
        """Commit what was granted, record it and publish it. `took_seconds` is what the proposal took."""
        started = stopwatch_seconds()
        result = runtime.settle(proposal, grant)
        metrics.STEP_SECONDS.observe(took_seconds + stopwatch_seconds() - started)
        self._recorder.record(runtime.policy, proposal.state, proposal.inputs, result)
        measure(runtime.policy, proposal.inputs, result)
        is_pooled = self._granting is not None and runtime.workload.pool in self._granting.pools
        meter = self._meters.setdefault(runtime, Meter())
        meter.decided(runtime.policy, proposal.inputs, result, is_pooled=is_pooled, model_name=runtime.model_name)
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
