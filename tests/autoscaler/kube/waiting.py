"""Waiting for what comes over a real socket: as long as it takes, at most five seconds."""

import asyncio
from collections.abc import Callable


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(5.0):
        while not true():  # noqa: ASYNC110 - the condition depends on a socket, and no event reports it
            await asyncio.sleep(0.001)
