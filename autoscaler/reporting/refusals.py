"""Writes into a policy's status why it is refused, for policies that never had a valid version.

Apart from the registry, so that a slow API holds up no other policy; what cannot be written is tried again.
"""

import structlog

from autoscaler.clock import Clock
from autoscaler.kube.errors import KubeError
from autoscaler.kube.objects import Object, key
from autoscaler.reporting.status import StatusWriter, refused_patch
from autoscaler.telemetry import metrics

RETRY_SECONDS = 15.0

_log = structlog.get_logger(__name__)


class Refusals:
    """The refused policies whose status does not say so yet."""

    def __init__(self, status: StatusWriter, clock: Clock) -> None:
        self._status = status
        self._clock = clock
        self._unwritten: dict[str, tuple[Object, str]] = {}  # by policy: the object, and what is wrong with it

    def add(self, policy: Object, problem: str) -> None:
        """Refuse a policy."""
        metrics.POLICY_READY.labels(policy=str(key(policy))).set(0)
        self._unwritten[str(key(policy))] = policy, problem

    def forget(self, policy: str) -> None:
        """The policy is gone, or has another version."""
        self._unwritten.pop(policy, None)

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            for policy, refusal in list(self._unwritten.items()):
                await self._write(policy, refusal)
            await self._clock.sleep(RETRY_SECONDS)

    async def _write(self, policy: str, refusal: tuple[Object, str]) -> None:
        raw, problem = refusal
        try:
            await self._status.write(key(raw), refused_patch(raw, "Invalid", problem, self._clock.now()))
        except KubeError as error:
            _log.warning("status.not_written", policy=policy, error=str(error))
        else:
            if self._unwritten.get(policy) is refusal:
                del self._unwritten[policy]
