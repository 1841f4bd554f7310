"""Outrider's own gRPC scaler, with decisions written by the test.

What it does not do: decide. It reads no policy, pod or metric, knows only the bounds that the test gives, and a decision
stays fresh until the next one.
"""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Self

from autoscaler.clock import WallClock
from autoscaler.scaler.board import MAX_REPLICAS
from autoscaler.scaler.server import ScalerServer
from autoscaler.scaler.tls import Tls
from tests.support.counting_board import CountingBoard

TIMEOUT_SECONDS = 10.0
AHEAD_SECONDS = 86_400.0  # decisions are dated that far ahead, or they would be stale after a minute


class ScriptedScaler:
    """As a context it has an event loop in a thread of its own; all its servers show the same board."""

    def __init__(self) -> None:
        self._clock = WallClock()
        self._board = CountingBoard(self._clock)
        self._servers: dict[int, tuple[ScalerServer, Tls | None]] = {}  # by port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="scripted-scaler", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for server, _tls in self._servers.values():
            self._do(server.stop(grace_seconds=1.0))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def serve(self, tls: Tls | None = None) -> str:
        """Serve on a free port; returns the address, with the host name of the suite's certificates."""
        return f"localhost:{self._serve(0, tls)}"

    def restart(self) -> None:
        """End all connections, and serve again at the same addresses."""
        for port, (server, tls) in list(self._servers.items()):
            self._do(server.stop(grace_seconds=1.0))
            self._serve(port, tls)

    def decide(self, key: str, desired: int, current: int | None = None, maximum: int = MAX_REPLICAS) -> None:
        """Publish a decision for a policy (`namespace/name`) in place of the last one."""

        async def write() -> None:
            self._board.know(self._board.known | {key})
            self._board.publish(key, desired, self._clock.now() + AHEAD_SECONDS, current, maximum)

        self._do(write())

    @property
    def streams(self) -> int:
        """The number of clients that listen for activations."""
        return self._board.subscribers

    def _serve(self, port: int, tls: Tls | None) -> int:
        server = ScalerServer(self._board, self._clock, bind=f"127.0.0.1:{port}", tls=tls)
        port = self._do(server.start())
        self._servers[port] = server, tls
        return port

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(TIMEOUT_SECONDS)
