"""Keeps one runtime, with its runner, for each valid policy. A policy that turned invalid goes on in its last valid version.

Not here: deciding (`loop`), and what runs beside it (`runner`).
"""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from autoscaler.clock import Clock, Slices
from autoscaler.control.members import Members
from autoscaler.control.runner import Parts, PolicyRunner
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.kube.objects import Key, Object, deleting, key, metadata, uid
from autoscaler.kube.watches import Watches
from autoscaler.records.store import Loaded
from autoscaler.reporting.refusals import Refusals
from autoscaler.reporting.reporter import Reporter
from autoscaler.scaler.board import Board
from autoscaler.sources.scrape import Scraper
from autoscaler.telemetry import metrics
from crds.kinds import SCALING_POLICY
from crds.notation.selectors import Selector
from crds.resolve.problems import Problem
from crds.rivals import Age, Claims, age, taken
from crds.workload import Workload
from policies.model import Mode, State

INVALID, TAKEN = "Invalid", "TargetTaken"  # why a policy is refused: the reasons in its status
SETTLE_SECONDS = 0.2  # changes come in bursts: a rollout moves every pod at once
_GONE: Age = ("", "")

_log = structlog.get_logger(__name__)


@dataclass
class _Read:
    """A policy as it was read last."""

    raw: Object
    version: object
    since: Age
    outcome: Workload | list[Problem]
    refused: tuple[str, str] | None = None  # why it was, and what is done instead


