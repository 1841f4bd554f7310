"""The controller's HTTP server: /metrics for Prometheus, /healthz and /readyz for the kubelet.

A client has its time for each step, and beyond a number of connections the oldest one goes: the kubelet, which restarts a
controller that it cannot reach, always gets through.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

IDLE_SECONDS = 30.0  # for a request, from the connection or the last answer on
ANSWER_SECONDS = 10.0  # for reading an answer
MOST_CONNECTIONS = 256  # Prometheus and the kubelet have one each

Ready = Callable[[], tuple[bool, dict[str, Any]]]
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def app(registry: CollectorRegistry, ready: Ready) -> web.Application:
    """Make the application.

    `ready` returns whether this process can work, and the state of each part. /healthz only shows that the event loop
    runs, since a restart would not bring a missing Prometheus back.
    """

    async def metrics(_request: web.Request) -> web.Response:
        body = await asyncio.to_thread(generate_latest, registry)  # 70 ms with 500 policies
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def healthz(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_request: web.Request) -> web.Response:
        is_ready, parts = ready()
        return web.json_response({"ready": is_ready, **parts}, status=200 if is_ready else 503)

    routes: dict[str, _Handler] = {"/metrics": metrics, "/healthz": healthz, "/readyz": readyz}
    application = web.Application(middlewares=[_sent_in_time])
    application.add_routes([web.get(path, handler) for path, handler in routes.items()])
    return application


@web.middleware
async def _sent_in_time(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Cut off a client that does not read its answer: sent here, it can be given up."""
    response = await handler(request)
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await response.prepare(request)
            await response.write_eof()
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
    return response


class WebServer:
    """Serves an application at HOST:PORT."""

    def __init__(self, application: web.Application, bind: str) -> None:
        self._runner = web.AppRunner(
            application, access_log=None, shutdown_timeout=1.0, keepalive_timeout=IDLE_SECONDS, lingering_time=1.0
        )
        self._bind = bind
        self._listening: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen, and return the port: a free one for port 0. Raises `OSError` for an address in use."""
        host, _, port = self._bind.rpartition(":")
        await self._runner.setup()
        try:
            loop = asyncio.get_running_loop()
            self._listening = await loop.create_server(self._connection, host.strip("[]"), int(port))
        except OSError as error:
            # asyncio repeats the address in its text, and getaddrinfo's numbers are its own
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            raise OSError(f"cannot listen on {self._bind!r}: {why}; set --web-bind to a free HOST:PORT") from error
        return int(self._listening.sockets[0].getsockname()[1])

    def _connection(self) -> asyncio.Protocol:
        """What handles a new connection. The oldest makes way for it."""
        server = cast(web.Server, self._runner.server)  # `setup` has made it
        open_now = server.connections
        for oldest in open_now[: max(0, len(open_now) + 1 - MOST_CONNECTIONS)]:
            if oldest.transport is not None:
                oldest.transport.abort()
        return server()

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._listening is not None:
            self._listening.close()
        await self._runner.cleanup()
