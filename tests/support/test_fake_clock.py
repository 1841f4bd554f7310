import asyncio

import pytest

from autoscaler.clock import Clock
from tests.support.fake_clock import FakeClock


async def test_sleepers_wake_in_order_at_their_own_instants() -> None:
    clock: Clock = (fake := FakeClock(100.0))
    woken: list[tuple[str, float]] = []

    async def every(name: str, seconds: float) -> None:
        while True:
            await clock.sleep(seconds)
            woken.append((name, clock.now()))

    tasks = [asyncio.create_task(every("slow", 3.0)), asyncio.create_task(every("fast", 2.0))]
    await fake.advance(6.0)
    assert woken == [("fast", 102.0), ("slow", 103.0), ("fast", 104.0), ("slow", 106.0), ("fast", 106.0)]
    assert clock.now() == 106.0
    assert fake.sleeping == 2
    for task in tasks:
        task.cancel()
    await fake.advance(10.0)
    assert fake.sleeping == 0
    assert len(woken) == 5


async def test_one_wake_up_runs_its_whole_chain_before_the_next() -> None:
    clock = FakeClock()
    log: list[str] = []

    async def chain(depth: int) -> None:
        if depth:
            await asyncio.gather(chain(depth - 1))
        else:
            log.append("deep")

    async def first() -> None:
        await clock.sleep(1.0)
        await chain(20)

    async def second() -> None:
        await clock.sleep(1.0)
        log.append("second")

    tasks = [asyncio.create_task(first()), asyncio.create_task(second())]
    await clock.advance(1.0)
    assert log == ["deep", "second"]
    await asyncio.gather(*tasks)


async def test_time_never_runs_backwards_and_a_spinning_task_is_reported() -> None:
    clock = FakeClock()
    with pytest.raises(ValueError, match="never runs backwards"):
        await clock.advance(-1.0)
    await clock.sleep(0.0)

    def spin() -> None:
        asyncio.get_running_loop().call_soon(spin)

    spin()
    with pytest.raises(AssertionError, match="spins"):
        await clock.advance(1.0)
