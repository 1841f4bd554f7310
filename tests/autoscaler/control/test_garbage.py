"""Old garbage waits for an hour, and what is set for it ends with the controller."""

import asyncio
import gc

import pytest

from autoscaler.control import garbage
from autoscaler.control.garbage import NEVER, PERIOD_SECONDS, collect_rarely
from tests.support.fake_clock import FakeClock


async def test_what_is_old_is_collected_once_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, before, collected = FakeClock(), gc.get_threshold(), list[float]()
    monkeypatch.setattr(gc, "collect", lambda: collected.append(clock.now()))
    began = clock.now()
    task = asyncio.create_task(collect_rarely(clock))
    await clock.advance(2.5 * PERIOD_SECONDS)
    assert [at - began for at in collected] == [PERIOD_SECONDS, 2 * PERIOD_SECONDS]
    assert gc.get_threshold() == (*before[:2], NEVER)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert gc.get_threshold() == before


async def test_it_is_collected_sooner_once_memory_has_grown(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, collected = FakeClock(), list[float]()
    began = clock.now()
    monkeypatch.setattr(gc, "collect", lambda: collected.append(clock.now()))
    monkeypatch.setattr(garbage, "_most_bytes", lambda: int(500e3 * (clock.now() - began)))
    task = asyncio.create_task(collect_rarely(clock))
    await clock.advance(600.0)
    assert [at - began for at in collected] == [180.0, 360.0, 540.0]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
