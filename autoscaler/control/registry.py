"""Keeps one runtime, with its runner, for each valid policy. A policy that turned invalid goes on in its last valid version.

Not here: deciding (`loop`), and what runs beside it (`runner`).
"""

import asyncio
from collections.abc import Mapping

import structlog

from autoscaler.clock import Clock
from autoscaler.control.runner import Parts, PolicyRunner
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.kube.objects import Key, Object, deleting, key, metadata, uid
from autoscaler.kube.watches import Watches
from autoscaler.records.store import Loaded
from autoscaler.reporting.refusals import Refusals
from autoscaler.reporting.reporter import Reporter
from autoscaler.scaler.board import Board
from autoscaler.sources.scrape import Address, Scraper
from crds.kinds import SCALING_POLICY
from crds.workload import Workload
from policies.model import Mode, State

SETTLE_SECONDS = 0.2  # changes come in bursts: a rollout moves every pod at once

_log = structlog.get_logger(__name__)


class PolicyRegistry:
    """Follows the watched policies, and keeps the scraper's targets in step with the watched pods."""

    def __init__(
        self,
        watches: Watches,
        scraper: Scraper,
        board: Board,
        parts: Parts,
        reporter: Reporter,
        refusals: Refusals,
        clock: Clock,
        loaded: Loaded,
    ) -> None:
        self._watches = watches
        self._scraper = scraper
        self._board = board
        self._parts = parts
        self._reporter = reporter
        self._refusals = refusals
        self._clock = clock
        self._saved, self._state_problems = dict(loaded.states), dict(loaded.refused)
        self._older_states = loaded.older  # why none of an older version can be used
        self._runtimes: dict[str, PolicyRuntime] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._versions: dict[str, object] = {}  # the version of each policy that was taken or refused
        self._changed = asyncio.Event()
        watches.subscribe(lambda _thing: self._changed.set())
        parts.target.subscribe(self._changed.set)
        parts.transport.subscribe(lambda _policy: self._changed.set())

    @property
    def runtimes(self) -> Mapping[str, PolicyRuntime]:
        """The policies that are followed, by namespace/name; it changes as they come and go."""
        return self._runtimes

    def states(self) -> dict[str, State]:
        """What every policy remembers; of those not found yet, what was saved of them."""
        return self._saved | {policy: runtime.state for policy, runtime in self._runtimes.items()}

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._follow(group)
                await self._changed.wait()
                await self._clock.sleep(SETTLE_SECONDS)
                self._changed.clear()

    async def _follow(self, group: asyncio.TaskGroup) -> None:
        policies = self._watches.policies
        if not policies.synced:
            return
        found = {str(key(raw)): raw for raw in policies if not deleting(raw)}
        for gone in self._versions.keys() - found.keys():
            del self._versions[gone]
            self._refusals.forget(gone)
            self._remove(gone)
        self._saved = {policy: state for policy, state in self._saved.items() if policy in found}
        addresses: dict[Key, Address] = {}
        for policy, raw in found.items():
            try:
                self._take(group, policy, raw)
                if (runtime := self._runtimes.get(policy)) is not None:
                    addresses |= runtime.endpoints()
            except Exception:  # noqa: BLE001 - a fault of ours, of any kind, costs no other policy anything
                self._versions.pop(policy, None)  # so that it is tried again
                _log.exception(
                    "policy.failed", policy=policy, instead="not following it until a policy or a pod changes"
                )
            await self._clock.sleep(0)  # the scaler answers in between
        self._board.know(self._runtimes)
        self._watches.follow({runtime.workload.namespace for runtime in self._runtimes.values()})
        self._scraper.targets(addresses)

    def _take(self, group: asyncio.TaskGroup, policy: str, raw: Object) -> None:
        version = uid(raw), metadata(raw).get("generation"), raw.get("spec")
        if self._versions.get(policy) == version:
            return
        self._versions[policy] = version
        self._refusals.forget(policy)
        outcome = SCALING_POLICY.resolve(raw)
        if isinstance(outcome, Workload):
            self._accept(group, policy, outcome)
            return
        problem = "; ".join(f"{each.path}: {each.why}; {each.instead}" for each in outcome)
        runtime = self._runtimes.get(policy)
        _log.error(
            "policy.invalid",
            policy=policy,
            problem=problem,
            instead="keeping its last valid version in force" if runtime else "not following it",
        )
        if runtime is not None:
            runtime.refuse(problem)
        else:
            self._refusals.add(raw, problem)

    def _accept(self, group: asyncio.TaskGroup, policy: str, workload: Workload) -> None:
        runtime = self._runtimes.get(policy)
        if runtime is not None and _basis(runtime.workload) == _basis(workload):
            runtime.follow(workload, self._clock.now())
            if workload.mode is Mode.SHADOW:
                self._board.withdraw(policy)  # at once, and not at the next tick: KEDA may ask before it
            return
        if runtime is not None:
            self._remove(policy)
        self._add(group, policy, workload)

    def _add(self, group: asyncio.TaskGroup, policy: str, workload: Workload) -> None:
        problem = self._state_problems.pop(policy, "" if policy in self._saved else self._older_states)
        state = self._saved.pop(policy, State())
        runtime = PolicyRuntime(
            workload, state, self._watches, self._parts.actuators, self._clock.now(), state_problem=problem
        )
        self._runtimes[policy] = runtime
        self._tasks[policy] = group.create_task(PolicyRunner(runtime, self._parts, self._clock).run())
        _log.info("policy.added", policy=policy, mode=workload.mode, target=workload.target.name)

    def _remove(self, policy: str) -> None:
        runtime = self._runtimes.pop(policy, None)
        if runtime is not None:  # else it never was valid
            runtime.end()
            self._tasks.pop(policy).cancel()
            self._board.withdraw(policy)
            _log.info("policy.removed", policy=policy)
        self._reporter.forget(policy)


def _basis(workload: Workload) -> tuple[object, ...]:
    """What all that is learned and decided rests on: where one of these changes, a policy begins anew."""
    return workload.uid, workload.target, workload.policy.engine, workload.policy.signal
