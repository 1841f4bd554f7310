"""The controller's own pages: /metrics for Prometheus, /healthz and /readyz for the kubelet."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

Ready = Callable[[], tuple[bool, dict[str, Any]]]
_Handler = Callable[[web.Request], Awaitable[web.Response]]


def app(registry: CollectorRegistry, ready: Ready) -> web.Application:
    """Make the application.

    `ready` says whether this process can do its work, and what each part of it is waiting for. /healthz only says that
    the event loop turns: restarting a process does not bring a missing Prometheus back.
    """

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def healthz(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_request: web.Request) -> web.Response:
        is_ready, parts = ready()
        return web.json_response({"ready": is_ready, **parts}, status=200 if is_ready else 503)

    routes: dict[str, _Handler] = {"/metrics": metrics, "/healthz": healthz, "/readyz": readyz}
    application = web.Application()
    application.add_routes([web.get(path, handler) for path, handler in routes.items()])
    return application


class WebServer:
    """Serves an application at HOST:PORT."""

    def __init__(self, application: web.Application, bind: str) -> None:
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        self._bind = bind

    async def start(self) -> int:
        """Listen, and return the port: a free one where the address says 0. Raises `OSError` if it is taken."""
        host, _, port = self._bind.rpartition(":")
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host.strip("[]"), int(port)).start()
        except OSError as error:
            raise OSError(f"the pages cannot be served on {self._bind!r}: give a free HOST:PORT ({error})") from error
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Close the port and every connection."""
        await self._runner.cleanup()
