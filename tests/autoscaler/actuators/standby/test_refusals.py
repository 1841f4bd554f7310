"""What node autoscalers say of standby pods, and that it is watched."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autoscaler.actuators.standby.refusals import Refusal, Refusals
from autoscaler.actuators.standby.watches import StandbyWatches
from autoscaler.kube.objects import uid
from crds.notation.timestamps import timestamp
from policies.pool import StandbyPhase
from tests.autoscaler.actuators.standby.cluster import JOBS, PODS, Cluster, cluster
from tests.support.fake_clock import settle

OUT = (
    "Failed to schedule pod, no instance type which had enough resources and the required offering met the requirements"
)
SCHEDULER = "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."


def event(reason: str, message: str, about: str = "pod-1", at_seconds: float | None = 60.0) -> dict[str, Any]:
    when = {} if at_seconds is None else {"lastTimestamp": timestamp(at_seconds)}
    return {"involvedObject": {"uid": about}, "reason": reason, "message": message, **when}


def last(*events: dict[str, Any], now_seconds: float = 90.0) -> Refusal | None:
    refusals = Refusals()
    for each in events:
        refusals.saw(each, now_seconds)
    return refusals.of("pod-1")


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("FailedScheduling", OUT),
        ("NotTriggerScaleUp", "pod didn't trigger scale-up: 1 in backoff after failed scale-up"),
    ],
)
def test_an_autoscaler_that_has_no_node_refuses(reason: str, message: str) -> None:
    assert last(event(reason, message)) == Refusal(60.0, message)
    assert last(event(reason, message, at_seconds=None)) == Refusal(90.0, message)


@pytest.mark.parametrize(
    "other",
    [
        event("FailedScheduling", SCHEDULER),
        event("Pulled", "done"),
        event("FailedScheduling", OUT, about="pod-2"),
        event("FailedScheduling", OUT, about=""),
        {},
    ],
)
def test_others_say_nothing_of_it(other: dict[str, Any]) -> None:
    assert last(other) is None


@pytest.mark.parametrize("reason", ["Nominated", "TriggeredScaleUp"])
def test_what_is_said_last_counts(reason: str) -> None:
    assert last(event("FailedScheduling", OUT), event(reason, "a node comes")) is None
    assert last(event(reason, "a node comes"), event("FailedScheduling", OUT)) is not None


def test_it_is_forgotten_with_the_pod_and_bounded() -> None:
    refusals = Refusals()
    for at in range(2000):
        refusals.saw(event("FailedScheduling", OUT, about=f"pod-{at}"), 0.0)
    assert refusals.of("pod-0") is None
    assert refusals.of("pod-1999") is not None
    refusals.keep({"pod-1998"})
    assert refusals.of("pod-1999") is None
    assert refusals.of("pod-1998") is not None


async def test_jobs_pods_and_events_are_watched_once_they_are_wanted(tmp_path: Path) -> None:
    async with cluster(tmp_path) as there:
        await there.ensure(reserved=1)
        there.watches = StandbyWatches(there.kube, there.clock, random.Random(1), "outrider-system")
        there.standby._own = there.watches
        before = len(there.api.requests)
        running = asyncio.create_task(there.watches.run())
        try:
            await settle()
            assert len(there.api.requests) == before, "nothing is read without a pool"
            assert there.observe() is None
            await until(lambda: there.observe() is not None)
            [unit] = there.observe() or ()
            assert unit.phase is StandbyPhase.REQUESTED
            [pod] = [pod for path, pod in there.api.objects.items() if path.startswith(PODS)]
            await until(lambda: there.api.watching == 3)
            said = event("FailedScheduling", OUT, uid(pod), there.clock.now())
            await there.api.put(
                "/api/v1/namespaces/outrider-system/events/e",
                {**said, "involvedObject": {"kind": "Pod", "uid": uid(pod)}, "type": "Warning"},
            )
            await until(lambda: phase_of(there) is StandbyPhase.REFUSED)
            await there.api.remove(next(path for path in there.api.objects if path.startswith(JOBS)))
            await until(lambda: there.observe() == ())
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running


def phase_of(there: Cluster) -> StandbyPhase | None:
    return next((each.phase for each in there.observe() or ()), None)


async def until(holds: Callable[[], bool]) -> None:
    """What the loop's sockets still hold comes in its own time."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0.01)
