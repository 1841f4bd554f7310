"""Standby nodes held by Jobs: as many of each offering as claimed, seen phase by phase, and let go."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from autoscaler.actuators.base import Change
from autoscaler.actuators.podless import LIMIT_SECONDS
from autoscaler.actuators.rests import FIRST_SECONDS
from autoscaler.actuators.standby.manifest import HoldSettings, standby_job
from policies.engine import GRID_SECONDS
from policies.pool import StandbyPhase
from tests.autoscaler.actuators.nodes import NODES
from tests.autoscaler.actuators.standby.cluster import JOBS, PODS, Cluster, cluster
from tests.support.fake_api import HTML, status
from tests.support.standby_pools import RESERVED, SPOT, a_gpu_pool, a_pool_plan, offering

ZERO, ONE, SPOT_ZERO = "h100-reserved-standby-0", "h100-reserved-standby-1", "h100-spot-standby-0"


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster(tmp_path) as made:
        yield made


def phases(there: Cluster) -> list[StandbyPhase]:
    found = there.observe()
    assert found is not None
    return [each.phase for each in found]


# -- what is made


def test_a_job_claims_a_whole_node_of_its_offering() -> None:
    pool = a_gpu_pool(
        "h100",
        offering(RESERVED, gpus=4, taints=[{"key": "team", "value": "a"}]),
        nodeSelector={"gpu": "h100"},
        taints=[{"key": "nvidia.com/gpu", "value": "present"}],
    )
    job = standby_job(pool, pool.offerings[0], 0, HoldSettings(namespace="ours", deadline_seconds=60))
    assert job["metadata"]["namespace"] == "ours"
    [owner] = job["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("GPUPool", "h100", "uid-of-h100")
    assert (job["spec"]["activeDeadlineSeconds"], job["spec"]["backoffLimit"]) == (60, 0)
    pod = job["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"gpu": "h100", "karpenter.sh/nodepool": "h100-reserved"}
    assert {each["key"] for each in pod["tolerations"]} == {"team", "nvidia.com/gpu"}
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "4"
    assert pod["containers"][0]["resources"]["requests"] == pod["containers"][0]["resources"]["limits"]
    assert pod["priorityClassName"] == "outrider-balloon"
    assert "command" not in pod["containers"][0]


def test_names_fit_and_differ_by_offering_and_pool() -> None:
    long = "a" * 62
    pools = [a_gpu_pool(name, offering("a" * 58), offering("b" * 58)) for name in (f"{long}a", f"{long}b")]
    names = {
        standby_job(pool, each, slot, HoldSettings())["metadata"]["name"]
        for pool in pools
        for each in pool.offerings
        for slot in (0, 12)
    }
    assert len(names) == 8
    assert all(len(name) <= 63 for name in names)


# -- to the plan


async def test_as_many_of_each_offering_as_claimed(there: Cluster) -> None:
    change = await there.ensure(reserved=2, spot=1)
    assert len(change.created) == 3
    assert there.jobs() == [ZERO, ONE, SPOT_ZERO]
    assert await there.ensure(reserved=2, spot=1) == Change()


async def test_those_that_are_claimed_no_longer_go_the_ready_ones_last(there: Cluster) -> None:
    await there.ensure(reserved=2)
    await there.land(ONE)
    change = await there.ensure(reserved=1)
    assert len(change.released) == 1
    assert there.jobs() == [ONE]
    await there.ensure(spot=1)
    assert there.jobs() == [SPOT_ZERO]


async def test_never_more_than_the_pool_may_hold(there: Cluster) -> None:
    await there.ensure(reserved=9)
    assert len(there.jobs()) == 3


async def test_jobs_of_an_offering_that_is_gone_or_has_a_buffer_go(there: Cluster) -> None:
    await there.ensure(reserved=1, spot=1)
    there.pools = [a_gpu_pool("h100", offering(RESERVED, capacityBuffer="h100"))]
    await there.ensure(reserved=1)
    assert there.jobs() == []


async def test_another_selector_rolls_them(there: Cluster) -> None:
    await there.ensure(reserved=1)
    there.pools = [a_gpu_pool("h100", offering(RESERVED, nodeSelector={"other": "label"}))]
    change = await there.ensure(reserved=1)
    assert (len(change.created), len(change.released)) == (1, 1)
    job = there.api.objects[there.path(ZERO)]
    assert job["spec"]["template"]["spec"]["nodeSelector"] == {"other": "label"}


async def test_a_pool_of_the_same_name_does_not_take_over_what_another_held(there: Cluster) -> None:
    await there.ensure(reserved=1)
    there.pools = [replace(there.pools[0], uid="another")]
    await there.ensure(reserved=1)
    [path] = [path for path in there.api.objects if path.startswith(JOBS)]
    assert there.api.objects[path]["metadata"]["ownerReferences"][0]["uid"] == "another"


async def test_a_node_that_a_replica_took_is_not_replaced_before_the_next_decision(there: Cluster) -> None:
    await there.ensure(reserved=1)
    await there.land(ZERO)
    await there.ensure(reserved=1)
    await there.preempt(ZERO)
    assert (await there.ensure(reserved=1)).created == ()
    await there.clock.advance(GRID_SECONDS)
    assert len((await there.ensure(reserved=1)).created) == 1


async def test_one_whose_time_is_up_is_replaced_at_once(there: Cluster) -> None:
    await there.ensure(reserved=1)
    await there.land(ZERO)
    await there.ensure(reserved=1)
    await there.end(ZERO, "DeadlineExceeded")
    assert len((await there.ensure(reserved=1)).created) == 1


@pytest.mark.parametrize("taint", ["karpenter.sh/disrupted", "ToBeDeletedByClusterAutoscaler"])
async def test_one_on_a_node_that_is_taken_away_is_replaced_and_does_not_keep_the_node(
    there: Cluster, taint: str
) -> None:
    await there.ensure(reserved=1)
    await there.land(ZERO)
    await there.add_node("n", taints=((taint, "NoSchedule"),))
    assert phases(there) == [StandbyPhase.LEAVING]
    change = await there.ensure(reserved=1)
    assert len(change.released) == 1
    assert there.jobs() == [ZERO]
    assert phases(there) == [StandbyPhase.REQUESTED]


# -- what is seen


async def test_each_phase_is_seen_with_its_time(there: Cluster) -> None:
    there.admits = False
    asked = there.clock.now()
    await there.ensure(reserved=1)
    assert phases(there) == [StandbyPhase.WAITING]
    there.admits = True
    await there.control()
    there.catch_up()
    assert phases(there) == [StandbyPhase.REQUESTED]
    await there.clock.advance(30)
    registered = there.clock.now()
    await there.add_node("n", gpus=None)
    [unit] = there.observe() or ()
    assert (unit.phase, unit.requested_seconds, unit.since_seconds) == (StandbyPhase.STARTING, asked, registered)
    assert unit.node == "n", "whose cost counts from now on"
    await there.clock.advance(30)
    await there.land(ZERO, phase="Pending")
    assert phases(there) == [StandbyPhase.STARTING]
    there.images = {"n": 2}
    await there.land(ZERO)
    [unit] = there.observe() or ()
    assert (unit.phase, unit.since_seconds, unit.node, unit.images) == (
        StandbyPhase.READY,
        there.clock.now(),
        "n",
        2,
    )
    assert unit.offering == RESERVED
    assert unit.name.startswith(ZERO)


async def test_as_many_start_as_nodes_have_registered_since(there: Cluster) -> None:
    await there.add_node("old", gpus=None)
    await there.clock.advance(60)
    await there.ensure(reserved=2)
    assert phases(there) == [StandbyPhase.REQUESTED] * 2
    await there.clock.advance(60)
    await there.add_node("elsewhere", SPOT, gpus=None)
    await there.add_node("up")
    assert phases(there) == [StandbyPhase.REQUESTED] * 2
    await there.add_node("new", gpus=None)
    assert sorted(phases(there)) == [StandbyPhase.REQUESTED, StandbyPhase.STARTING]


async def test_a_suspended_one_and_a_gated_one_wait(there: Cluster) -> None:
    await there.ensure(reserved=2)
    job, gated = there.api.objects[there.path(ZERO)], f"{PODS}/{there.path(ONE).rsplit('/', 1)[1]}-x"
    await there.api.put(there.path(ZERO), {**job, "spec": {**job["spec"], "suspend": True}})
    waits = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}
    await there.api.put(gated, {**there.api.objects[gated], "status": {"phase": "Pending", "conditions": [waits]}})
    there.catch_up()
    assert phases(there) == [StandbyPhase.WAITING] * 2


async def test_a_name_never_comes_again(there: Cluster) -> None:
    await there.ensure(reserved=1)
    [before] = there.observe() or ()
    await there.ensure()
    await there.ensure(reserved=1)
    [now] = there.observe() or ()
    assert before.name != now.name


async def test_what_has_ended_is_none(there: Cluster) -> None:
    await there.ensure(reserved=1)
    await there.land(ZERO)
    await there.preempt(ZERO)
    assert there.observe() == ()


async def test_without_a_list_it_is_unknown(there: Cluster) -> None:
    there.watches.jobs.synced = False
    assert there.observe() is None
    change = await there.standby.ensure(there.pools[0], a_pool_plan(), there.clock.now())
    assert change == Change(
        problem="the Jobs in namespace outrider-system have not been listed yet, so no standby node is held"
    )
    there.watches.jobs.problem = "forbidden"
    assert "cannot be read" in (await there.standby.ensure(there.pools[0], a_pool_plan(), there.clock.now())).problem


# -- what does not come


async def test_one_without_a_pod_is_reported_and_let_go_within_12_seconds_and_tried_again_later(
    there: Cluster,
) -> None:
    there.admits = False
    began = there.clock.now()
    await there.ensure(reserved=1)
    while there.jobs():
        await there.clock.advance(2)
        change = await there.ensure(reserved=1)
    assert LIMIT_SECONDS <= there.clock.now() - began <= 12
    assert change.created == ()
    assert change.problem.startswith("the standby node h100-reserved-standby-0-")
    assert "got no pod and was let go" in change.problem
    assert there.observe() == ()
    assert len((await there.ensure(spot=1)).created) == 1, "another offering may do better"
    await there.clock.advance(FIRST_SECONDS)
    assert len((await there.ensure(reserved=1)).created) == 1


async def test_one_that_is_suspended_is_reported_and_let_go(there: Cluster) -> None:
    await there.ensure(reserved=1)
    job = there.api.objects[there.path(ZERO)]
    await there.api.put(there.path(ZERO), {**job, "spec": {**job["spec"], "suspend": True}})
    there.catch_up()
    await there.ensure(reserved=1)
    await there.clock.advance(LIMIT_SECONDS)
    change = await there.ensure(reserved=1)
    assert len(change.released) == 1
    assert "was suspended" in change.problem
    assert "standby.maxNodes" in change.problem


async def test_a_creation_that_is_refused_is_reported_and_rested(there: Cluster) -> None:
    there.api.faults.append((f"POST {JOBS}", status(403, "Forbidden", "exceeded quota")))
    change = await there.ensure(reserved=1)
    assert "exceeded quota" in change.problem
    again = await there.ensure(reserved=1)
    assert again.created == ()
    assert "exceeded quota" in again.problem
    await there.clock.advance(FIRST_SECONDS)
    assert len((await there.ensure(reserved=1)).created) == 1


async def test_a_pod_that_failed_is_reported(there: Cluster) -> None:
    await there.ensure(reserved=1)
    await there.land(ZERO, phase="Failed")
    assert (await there.ensure(reserved=1)).problem.startswith("the standby node h100-reserved-standby-0-")


async def test_a_failing_api_is_a_problem_and_no_more(there: Cluster) -> None:
    there.api.standing.append((JOBS, HTML))
    assert (await there.ensure(reserved=1)).problem
    there.api.standing.clear()
    assert len((await there.ensure(reserved=1)).created) == 1


# -- swept


async def test_those_of_a_deleted_pool_go_and_others_stay(there: Cluster) -> None:
    there.pools = [a_gpu_pool("h100"), a_gpu_pool("a100")]
    for each in there.pools:
        await there.ensure(each, reserved=1)
    there.pools = there.pools[1:]
    change = await there.standby.release(there.clock.now())
    assert len(change.released) == 1
    assert there.jobs() == ["a100-reserved-standby-0"]


async def test_before_the_pools_are_known_none_is_swept(there: Cluster) -> None:
    await there.ensure(reserved=1)
    there.standby._pools = lambda: None
    assert (await there.standby.release(there.clock.now())).problem
    assert there.jobs() == [ZERO]


async def test_one_that_nothing_has_ended_is_swept(there: Cluster) -> None:
    await there.ensure(reserved=1)
    await there.clock.advance(HoldSettings().deadline_seconds + 61)
    await there.standby.release(there.clock.now())
    assert there.jobs() == []


async def test_a_node_is_no_job(there: Cluster) -> None:
    """Releasing touches nothing but Jobs."""
    await there.ensure(reserved=1)
    await there.land(ZERO)
    await there.ensure()
    assert f"{NODES}/n" in there.api.objects
    assert all(each.startswith(f"DELETE {JOBS}/") for each in there.api.requests if each.startswith("DELETE"))
