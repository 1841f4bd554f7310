"""What actuators change, in the log, and the sweep that each of them needs."""

from typing import Protocol

import structlog

from autoscaler.actuators.base import Change
from autoscaler.clock import Clock

SWEEP_SECONDS = 30.0

_log = structlog.get_logger(__name__)


class Releases(Protocol):
    """An actuator, as far as a sweep needs it."""

    async def release(self, now_seconds: float) -> Change:
        """Remove what no workload needs any more."""


def log_change(things: str, policy: str, change: Change, *, news: bool) -> None:
    """Log what was done for a policy; where nothing was, only if its problem is `news`."""
    if change.created or change.released or news:
        log = _log.warning if change.problem else _log.info
        log(
            f"{things}.changed",
            policy=policy,
            created=change.created,
            released=change.released,
            problem=change.problem,
        )


async def sweep(things: str, actuator: Releases, clock: Clock) -> None:
    """Delete what no policy stands behind, until cancelled."""
    while True:
        change = await actuator.release(clock.now())
        if change.released:
            _log.info(f"{things}.swept", released=change.released)
        await clock.sleep(SWEEP_SECONDS)
