"""Keeps one worker and one actor for each valid policy. A policy that turned bad goes on in its last good form."""

import asyncio
from collections.abc import Mapping

import structlog

from autoscaler.actor import Actor, Tools
from autoscaler.kube.errors import KubeError
from autoscaler.kube.objects import Object, deleting, metadata
from autoscaler.kube.status import refused_patch
from autoscaler.loop import Loop
from autoscaler.scaler.board import Board
from autoscaler.telemetry import metrics
from autoscaler.worker import Worker
from crds.resolve import resolve
from crds.service import Problem, Service
from forecasting.pilot import Pilot
from policies.model import State

SETTLE_SECONDS = 0.2  # changes come in flocks: a rollout moves every pod at once
SWEEP_SECONDS = 30.0

_log = structlog.get_logger(__name__)


class Fleet:
    """Follows the watched policies, and keeps the scraper's targets in step with the watched pods."""

    def __init__(self, tools: Tools, loop: Loop, board: Board, saved: Mapping[str, State]) -> None:
        self._tools = tools
        self._loop = loop
        self._board = board
        self._saved = saved
        self._actors: dict[str, tuple[Actor, asyncio.Task[None]]] = {}
        self._resolved: dict[str, tuple[Object, Service | list[Problem]]] = {}
        self._changed = asyncio.Event()
        loop.decided = self._decided

    def changed(self, _thing: Object) -> None:
        """Something watched has changed."""
        self._changed.set()

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sweep())
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
        for gone in self._loop.workers.keys() - found.keys():
            self._remove(gone)
        for key, raw in found.items():
            await self._take(group, key, raw)
        workers = self._loop.workers
        self._board.know(workers)
        self._tools.watches.follow({worker.service.namespace for worker in workers.values()})
        urls: dict[str, str] = {}
        for worker in workers.values():
            urls |= worker.urls(self._tools.watches)
        self._tools.scraper.targets(urls)

    async def _take(self, group: asyncio.TaskGroup, key: str, raw: Object) -> None:
        known = self._resolved.get(key)
        if known is not None and known[0] == raw.get("spec"):
            return
        outcome = resolve(raw)
        self._resolved[key] = (raw.get("spec") or {}, outcome)
        worker = self._loop.workers.get(key)
        if isinstance(outcome, Service):
            if worker is None:
                self._add(group, key, outcome)
            else:
                worker.problem = ""
                worker.service, worker.pilot.policy = outcome, outcome.policy
            return
        problem = "; ".join(f"{each.path}: {each.why}; {each.instead}" for each in outcome)
        _log.error("policy.invalid", policy=key, problem=problem, instead="its last good form" if worker else "nothing")
        if worker is not None:
            worker.problem = problem
        else:
            await self._refuse(raw, problem)

    async def _refuse(self, raw: Object, problem: str) -> None:
        about = metadata(raw)
        now = self._tools.clock.now()
        status = refused_patch(about.get("generation", 0), "Invalid", problem, raw.get("status") or {}, now)
        try:
            await self._tools.status.write(about["namespace"], about["name"], status)
        except KubeError as error:
            _log.warning("status.unwritten", policy=self._key(raw), error=str(error))

    def _add(self, group: asyncio.TaskGroup, key: str, service: Service) -> None:
        worker = Worker(service, Pilot(service.policy, self._saved.get(key, State())))
        self._loop.workers[key] = worker
        actor = Actor(worker, self._tools)
        self._actors[key] = (actor, group.create_task(actor.run()))
        _log.info("policy.followed", policy=key, mode=service.mode, target=service.target.name)

    def _remove(self, key: str) -> None:
        worker = self._loop.workers.pop(key)
        _, task = self._actors.pop(key)
        task.cancel()
        del self._resolved[key]
        self._tools.status.forget(worker.service.namespace, worker.service.name)
        self._tools.events.forget(worker.service.uid)
        metrics.forget(key)
        _log.info("policy.gone", policy=key)

    def _decided(self, worker: Worker) -> None:
        if (entry := self._actors.get(worker.key)) is not None:
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
