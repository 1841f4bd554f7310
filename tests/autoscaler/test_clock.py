"""Two clocks: the wall's, and the one that follows a simulated cluster's clock file."""

import asyncio
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from autoscaler.clock import SLICE_SECONDS, ScenarioClock, Slices, WallClock, pace

START = 1_700_000_000.0


class FakeMachine:
    """The monotonic clock and the sleep of `asyncio`; what it does not do: run other tasks while one sleeps."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self.slept: list[float] = []
        self.meanwhile = list[tuple[float, ...]]()  # paces that are written, one after each sleep
        self.file: Path | None = None

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
        if self.meanwhile:
            self.write(*self.meanwhile.pop(0))

    def write(self, monotonic: float, scenario: float, rate: float, until: float = math.inf) -> None:
        assert self.file is not None
        said = {"monotonic_seconds": monotonic, "scenario_seconds": scenario, "rate": rate, "until_seconds": until}
        self.file.write_text(json.dumps(said))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    machine = FakeMachine()
    machine.file = tmp_path / "clock"
    monkeypatch.setattr(time, "monotonic", machine.monotonic)
    monkeypatch.setattr(asyncio, "sleep", machine.sleep)
    machine.write(100.0, START, 30.0)
    return machine


@pytest.fixture
def clock(machine: FakeMachine) -> ScenarioClock:
    assert machine.file is not None
    return ScenarioClock(machine.file)


@dataclass
class System:
    """The system's time, which can be set."""

    machine: FakeMachine
    ahead_seconds: float = START - 100.0

    def time(self) -> float:
        return self.machine.seconds + self.ahead_seconds


@pytest.fixture
def system(machine: FakeMachine, monkeypatch: pytest.MonkeyPatch) -> System:
    system = System(machine)
    monkeypatch.setattr(time, "time", system.time)
    return system


def test_the_wall_s_clock_follows_the_system_s_time(machine: FakeMachine, system: System) -> None:
    clock = WallClock()
    for _ in range(3):
        machine.seconds += 5.0
        assert clock.now() == system.time()


def test_after_a_pause_it_follows_the_wall_again(machine: FakeMachine, system: System) -> None:
    """Most machines stop their monotonic clock as well."""
    clock = WallClock()
    system.ahead_seconds += 3600.0
    machine.seconds += 5.0
    assert clock.now() == START + 3605.0
    machine.seconds += 5.0
    assert clock.now() == START + 3610.0


def test_where_the_wall_is_set_back_it_runs_slower_until_the_wall_has_caught_up(
    machine: FakeMachine, system: System
) -> None:
    clock = WallClock()
    system.ahead_seconds -= 60.0
    machine.seconds += 100.0
    assert clock.now() == pytest.approx(START + 90.0)
    machine.seconds += 499.0
    assert clock.now() > system.time()
    machine.seconds += 2.0
    assert clock.now() == system.time()


def test_it_never_runs_backwards(machine: FakeMachine, system: System) -> None:
    clock = WallClock()
    before = clock.now()
    for step in (-1e9, 7200.0, -3600.0, 1e6, -1e6):
        system.ahead_seconds += step
        for _ in range(3):
            machine.seconds += 0.5
            assert clock.now() > before
            before = clock.now()


def test_it_runs_at_the_file_s_rate(machine: FakeMachine, clock: ScenarioClock) -> None:
    machine.seconds += 2.0
    assert clock.now() == START + 60.0
    machine.write(102.0, START + 60.0, 3.0)
    machine.seconds += 2.0
    assert clock.now() == START + 66.0


def test_it_stands_still_where_it_read_a_slower_rate_too_late(machine: FakeMachine, clock: ScenarioClock) -> None:
    machine.seconds += 2.0
    clock.now()
    machine.write(101.0, START + 30.0, 1.0)
    assert clock.now() == START + 60.0
    machine.seconds += 30.0
    assert clock.now() == START + 61.0


async def test_a_sleep_lasts_longer_where_the_rate_falls(machine: FakeMachine, clock: ScenarioClock) -> None:
    machine.meanwhile = [(100.1, START + 3.0, 3.0)]
    await clock.sleep(6.0)
    assert sum(machine.slept) == pytest.approx(0.1 + 1.0)
    assert clock.now() == pytest.approx(START + 6.0)


async def test_a_sleep_notices_within_a_tenth_of_a_second_that_the_rate_rises(
    machine: FakeMachine, clock: ScenarioClock
) -> None:
    machine.write(100.0, START, 0.01)
    machine.meanwhile = [(100.1, START + 0.001, 30.0)]
    await clock.sleep(3.001)
    assert sum(machine.slept) == pytest.approx(0.2)


def test_it_stands_still_at_the_limit(machine: FakeMachine, clock: ScenarioClock) -> None:
    machine.write(100.0, START, 30.0, START + 45.0)
    machine.seconds += 2.0
    assert clock.now() == START + 45.0
    machine.write(102.0, START + 45.0, 30.0, START + 90.0)
    machine.seconds += 1.0
    assert clock.now() == START + 75.0


async def test_a_sleep_goes_on_where_time_does(machine: FakeMachine, clock: ScenarioClock) -> None:
    machine.write(100.0, START, 30.0, START + 2.99)
    machine.meanwhile = [(100.0, START, 30.0, START + 2.99)] * 50 + [(100.15, START + 2.99, 30.0)]
    await clock.sleep(3.0)
    assert 50 <= len(machine.slept) < 60
    assert min(machine.slept) >= 0.001


async def test_a_sleep_of_nothing_yields_once(machine: FakeMachine, clock: ScenarioClock) -> None:
    await clock.sleep(-1.0)
    assert machine.slept == [0]


@pytest.mark.parametrize("left", ["", "{", None])
def test_the_last_rate_stays_when_the_cluster_has_gone(
    machine: FakeMachine, clock: ScenarioClock, left: str | None
) -> None:
    assert machine.file is not None
    machine.file.unlink() if left is None else machine.file.write_text(left)
    machine.seconds += 1.0
    assert clock.now() == START + 30.0


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"1",
        b"\xff",
        b'{"rate": 1}',
        b'{"monotonic_seconds": 1, "scenario_seconds": NaN, "rate": 1, "until_seconds": 1}',
        b'{"monotonic_seconds": 1, "scenario_seconds": 1, "rate": 0, "until_seconds": 1}',
        b'{"monotonic_seconds": 1, "scenario_seconds": 1, "rate": 31, "until_seconds": 1}',
        b'{"monotonic_seconds": 1, "scenario_seconds": 1, "rate": 1, "until_seconds": NaN}',
    ],
)
def test_what_is_no_clock_file(text: bytes) -> None:
    with pytest.raises(ValueError, match="clock"):
        pace(text)


async def test_a_long_job_yields_once_a_slice_and_not_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds, slept = [0.0], list[float]()

    class Noting(WallClock):
        async def sleep(self, seconds: float) -> None:
            slept.append(seconds)

    monkeypatch.setattr("autoscaler.clock.stopwatch_seconds", lambda: seconds[0])
    slices = Slices(Noting())
    for step in range(1, 31):
        seconds[0] = step * SLICE_SECONDS / 8.0  # exact in binary, so that a slice lasts 8 steps
        await slices.cut()
    assert slept == [0.0, 0.0, 0.0]
