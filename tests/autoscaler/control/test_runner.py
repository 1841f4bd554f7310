"""The parts of one policy: in their order, at their pace, and one failing apart from the others."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

from structlog.testing import capture_logs

from autoscaler.actuators.noop import Noop
from autoscaler.control import runner
from autoscaler.control.runner import Part, Parts, PolicyRunner
from autoscaler.control.runtime import PolicyRuntime
from autoscaler.control.target import TargetReader
from autoscaler.control.transport import TransportReader
from autoscaler.kube.client import Kube
from autoscaler.kube.scale import Scale
from autoscaler.kube.watches import Watches
from crds.notation.selectors import parse
from policies.engine import GRID_SECONDS
from policies.model import State
from tests.autoscaler.kube.workloads import WORKLOAD
from tests.support.fake_clock import FakeClock, settle


class Works:
    """Notes its turns."""

    def __init__(self, name: str, turns: list[str]) -> None:
        self.name, self.turns = name, turns

    async def run(self, runtime: PolicyRuntime) -> None:
        self.turns.append(self.name if runtime.deciding else f"{self.name} first")


class Fails(Works):
    async def run(self, runtime: PolicyRuntime) -> None:
        await super().run(runtime)
        raise ZeroDivisionError("a fault of ours")


class Hangs(Works):
    async def run(self, runtime: PolicyRuntime) -> None:
        await super().run(runtime)
        await asyncio.Event().wait()


def decide(runtime: PolicyRuntime, now_seconds: float) -> None:
    proposal = runtime.propose(runtime.inputs({}, now_seconds, on_grid=True))
    assert proposal is not None
    runtime.settle(proposal, proposal.asked)


@asynccontextmanager
async def running(
    clock: FakeClock, *, target: Part, at_start: Part, after: tuple[Part, ...], on_grid: tuple[Part, ...]
) -> AsyncIterator[PolicyRuntime]:
    watches = Watches(cast(Kube, None), clock, random.Random(1), None)
    watches.follow(["ns"])
    watches.pods("ns").replace(())
    runtime = PolicyRuntime(WORKLOAD, State(), watches, (Noop(),), clock.now())
    runtime.offer_scale(Scale(1, parse("app=chat")), clock.now())
    transport = cast(TransportReader, Works("transport", []))
    parts = Parts((), cast(TargetReader, target), transport, at_start, after, on_grid)
    task = asyncio.create_task(PolicyRunner(runtime, parts, clock).run())
    await settle()
    yield runtime
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_parts_run_in_their_order_after_each_decision_and_at_least_once_a_grid_step() -> None:
    clock, turns = FakeClock(), list[str]()
    target, start, first, second, grid = (Works(name, turns) for name in ("target", "start", "first", "second", "grid"))
    async with running(clock, target=target, at_start=start, after=(first, second), on_grid=(grid,)) as runtime:
        assert turns == ["target first", "start first", "target", "first", "second", "grid"]
        turns.clear()
        decide(runtime, clock.now())
        await settle()
        assert turns == ["target", "first", "second"]
        turns.clear()
        await clock.advance(GRID_SECONDS)
        assert sorted(turns) == ["first", "grid", "second", "target"]


async def test_a_decision_that_changes_nothing_waits_for_the_policys_own_moment() -> None:
    clock, turns = FakeClock(), list[str]()
    target, rest = Works("target", turns), Works("rest", [])
    async with running(clock, target=target, at_start=rest, after=(), on_grid=(rest,)) as runtime:
        decide(runtime, clock.now())
        await settle()
        turns.clear()
        decide(runtime, clock.now() + GRID_SECONDS)
        await settle()
        assert turns == []
        runtime.follow(replace(WORKLOAD, generation=5), clock.now())
        await settle()
        assert turns == ["target"]


async def test_policies_have_their_turns_apart_from_each_other_and_from_the_tick() -> None:
    clock = FakeClock(GRID_SECONDS * 1e8)
    watches = Watches(cast(Kube, None), clock, random.Random(1), None)
    part = cast(Any, Works("", []))
    parts = Parts((), part, part, part, (), ())
    due = []
    for index in range(100):
        policy = replace(WORKLOAD.policy, name=f"ns/m{index}")
        runtime = PolicyRuntime(replace(WORKLOAD, policy=policy), State(), watches, (Noop(),), clock.now())
        due.append(PolicyRunner(runtime, parts, clock)._due_seconds - clock.now())
    assert runner.BUSY_SECONDS <= min(due) < max(due) < GRID_SECONDS
    assert max(Counter(int(seconds) for seconds in due).values()) < 20


async def test_a_part_that_fails_costs_one_turn_of_its_own() -> None:
    clock, turns = FakeClock(), list[str]()
    target, start, first, grid = (Fails(name, turns) for name in ("target", "start", "first", "grid"))
    second = Works("second", turns)
    with capture_logs() as logs:
        async with running(clock, target=target, at_start=start, after=(first, second), on_grid=(grid,)):
            await clock.advance(GRID_SECONDS)
    assert turns[-4:].count("second") == 1
    assert turns.count("second") == turns.count("first") == turns.count("grid") == 2
    assert {(each["event"], each["part"], each["log_level"]) for each in logs} == {("part.failed", "Fails", "error")}


async def test_a_part_that_hangs_stops_none_that_runs_beside_it() -> None:
    clock, turns = FakeClock(), list[str]()
    target, grid = Works("target", turns), Works("grid", turns)
    start, after, other = (Hangs(name, turns) for name in ("start", "after", "other"))
    async with running(clock, target=target, at_start=start, after=(after,), on_grid=(other, grid)) as runtime:
        await clock.advance(4 * GRID_SECONDS)
        assert runtime.deciding
    assert turns.count("grid") == 5
    assert turns.count("start first") == turns.count("after") == turns.count("other") == 1
