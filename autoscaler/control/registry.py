"""Keeps one worker and one actor for each valid policy. A policy that turned bad goes on in its last good form."""

import asyncio
from collections.abc import Mapping

import structlog

from autoscaler.control.actor import Actor, Tools
from autoscaler.control.loop import Loop
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.kube.errors import KubeError
from autoscaler.kube.objects import Object, deleting, metadata, uid
from autoscaler.reporting.status import refused_patch
from autoscaler.scaler.board import Board
from autoscaler.telemetry import metrics
from crds.kinds import SCALING_POLICY
from crds.workload import Mode, Workload
from forecasting.pilot import Pilot
from policies.engine import GRID_SECONDS
from policies.model import State

SETTLE_SECONDS = 0.2  # changes come in flocks: a rollout moves every pod at once
SWEEP_SECONDS = 30.0

_log = structlog.get_logger(__name__)


class PolicyRegistry:
    """Follows the watched policies, and keeps the scraper's targets in step with the watched pods."""

    def __init__(self, tools: Tools, loop: Loop, board: Board, saved: Mapping[str, State]) -> None:
        self._tools = tools
        self._loop = loop
        self._board = board
        self._saved = dict(saved)
        self._actors: dict[str, tuple[Actor, asyncio.Task[None]]] = {}
        self._taken: dict[str, object] = {}  # the form in which each policy was taken or refused
        self._refused: dict[str, tuple[Object, str]] = {}  # those that are told so as soon as the API takes it
        self._changed = asyncio.Event()
        loop.decided = self._decided

    def changed(self, _thing: Object) -> None:
        """Something watched has changed."""
        self._changed.set()

    def states(self) -> dict[str, State]:
        """What every policy remembers; of those not found yet, what was saved of them."""
        return self._saved | {key: runtime.pilot.state for key, runtime in self._loop.runtimes.items()}

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sweep())
            group.create_task(self._refuse())
            while True:
                await self._follow(group)
                await self._changed.wait()
                await self._tools.clock.sleep(SETTLE_SECONDS)
                self._changed.clear()

    async def _follow(self, group: asyncio.TaskGroup) -> None:
        policies = self._tools.watches.policies
        if not policies.synced:
            return
        found = {self._key(raw): raw for raw in policies if not deleting(raw)}
        for gone in self._taken.keys() - found.keys():
            del self._taken[gone]
            self._refused.pop(gone, None)
            self._remove(gone)
        self._saved = {key: state for key, state in self._saved.items() if key in found}
        runtimes = self._loop.runtimes
        urls: dict[str, str] = {}
        for key, raw in found.items():
            self._take(group, key, raw)
            if (runtime := runtimes.get(key)) is not None:
                urls |= runtime.urls(self._tools.watches)
            await self._tools.clock.sleep(0)  # the scaler answers in between
        self._board.know(runtimes)
        self._tools.watches.follow({runtime.workload.namespace for runtime in runtimes.values()})
        self._tools.scraper.targets(urls)

    def _take(self, group: asyncio.TaskGroup, key: str, raw: Object) -> None:
        form = uid(raw), metadata(raw).get("generation"), raw.get("spec")
        if self._taken.get(key) == form:
            return
        self._taken[key] = form
        self._refused.pop(key, None)
        outcome = SCALING_POLICY.resolve(raw)
        if isinstance(outcome, Workload):
            self._lead(group, key, outcome)
            return
        problem = "; ".join(f"{each.path}: {each.why}; {each.instead}" for each in outcome)
        runtime = self._loop.runtimes.get(key)
        _log.error(
            "policy.invalid", policy=key, problem=problem, instead="its last good form" if runtime else "nothing"
        )
        if runtime is not None:
            runtime.problem = problem
        else:
            self._refused[key] = raw, problem

    def _lead(self, group: asyncio.TaskGroup, key: str, workload: Workload) -> None:
        runtime = self._loop.runtimes.get(key)
        if runtime is not None and _basis(runtime.workload) != _basis(workload):
            self._remove(key)
            runtime = None
        if runtime is None:
            self._add(group, key, workload)
            return
        activated = runtime.workload.mode is Mode.SHADOW and workload.mode is Mode.ACTIVE
        runtime.workload, runtime.pilot.policy, runtime.problem = workload, workload.policy, ""
        if activated:  # what was decided in Shadow never ran: KEDA must not land on it from what runs
            runtime.restart(self._tools.clock.now())
            self._tools.recorder.restart(workload.policy.name)

    async def _refuse(self) -> None:
        """Tell the policies that were never valid, apart from `_follow`: a slow API holds up no other policy."""
        while True:
            for key, (raw, problem) in list(self._refused.items()):
                about, now = metadata(raw), self._tools.clock.now()
                status = refused_patch(about.get("generation", 0), "Invalid", problem, raw.get("status") or {}, now)
                try:
                    await self._tools.status.write(about["namespace"], about["name"], status)
                except KubeError as error:
                    _log.warning("status.unwritten", policy=key, error=str(error))
                else:
                    if self._refused.get(key) == (raw, problem):
                        del self._refused[key]
            await self._tools.clock.sleep(GRID_SECONDS)

    def _add(self, group: asyncio.TaskGroup, key: str, workload: Workload) -> None:
        runtime = PolicyRuntime(workload, Pilot(workload.policy, self._saved.pop(key, State())))
        self._loop.runtimes[key] = runtime
        actor = Actor(runtime, self._tools, located=self._changed.set)
        self._actors[key] = (actor, group.create_task(actor.run()))
        _log.info("policy.followed", policy=key, mode=workload.mode, target=workload.target.name)

    def _remove(self, key: str) -> None:
        namespace, _, name = key.partition("/")
        self._tools.status.forget(namespace, name)
        runtime = self._loop.runtimes.pop(key, None)
        if runtime is None:  # it never was valid
            return
        _, task = self._actors.pop(key)
        task.cancel()
        self._board.withdraw(key)
        self._tools.events.forget(runtime.workload.uid)
        metrics.forget(key)
        _log.info("policy.gone", policy=key)

    def _decided(self, runtime: PolicyRuntime) -> None:
        if (entry := self._actors.get(runtime.key)) is not None:
            entry[0].wake()

    async def _sweep(self) -> None:
        while True:
            change = await self._tools.balloons.sweep(self._tools.clock.now())
            if change.released:
                _log.info("balloons.swept", released=change.released)
            await self._tools.clock.sleep(SWEEP_SECONDS)

    @staticmethod
    def _key(raw: Object) -> str:
        about = metadata(raw)
        return f"{about.get('namespace')}/{about.get('name')}"


def _basis(workload: Workload) -> tuple[object, ...]:
    """What all that is learned and decided rests on: where one of these is another, a policy begins anew."""
    return workload.uid, workload.target, workload.policy.engine, workload.policy.signal