class PolicyRegistry:
    """Follows the watched policies. Of those that name one target the oldest is followed, and the others are refused."""

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
        self._board = board
        self._parts = parts
        self._reporter = reporter
        self._refusals = refusals
        self._clock = clock
        self._saved, self._state_problems = dict(loaded.states), dict(loaded.refused)
        self._older_states = loaded.older  # why none of an older version can be used
        self._runtimes: dict[str, PolicyRuntime] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._members = Members(watches, scraper)
        self._claims = Claims()
        self._read: dict[str, _Read] = {}  # what each policy says
        self._unread = {str(key(raw)) for raw in watches.policies}  # policies that are to be read
        self._pods_unread: set[str] = set()  # policies whose pods are to be read
        self._changed = asyncio.Event()
        watches.policies.subscribe(self._policy_changed)
        watches.subscribe(self._pods_changed)
        parts.target.subscribe(self._target_changed)
        parts.transport.subscribe(self._target_changed)

    @property
    def runtimes(self) -> Mapping[str, PolicyRuntime]:
        """The policies that are followed, by namespace/name; it changes as they come and go."""
        return self._runtimes

    def policies_of(self, pod: Key) -> Collection[str]:
        """The policies whose target has this pod."""
        return self._members.policies_of(pod)

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

    def _policy_changed(self, raw: Object) -> None:
        self._unread.add(str(key(raw)))
        self._changed.set()

    def _pods_changed(self, namespace: str, selector: Selector) -> None:
        if selecting := self._members.selecting(namespace, selector):
            self._pods_unread.update(selecting)
            self._changed.set()

    def _target_changed(self, policy: str) -> None:
        self._pods_unread.add(policy)
        self._changed.set()

    async def _follow(self, group: asyncio.TaskGroup) -> None:
        if not self._watches.policies.synced:
            return
        unread, self._unread = self._unread, set()
        if unread:
            await self._follow_policies(group, unread)
        pods_unread, self._pods_unread = self._pods_unread, set()
        slices = Slices(self._clock)
        for policy in sorted(pods_unread):
            with self._contained(policy):
                if (runtime := self._runtimes.get(policy)) is not None:
                    self._members.refresh(runtime)
            await slices.cut()

    async def _follow_policies(self, group: asyncio.TaskGroup, unread: set[str]) -> None:
        due, slices = set[str](), Slices(self._clock)
        for policy in unread:
            with self._contained(policy):
                due |= self._reread(policy)
            await slices.cut()
        while due:
            freed = set[str]().union(*map(self._yield_target, due))
            for policy in sorted(due, key=lambda each: self._read[each].since if each in self._read else _GONE):
                with self._contained(policy):
                    freed |= self._settle(group, policy)
                await slices.cut()
            due = freed
        remembered = self._saved.keys() | self._state_problems.keys()
        for gone in remembered - self._read.keys() - self._unread:  # deleted while no controller ran
            self._saved.pop(gone, None)
            self._state_problems.pop(gone, None)
            self._reporter.forget(gone)
        self._board.know(self._runtimes)
        self._watches.follow({runtime.workload.namespace for runtime in self._runtimes.values()})

    def _reread(self, policy: str) -> set[str]:
        """Read a policy. Gives those that are to be settled: it, if it changed, and those that claim the same."""
        raw = self._watches.policies.get(*policy.split("/"))
        if raw is None or deleting(raw):
            self._refusals.forget(policy)
            self._remove(policy)
            self._read.pop(policy, None)
            return self._claims.put(policy, _GONE, ())
        version = uid(raw), metadata(raw).get("generation"), raw.get("spec")
        before = self._read.get(policy)
        if before is not None and before.version == version:
            return set()
        self._read[policy] = _Read(raw, version, age(raw), SCALING_POLICY.resolve(raw))
        return {policy} | self._claim(policy)

    def _claim(self, policy: str) -> set[str]:
        """Claim what a policy asks for, and what its version in force has. Gives those that claim the same."""
        read, runtime = self._read[policy], self._runtimes.get(policy)
        claims = set(runtime.workload.claims.items()) if runtime else set()
        if isinstance(read.outcome, Workload):
            claims |= read.outcome.claims.items()
        return self._claims.put(policy, read.since, claims)

    def _yield_target(self, policy: str) -> set[str]:
        """End a policy whose target an older one has now, before that one begins. Gives those that may take the rest."""
        runtime = self._runtimes.get(policy)
        if runtime is None or not self._taken(policy, runtime.workload):
            return set()
        self._remove(policy)
        return self._claim(policy)

    def _settle(self, group: asyncio.TaskGroup, policy: str) -> set[str]:
        """Follow a policy, or refuse it. Gives those that may take what it no longer has."""
        read = self._read.get(policy)
        if read is None:  # gone
            return set()
        if not isinstance(read.outcome, Workload):
            self._refuse(policy, read, INVALID, read.outcome)
            return set()
        if problems := self._taken(policy, read.outcome):
            self._refuse(policy, read, TAKEN, problems)
            return set()
        read.refused = None
        self._refusals.forget(policy)
        self._accept(group, policy, read.outcome)
        return self._claim(policy)

    def _taken(self, policy: str, workload: Workload) -> list[Problem]:
        """What an older policy has of that which this one asks for."""
        owners = ((claim, self._claims.owner(claim)) for claim in workload.claims.items())
        return [
            taken(claim, f"{SCALING_POLICY.name} {owner}") for claim, owner in owners if owner not in (None, policy)
        ]

    def _refuse(self, policy: str, read: _Read, reason: str, problems: Iterable[Problem]) -> None:
        runtime = self._runtimes.get(policy)
        problem = "; ".join(f"{each.path}: {each.why}; instead: {each.instead}" for each in problems)
        instead = "keeping its last valid version in force" if runtime else "not following it"
        if read.refused == (problem, instead):
            return
        read.refused = problem, instead
        if runtime is not None:
            runtime.refuse(f"{problem}. Until then, the last valid version stays in force.")
        else:
            self._refusals.add(read.raw, reason, problem)
        _log.error("policy.invalid", policy=policy, problem=problem, instead=instead)

    def _accept(self, group: asyncio.TaskGroup, policy: str, workload: Workload) -> None:
        runtime = self._runtimes.get(policy)
        self._pods_unread.add(policy)
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
        metrics.follow(policy, self._clock.now())
        self._tasks[policy] = group.create_task(PolicyRunner(runtime, self._parts, self._clock).run())
        _log.info("policy.added", policy=policy, mode=workload.mode, target=workload.target.name)

    def _remove(self, policy: str) -> None:
        runtime = self._runtimes.pop(policy, None)
        if runtime is not None:  # else it never was valid
            runtime.end()
            self._tasks.pop(policy).cancel()
            self._board.withdraw(policy)
            self._members.forget(policy)
            _log.info("policy.removed", policy=policy)
        self._reporter.forget(policy)

    @contextmanager
    def _contained(self, policy: str) -> Iterator[None]:
        """A fault of ours in one policy costs no other one anything; it is tried again when anything changes."""
        try:
            yield
        except Exception:  # noqa: BLE001 - of any kind
            self._read.pop(policy, None)
            self._unread.add(policy)
            metrics.FAILURES.labels(policy=policy, part="policy").inc()
            _log.exception("policy.failed", policy=policy, instead="not following it until a policy or a pod changes")


def _basis(workload: Workload) -> tuple[object, ...]:
    """What all that is learned and decided rests on: where one of these changes, a policy begins anew."""
    return workload.uid, workload.target, workload.policy.engine, workload.policy.signal
