"""The vLLM pods: one process, one port, a loopback address each. A bare protocol, so that an answer costs 50 us.

What it does not do: anything but GET; fail, hang, or compress.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from benchmarks.live import body, child, fleet

AGE_SECONDS = 86_400.0  # of every pod, when the run begins


class Pods:
    """Answers for every pod."""

    def __init__(self, policies: int, clock: Callable[[], float] = time.time) -> None:
        self.policies = policies
        self._clock = clock
        self.started_seconds = clock() - AGE_SECONDS
        self.answered = self.sent_bytes = 0
        self._pages: dict[str, bytes] = {}

    def answer(self, pod: int, target: str) -> bytes:
        """The whole answer to a GET. A query with `name[]` gets those series only, as from prometheus_client."""
        if (page := self._pages.get(target)) is None:
            names = parse_qs(urlsplit(target).query).get("name[]", [])
            page = self._pages[target] = body.page(frozenset(names))
        known = fleet.numbers(pod % self.policies, self._clock() - self.started_seconds)
        known[b"started"] = int(self.started_seconds)
        content = body.filled(page, known)
        self.answered += 1
        self.sent_bytes += len(content)
        return (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: %d\r\n\r\n%b"
            % (len(content), content)
        )


class Connection(asyncio.Protocol):
    """One keep-alive connection to one pod."""

    def __init__(self, pods: Pods) -> None:
        self._pods = pods
        self._asked = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Find out which pod is asked."""
        self._transport = cast(asyncio.Transport, transport)
        self._pod = fleet.at_address(transport.get_extra_info("sockname")[0])

    def data_received(self, data: bytes) -> None:
        """Answer what is asked in full."""
        self._asked += data
        while b"\r\n\r\n" in self._asked:
            head, self._asked = self._asked.split(b"\r\n\r\n", 1)
            target = head.split(b" ", 2)[1].decode()
            self._transport.write(self._pods.answer(self._pod, target))


async def main() -> None:
    pods = Pods(int(sys.argv[1]))

    async def start() -> dict[str, int]:
        # Every loopback address at once: a listener for each pod would be thousands.
        server = await asyncio.get_running_loop().create_server(lambda: Connection(pods), "0.0.0.0", 0, backlog=4096)
        return {"port": server.sockets[0].getsockname()[1]}

    def figures() -> dict[str, Any]:
        return {"answered": pods.answered, "sent_bytes": pods.sent_bytes}

    await child.serve(start, figures)


if __name__ == "__main__":
    asyncio.run(main())
