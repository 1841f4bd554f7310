"""The gRPC server: address, TLS, limits, keepalive, health, reflection and shutdown."""

import asyncio
import contextlib
import socket

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from autoscaler.clock import Clock
from autoscaler.scaler.board import Board
from autoscaler.scaler.externalscaler_pb2 import DESCRIPTOR
from autoscaler.scaler.externalscaler_pb2_grpc import add_ExternalScalerServicer_to_server
from autoscaler.scaler.servicer import Context, Servicer
from autoscaler.scaler.tls import Tls

SERVICE = DESCRIPTOR.services_by_name["ExternalScaler"].full_name
OPTIONS = (
    ("grpc.keepalive_time_ms", 30_000),  # KEDA sends no keepalive: these pings detect a lost peer
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),  # no limit: a stream may be idle for hours
    ("grpc.max_allowed_incoming_connections", 1_000),  # KEDA's operator has one, with a stream that is always open
    ("grpc.max_connection_idle_ms", 300_000),
    ("grpc.max_concurrent_streams", 5_000),  # KEDA shares one connection: 1 stream and up to 3 calls per ScaledObject
    ("grpc.max_receive_message_length", 64 * 1024),  # a reference with its metadata is under 2 kB
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.so_reuseport", 0),  # a second server on the port is an error, and does not take half of the calls
)
MOST_CALLS = 6_000  # at once, of every kind, also those whose message never comes: 20 to 44 kB each
MOST_WATCHES = 100  # of health


class _Health(health.aio.HealthServicer):
    """Health, whose watchers are limited like other streams."""

    def __init__(self) -> None:
        super().__init__()
        self._watchers = 0

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Context) -> None:  # noqa: N802
        if self._watchers >= MOST_WATCHES:
            problem = f"{MOST_WATCHES} calls of Watch are open, which is the limit: close those that are not used, or use Check"
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, problem)
        self._watchers += 1
        try:
            await super().Watch(request, context)
        finally:
            self._watchers -= 1


class ScalerServer:
    """`externalscaler.ExternalScaler` with health on one port. It serves once: after `stop`, make another.

    With `reflection`, any client may also ask which services and messages there are.
    """

    def __init__(
        self,
        board: Board,
        clock: Clock,
        *,
        bind: str = "0.0.0.0:6000",
        tls: Tls | None = None,
        reflection: bool = False,
    ) -> None:
        self._bind = bind
        self._tls = tls
        self._reflection = reflection
        self._servicer = Servicer(board, clock)
        self._health = _Health()
        self._server: grpc.aio.Server | None = None

    async def start(self) -> int:
        """Bind, serve, and return the port. Raises TlsError for unusable files, OSError for an address in use."""
        server = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=MOST_CALLS)
        add_ExternalScalerServicer_to_server(self._servicer, server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        await self._health.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
        if self._reflection:
            names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, server)
        credentials = None if self._tls is None else self._tls.credentials()
        try:
            await asyncio.to_thread(_try, self._bind)
            port = _add_port(server, self._bind, credentials)
        except (OSError, RuntimeError) as error:
            why = getattr(error, "strerror", None) or "gRPC refused it"
            raise OSError(
                f"the scaler cannot listen on {self._bind!r}: {why}; set --scaler-bind to a free HOST:PORT"
            ) from error
        await server.start()
        self._server = server
        return port

    async def drain(self) -> None:
        """Report NOT_SERVING, refuse unary calls, and end streams with OK. Connections stay open."""
        await self._health.enter_graceful_shutdown()
        await self._servicer.drain()

    async def stop(self, grace_seconds: float = 5.0) -> None:
        """Drain, then close the connections.

        Takes at most about `grace_seconds` of wall time; what still runs then is cancelled, such as a stream whose
        client does not read.
        """
        if self._server is None:
            return
        loop = asyncio.get_running_loop()
        end = loop.time() + grace_seconds
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(end):
                await self.drain()
        await self._server.stop(max(0.0, end - loop.time()))
        self._server = None


def _add_port(server: grpc.aio.Server, bind: str, credentials: grpc.ServerCredentials | None) -> int:
    return server.add_insecure_port(bind) if credentials is None else server.add_secure_port(bind, credentials)


def _try(bind: str) -> None:
    """Raise OSError where gRPC could bind no address, since it would print lines of its own and not say why."""
    host, _, port = bind.rpartition(":")
    failed: OSError | None = None
    for family, kind, protocol, _, address in socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM):
        try:
            with socket.socket(family, kind, protocol) as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tried.bind(address)
        except OSError as error:
            failed = error
        else:
            return
    if failed:
        raise failed
