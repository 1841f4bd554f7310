"""Saves the states of all policies and pools, and what was learned of cold starts, every 30 s and once more at the end."""

from collections.abc import Awaitable, Callable, Mapping

import structlog

from autoscaler.clock import Clock
from autoscaler.records.store import StateStore
from autoscaler.telemetry import metrics
from policies.model import State
from policies.pool import PoolState

SAVE_SECONDS = 30.0

_log = structlog.get_logger(__name__)


async def _nothing() -> str:
    return ""


class Saver:
    """`states` gives what is to be saved, by policy; `save_ledger` saves the ledger, and gives why it could not.

    `pools` gives the states of the pools, by name.
    """

    def __init__(
        self,
        store: StateStore,
        states: Callable[[], Mapping[str, State]],
        clock: Clock,
        save_ledger: Callable[[], Awaitable[str]] = _nothing,
        pools: Callable[[], Mapping[str, PoolState]] = dict,
    ) -> None:
        self._store = store
        self._save_ledger = save_ledger
        self._states = states
        self._pools = pools
        self._clock = clock

    async def run(self) -> None:
        """Save until cancelled."""
        while True:
            await self._clock.sleep(SAVE_SECONDS)
            await self.save()

    async def save(self) -> None:
        """Save once. What cannot be saved is logged, and shows by the age of what was saved before."""
        states = self._states()
        problems = await self._store.save(states, self._pools())
        for policy in (
            states.keys() & self._states().keys() - problems.keys()
        ):  # one that went meanwhile leaves no series
            metrics.STATE_AGE.happened(policy, self._clock.now())
        if problems:
            _log.error("state.not_saved", problems=dict(problems), instead="keeping what was saved before")
        if problem := await self._save_ledger():
            _log.error("ledger.not_saved", problem=problem, instead="keeping what was saved before")
