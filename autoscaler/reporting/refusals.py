"""Writes into a policy's status why it is refused, for policies of which no version is in force.

Apart from the registry, so that a slow API holds up no other policy; what cannot be written is tried again.
"""

from typing import NamedTuple

import structlog

from autoscaler.clock import Clock
from autoscaler.kube.errors import KubeError
from autoscaler.kube.objects import Object, key
from autoscaler.reporting.status import StatusWriter, refused_patch
from autoscaler.telemetry import metrics

RETRY_SECONDS = 15.0

_log = structlog.get_logger(__name__)


class _Refusal(NamedTuple):
    policy: Object
    reason: str
    problem: str


class Refusals:
    """The refused policies whose status does not say so yet."""

    def __init__(self, status: StatusWriter, clock: Clock) -> None:
        self._status = status
        self._clock = clock
        self._unwritten: dict[str, _Refusal] = {}  # by policy

    def add(self, policy: Object, reason: str, problem: str) -> None:
        """Refuse a policy. The reason is one word, CamelCase."""
        metrics.POLICY_READY.labels(policy=str(key(policy))).set(0)
        self._unwritten[str(key(policy))] = _Refusal(policy, reason, problem)

    def forget(self, policy: str) -> None:
        """The policy is gone, or has another version."""
        self._unwritten.pop(policy, None)

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            for policy, refusal in list(self._unwritten.items()):
                await self._write(policy, refusal)
            await self._clock.sleep(RETRY_SECONDS)

    async def _write(self, policy: str, refusal: _Refusal) -> None:
        raw, reason, problem = refusal
        try:
            await self._status.write(key(raw), refused_patch(raw, reason, problem, self._clock.now()))
        except KubeError as error:
            _log.warning("status.not_written", policy=policy, error=str(error))
        else:
            if self._unwritten.get(policy) is refusal:
                del self._unwritten[policy]
