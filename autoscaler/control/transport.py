"""Reads what a policy's pods are reached with: the CA in a ConfigMap and the bearer token in a Secret, of the policy's namespace.

Both rotate, so they are read again once a minute. A namespace gives the right to read them by a Role of its own: Outrider has
none on Secrets, so a policy can use only what its namespace has given. While the API is away the last ones stay; once they are
gone or forbidden they are no longer used.
"""

import base64
import binascii
from collections.abc import Callable

import structlog

from autoscaler.clock import Clock
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.kube.client import Kube
from autoscaler.kube.collection import Collection
from autoscaler.kube.errors import Forbidden, KubeError, NotFound, Unavailable
from autoscaler.sources.errors import SourceError, SourceErrorKind
from autoscaler.sources.transport import POD_NAMES, Transport, token
from crds.workload import Endpoint, KeyRef

REFRESH_SECONDS = 60.0
RETRY_SECONDS = 15.0  # after a failure

_log = structlog.get_logger(__name__)


class TransportReader:
    """Offers each runtime how its pods are reached, or why they cannot be."""

    def __init__(self, kube: Kube, clock: Clock) -> None:
        self._kube = kube
        self._clock = clock
        self._listeners: list[Callable[[str], None]] = []

    def subscribe(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with a policy's namespace/name when its pods are to be reached in another way than before."""
        self._listeners.append(listener)

    async def run(self, runtime: PolicyRuntime) -> None:
        """Read what one policy names, where that is due."""
        now_seconds, at = self._clock.now(), runtime.workload.endpoint
        if now_seconds < runtime.transport_due_seconds:
            return
        try:
            found: Transport | SourceError = await self._read(runtime.workload.namespace, at)
        except SourceError as error:
            found = error
        except KubeError as error:
            found = SourceError(SourceErrorKind.TRANSPORT, str(error))
            if isinstance(error, Unavailable) and isinstance(runtime.transport, Transport):
                found = runtime.transport
        pause_seconds = REFRESH_SECONDS if isinstance(found, Transport) else RETRY_SECONDS
        if runtime.offer_transport(found, at, now_seconds + pause_seconds):
            if isinstance(found, SourceError):
                _log.warning("transport.unreadable", policy=runtime.key, error=str(found))
            for listener in self._listeners:
                listener(runtime.key)

    async def _read(self, namespace: str, at: Endpoint) -> Transport:
        ca = bearer = None
        if at.ca is not None:
            ca = await self._value(namespace, "ConfigMap", at.ca, POD_NAMES.ca)
        if at.bearer is not None:
            secret = await self._value(namespace, "Secret", at.bearer, POD_NAMES.bearer)
            bearer = token(_decoded(secret), f"key {at.bearer.key} of Secret {at.bearer.name}")
        try:
            return Transport(ca, at.server_name, at.skip_verify, bearer, at.headers)
        except ValueError as error:
            where = f"key {at.ca.key} of ConfigMap {at.ca.name}: " if at.ca else ""
            raise SourceError(SourceErrorKind.TRANSPORT, f"{where}{error}") from None

    async def _value(self, namespace: str, kind: str, ref: KeyRef, field: str) -> str:
        """A value as the API has it. Raises `SourceError` for what a person has to mend, and `KubeError` otherwise."""
        what = f"{kind} {ref.name}"
        try:
            found = await self._kube.get(Collection("v1", f"{kind.lower()}s").item(namespace, ref.name))
        except NotFound:
            why = f"there is no {what} in namespace {namespace}; create it or correct {field}"
            raise SourceError(SourceErrorKind.TRANSPORT, why) from None
        except Forbidden:
            why = (
                f"Outrider may not read {what} in namespace {namespace}; bind a Role there that lets its service account get"
                " it, as docs/cookbook.md shows"
            )
            raise SourceError(SourceErrorKind.TRANSPORT, why) from None
        data = found.get("data") or {}
        if ref.key not in data:
            raise SourceError(SourceErrorKind.TRANSPORT, f"{what} has no key {ref.key}; correct {field}.key")
        return str(data[ref.key])


def _decoded(value: str) -> str:
    """The text of a Secret's value; what is no text is no token either."""
    try:
        return base64.b64decode(value).decode(errors="replace")
    except (binascii.Error, ValueError):
        return ""
