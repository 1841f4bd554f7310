"""One aiohttp application on one loopback port."""

from aiohttp import web


class Server:
    """Serves an application on 127.0.0.1; port 0 picks a free one."""

    def __init__(self, application: web.Application, port: int) -> None:
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
        self._port = port

    async def start(self) -> str:
        """Listen; returns the URL. Raises OSError if the port is in use."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def stop(self) -> None:
        """End open requests and close."""
        await self._runner.cleanup()
