"""The live controller's own parts against the simulated cluster, with a real world behind it."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass

import pytest

from autoscaler.actuators.balloon import Balloons
from autoscaler.actuators.manifest import BalloonSettings
from autoscaler.control.supply import endpoints, supply
from autoscaler.kube import collection
from autoscaler.kube.client import Kube
from autoscaler.kube.discovery import Discovery
from autoscaler.kube.scale import read_scale, read_template
from autoscaler.kube.watches import Watches
from crds.kinds import SCALING_POLICY
from crds.workload import Workload
from policies.supply import Supply
from replay.simcluster.serve import SimCluster
from tests.autoscaler.actuators.cluster import a_need
from tests.replay.simcluster.test_serve import SCENARIO
from tests.support.fake_clock import FakeClock


@dataclass
class Live:
    cluster: SimCluster
    kube: Kube
    watches: Watches
    workload: Workload

    async def supply(self) -> Supply:
        scale = await read_scale(self.kube, Discovery(self.kube), "serving", self.workload.target)
        now = self.cluster.world.now_seconds
        standby = [Balloons(self.kube, self.watches, BalloonSettings(max_balloons=4)).observe(self.workload, now)]
        seen = supply(scale, self.watches.pods("serving"), standby, now)
        assert seen is not None
        return seen


async def _until(holds: Callable[[], bool]) -> None:
    """What is watched arrives over a socket."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.fixture
async def live(policy) -> AsyncIterator[Live]:  # type: ignore[no-untyped-def]
    cluster = SimCluster(SCENARIO, policy, rate=30.0)
    at = await cluster.start()
    kube = await Kube.connect(at.kubeconfig_path)
    watches = Watches(kube, FakeClock(), random.Random(1), None)
    watches.follow(["serving"])
    task = asyncio.create_task(watches.run())
    await _until(lambda: watches.policies.synced and watches.pods("serving").synced and watches.jobs("serving").synced)
    raw = watches.policies.get("serving", "llm")
    assert raw is not None
    workload = SCALING_POLICY.resolve(raw)
    assert isinstance(workload, Workload)
    yield Live(cluster, kube, watches, workload)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await kube.close()
    await cluster.stop()


async def test_supply_is_what_the_world_has(live: Live) -> None:
    assert await live.supply() == live.cluster.world.supply()
    await live.kube.merge_patch("/apis/apps/v1/namespaces/serving/deployments/llm/scale", {"spec": {"replicas": 4}})
    await _until(lambda: sum(1 for _ in live.watches.pods("serving")) == 4)
    seen = await live.supply()
    assert (seen.spec_replicas, len(seen.ready), seen.unplaced) == (4, 2, 2)
    scale = await read_scale(live.kube, Discovery(live.kube), "serving", live.workload.target)
    assert len(endpoints(live.workload, scale, live.watches.pods("serving"))) == 2


async def test_a_balloon_is_taken_in_and_goes_with_its_policy(live: Live) -> None:
    balloons = Balloons(live.kube, live.watches, BalloonSettings(max_balloons=4))
    template = await read_template(live.kube, Discovery(live.kube), "serving", live.workload.target)
    change = await balloons.ensure(live.workload, template, *a_need(2), live.cluster.world.now_seconds)
    assert (len(change.created), change.problem) == (2, "")
    await _until(lambda: sum(1 for _ in live.watches.jobs("serving")) == 2)
    seen = await live.supply()
    assert seen.preparing + seen.prepared == 2
    assert len(live.cluster.world.balloons()) == 2
    await live.kube.delete(collection.policies("serving").item("serving", "llm"), live.workload.uid)
    await _until(lambda: sum(1 for _ in live.watches.jobs("serving")) == 0)
    assert live.cluster.world.balloons() == ()
