"""Runs a scraper against real sockets while the clock stands still."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from autoscaler.sources.scrape import Scraper


@asynccontextmanager
async def running(scraper: Scraper) -> AsyncIterator[None]:
    task = asyncio.create_task(scraper.run())
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Let sockets and processes do their work: the clock stands still meanwhile."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # no event says when a socket has done its work
            await asyncio.sleep(0.002)
