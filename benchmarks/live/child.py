"""What each process of the load generator does: it answers questions on its standard input, and ends with it."""

import asyncio
import json
import resource
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

FILES = 20_000


async def serve(
    start: Callable[[], Coroutine[Any, Any, dict[str, Any]]], figures: Callable[[], dict[str, Any]]
) -> None:
    """Start, print what there is to know as a line of JSON, then answer every line with `figures`, its CPU seconds included."""
    limit = min(FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    print(json.dumps(await start()), flush=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.readline():
        print(json.dumps(figures() | {"cpu_seconds": time.process_time()}), flush=True)


class Child:
    """One of these processes, from the outside."""

    def __init__(self, process: asyncio.subprocess.Process, known: dict[str, Any]) -> None:
        self._process = process
        self.known = known

    @classmethod
    async def start(cls, module: str, *arguments: object) -> "Child":
        """Start `benchmarks.live.MODULE` and wait until it is ready."""
        command = (sys.executable, "-m", f"benchmarks.live.{module}", *map(str, arguments))
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=2**28)
        return cls(process, await cls._line(process, module))

    @staticmethod
    async def _line(process: asyncio.subprocess.Process, what: str) -> dict[str, Any]:
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line:
            raise SystemExit(f"the load generator's {what} ended")
        found: dict[str, Any] = json.loads(line)
        return found

    async def ask(self) -> dict[str, Any]:
        """Its figures so far."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        return await self._line(self._process, "process")

    async def stop(self) -> None:
        """End it."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
