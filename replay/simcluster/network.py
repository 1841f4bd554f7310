"""The pods' addresses: each pod has its own on loopback, and a listener on it while its server is up.

On Linux all of 127.0.0.0/8 is usable. A cluster takes the first free block 127.77.N.0/24 and holds it with a bound socket.
"""

import asyncio
import errno
import ipaddress
import socket
from collections import deque
from collections.abc import Coroutine

from aiohttp import web

BLOCKS = ipaddress.ip_network("127.77.0.0/16")
_BACKLOG = 128


class NetworkError(Exception):
    """No address is available."""


class PodNetwork:
    """Addresses of pods by name, and the listeners of pods that serve. All listeners share one application."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._held, block = _take_block(port)
        hosts = [str(host) for host in block.hosts()]
        self._free = deque(hosts[1:])  # the first address holds the block
        self._addresses: dict[str, str] = {}
        self._pods: dict[str, str] = {}
        self._listening: dict[str, socket.socket] = {}
        self._sites: dict[str, web.SockSite] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None

    async def start(self, application: web.Application) -> None:
        """Serve this application on every listener, present and future."""
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        for pod, listener in list(self._listening.items()):
            await self._serve(self._runner, pod, listener)

    async def stop(self) -> None:
        """Close everything and release the block."""
        for pod in list(self._listening):
            self.close(pod)
        if self._tasks:
            await asyncio.gather(*self._tasks)
        if self._runner is not None:
            await self._runner.cleanup()
        self._held.close()

    def address(self, pod: str) -> str:
        """The pod's address, which it keeps until `release`."""
        if pod not in self._addresses:
            if not self._free:
                raise NetworkError(f"all pod addresses are in use; none is left for pod {pod}")
            address = self._free.popleft()
            self._addresses[pod], self._pods[address] = address, pod
        return self._addresses[pod]

    def pod_at(self, address: str) -> str | None:
        """The pod that listens on an address, or None."""
        pod = self._pods.get(address)
        return pod if pod in self._listening else None

    def release(self, pod: str) -> None:
        """Release the pod's address; the address that has been free the longest is used next."""
        self.close(pod)
        address = self._addresses.pop(pod, None)
        if address is not None:
            del self._pods[address]
            self._free.append(address)

    def open(self, pod: str) -> None:
        """Listen on the pod's address from now on."""
        if pod in self._listening:
            return
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        listener.bind((self.address(pod), self.port))
        listener.listen(_BACKLOG)
        self._listening[pod] = listener
        if self._runner is not None:
            self._spawn(self._serve(self._runner, pod, listener))

    def close(self, pod: str) -> None:
        """Refuse connections from now on."""
        listener = self._listening.pop(pod, None)
        if listener is None:
            return
        site = self._sites.pop(pod, None)
        if site is None:
            listener.close()
        else:
            self._spawn(site.stop())

    async def _serve(self, runner: web.AppRunner, pod: str, listener: socket.socket) -> None:
        if self._listening.get(pod) is not listener:  # closed before it was served
            return
        site = web.SockSite(runner, listener, backlog=_BACKLOG)
        self._sites[pod] = site
        await site.start()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _take_block(port: int) -> tuple[socket.socket, ipaddress.IPv4Network]:
    for block in BLOCKS.subnets(new_prefix=24):
        holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            holder.bind((str(block[1]), port))
        except OSError as error:
            holder.close()
            if error.errno == errno.EADDRNOTAVAIL:
                raise NetworkError(
                    f"{block[1]} is not an address of this machine; Linux has all of 127.0.0.0/8, other systems need "
                    "an alias on the loopback interface for each address"
                ) from error
            continue
        return holder, ipaddress.IPv4Network(block)
    raise NetworkError(
        f"port {port} is in use on every address of {BLOCKS}: a process listens on 0.0.0.0:{port}; "
        "stop it, or set another metrics.port in the policy"
    )
