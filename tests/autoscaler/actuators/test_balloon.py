import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from autoscaler.actuators.base import Change
from autoscaler.actuators.manifest import BalloonSettings
from autoscaler.actuators.rests import FIRST_SECONDS
from policies.model import Mode
from tests.autoscaler.actuators.cluster import JOBS, Cluster, a_need, cluster
from tests.autoscaler.kube.workloads import TEMPLATE, workload
from tests.support.fake_api import HTML, LOST, Fault, status

ZERO, ONE, TWO = "chat-balloon-0", "chat-balloon-1", "chat-balloon-2"
OTHER_IMAGE = {"spec": {**TEMPLATE["spec"], "containers": [{**TEMPLATE["spec"]["containers"][0], "image": "new"}]}}


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster(tmp_path) as made:
        yield made


async def test_as_many_balloons_are_made_as_are_wanted(there: Cluster) -> None:
    assert len((await there.ensure(2)).created) == 2
    assert there.jobs() == [ZERO, ONE]


async def test_when_nothing_is_to_do_nothing_is_asked(there: Cluster) -> None:
    await there.ensure(2)
    asked = len(there.api.requests)
    assert await there.ensure(2) == Change()
    assert len(there.api.requests) == asked


async def test_never_more_than_the_policy_allows(there: Cluster) -> None:
    await there.ensure(99)
    assert there.jobs() == [ZERO, ONE, TWO]


async def test_before_the_first_list_nothing_is_done(there: Cluster) -> None:
    there.watches.jobs("ns").synced = False
    assert (
        await there.balloons.ensure(workload(), TEMPLATE, *a_need(2), 0.0)
    ).problem == "the Jobs in namespace ns have not been listed yet, so no balloon is created"
    assert there.jobs() == []


async def test_a_crash_leaves_no_balloon_behind_and_makes_none_twice(there: Cluster) -> None:
    await there.ensure(2)
    there.crash()
    assert await there.ensure(2) == Change()
    there.crash()
    await there.ensure(1)
    assert there.jobs() == [ZERO]


async def test_a_crash_between_two_creations_is_made_good(there: Cluster) -> None:
    there.api.standing.append((f"POST {JOBS}", HTML))
    assert "500" in (await there.ensure(2)).problem
    there.api.standing.clear()
    there.crash()
    await there.ensure(2)
    assert there.jobs() == [ZERO, ONE]


async def test_two_controllers_at_once_make_each_balloon_once(there: Cluster) -> None:
    other = Cluster(there.kube, there.api, there.clock)
    await there.balloons.ensure(workload(), TEMPLATE, *a_need(3), there.clock.now())
    change = await other.balloons.ensure(workload(), TEMPLATE, *a_need(3), there.clock.now())
    assert change == Change()
    assert there.jobs() == [ZERO, ONE, TWO]


async def test_a_creation_whose_answer_is_lost_is_not_repeated(there: Cluster) -> None:
    there.api.faults.append((f"POST {JOBS}", LOST))
    assert "POST" in (await there.ensure(1)).problem
    assert there.jobs() == [ZERO]
    there.crash()
    assert await there.ensure(1) == Change()


async def test_a_deletion_whose_answer_is_lost_is_not_repeated(there: Cluster) -> None:
    await there.ensure(1)
    there.api.faults.append((f"DELETE {JOBS}", LOST))
    await there.ensure(0)
    assert there.jobs() == []
    assert await there.ensure(0) == Change()


async def test_one_that_exists_already_is_success(there: Cluster) -> None:
    there.api.faults.append((f"GET {JOBS}", Fault(200, b'{"metadata": {"resourceVersion": "1"}, "items": []}')))
    await Cluster(there.kube, there.api, there.clock).ensure(1)  # another controller, not seen in the list
    there.watches.jobs("ns").replace([])
    there.api.faults.append((f"GET {JOBS}", Fault(200, b'{"metadata": {"resourceVersion": "1"}, "items": []}')))
    assert await there.balloons.ensure(workload(), TEMPLATE, *a_need(1), there.clock.now()) == Change()
    assert there.jobs() == [ZERO]


async def test_a_watch_that_lags_makes_nothing_twice(there: Cluster) -> None:
    await there.balloons.ensure(workload(), TEMPLATE, *a_need(2), there.clock.now())
    assert await there.balloons.ensure(workload(), TEMPLATE, *a_need(2), there.clock.now()) == Change()
    assert there.jobs() == [ZERO, ONE]


async def test_balloons_without_a_node_are_deleted_first(there: Cluster) -> None:
    await there.ensure(3)
    await there.run_pod(ZERO)
    await there.run_pod(TWO)
    await there.ensure(2)
    assert there.jobs() == [ZERO, TWO]


async def test_then_the_newest_is_deleted(there: Cluster) -> None:
    await there.ensure(1)
    await there.run_pod(ZERO)
    await there.clock.advance(60)
    await there.ensure(2)
    await there.run_pod(ONE)
    await there.clock.advance(60)
    await there.api.remove(there.path(ZERO))
    there.catch_up()
    await there.ensure(2)
    await there.run_pod(ZERO)  # the youngest
    await there.ensure(1)
    assert there.jobs() == [ONE]


async def test_deletion_names_the_very_job(there: Cluster) -> None:
    await there.ensure(1)
    uid = there.api.objects[there.path(ZERO)]["metadata"]["uid"]
    await there.ensure(0)
    assert there.api.bodies[-1]["preconditions"] == {"uid": uid}
    assert there.jobs() == []


async def test_a_balloon_that_gave_way_to_a_replica_is_made_again_only_if_still_wanted(there: Cluster) -> None:
    await there.ensure(2)
    await there.run_pod(ZERO)
    await there.run_pod(ONE)
    await there.preempt(ZERO)
    await there.ensure(1)
    assert there.jobs() == [ONE]
    assert there.jobs(ended=True) == []
    await there.preempt(ONE)
    await there.ensure(1)
    assert there.jobs() == [ZERO]


async def test_a_balloon_without_a_node_does_not_compete_with_the_replica_that_it_was_made_for(there: Cluster) -> None:
    await there.ensure(3)
    await there.run_pod(ONE, phase="Pending")  # bound, and pulling
    await there.ensure(3, awaited=1)
    assert there.jobs() == [ZERO, ONE, TWO], "the replica takes the place of the bound one"
    await there.ensure(3, awaited=2)
    assert ONE in there.jobs()
    assert len(there.jobs()) == 2, "for the second a node is on its way"
    await there.ensure(3, awaited=3)
    assert there.jobs() == [ONE]


async def test_a_preempted_balloon_is_not_made_again_before_its_replica_has_the_node(there: Cluster) -> None:
    await there.ensure(1)
    await there.run_pod(ZERO)
    await there.preempt(ZERO)
    await there.ensure(1, awaited=1)
    assert there.jobs() == there.jobs(ended=True) == []


async def test_a_balloon_past_its_deadline_is_replaced(there: Cluster) -> None:
    await there.ensure(1)
    await there.expire(ZERO)
    await there.ensure(1)
    assert there.jobs() == [ZERO]
    assert there.jobs(ended=True) == []


async def test_a_balloon_whose_container_fails_rests_for_a_minute(there: Cluster) -> None:
    await there.ensure(1)
    await there.crash_container(ZERO)
    await there.clock.advance(59)
    change = await there.ensure(1)
    assert change == Change(problem=change.problem)
    assert change.problem.endswith(" failed: its container ended; its image must contain sleep")
    await there.clock.advance(1)
    await there.ensure(1)
    assert there.jobs() == [ZERO]


async def test_a_new_image_rolls_the_balloons(there: Cluster) -> None:
    await there.ensure(2)
    await there.run_pod(ZERO)
    change = await there.ensure(2, template=OTHER_IMAGE)
    assert len(change.released) == len(change.created) == 2
    images = [
        job["spec"]["template"]["spec"]["containers"][0]["image"]
        for job in there.api.objects.values()
        if "spec" in job and "template" in job["spec"]
    ]
    assert images == ["new", "new"]


async def test_a_restart_of_the_rollout_rolls_no_balloon(there: Cluster) -> None:
    await there.ensure(1)
    annotated = {**TEMPLATE, "metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}
    assert await there.ensure(1, template=annotated) == Change()


async def test_without_a_template_balloons_are_still_deleted(there: Cluster) -> None:
    await there.ensure(2)
    assert len((await there.ensure(1, template=None)).released) == 1
    change = await there.ensure(3, template=None)
    assert change == Change(problem=change.problem)
    assert change.problem.startswith("the target's pod template has not been read")
    assert there.jobs() == [ZERO]


async def test_a_template_without_a_gpu_is_reported_and_creates_nothing(there: Cluster) -> None:
    bare = {"spec": {"containers": [{"name": "vllm", "image": "i", "resources": {"requests": {"cpu": "1"}}}]}}
    assert "nvidia.com/gpu" in (await there.ensure(1, template=bare)).problem
    assert there.jobs() == []


async def test_shadow_creates_none_and_deletes_those_that_exist(there: Cluster) -> None:
    await there.ensure(2)
    assert len((await there.ensure(2, of=workload(mode=Mode.SHADOW))).released) == 2
    assert there.jobs() == []


async def test_the_cluster_wide_cap_holds_over_policies_and_is_reported(tmp_path: Path) -> None:
    async with cluster(tmp_path, BalloonSettings(max_balloons=4)) as there:
        there.policies = [workload("a"), workload("b"), workload("c", namespace="far")]
        there.crash()
        now = there.clock.now()
        first, second, third = [await there.balloons.ensure(each, TEMPLATE, *a_need(3), now) for each in there.policies]
        assert [len(change.created) for change in (first, second, third)] == [3, 1, 0]
        assert [change.refused for change in (first, second, third)] == [0, 2, 3]
        there.crash()
        assert (await there.ensure(3, there.policies[1])).refused == 2
        assert len(there.jobs()) == 4


async def test_two_workloads_at_once_do_not_take_the_same_room(tmp_path: Path) -> None:
    async with cluster(tmp_path, BalloonSettings(max_balloons=4)) as there:
        there.policies = [workload("a"), workload("b"), workload("c")]
        there.crash()
        now = there.clock.now()
        await asyncio.gather(*(there.balloons.ensure(each, TEMPLATE, *a_need(3), now) for each in there.policies))
        assert len(there.jobs()) == 4


async def test_a_namespace_not_yet_known_stops_growth_but_no_release(there: Cluster) -> None:
    await there.ensure(2)
    there.watches.follow(["ns", "new"])
    now = there.clock.now()
    change = await there.balloons.ensure(workload(), TEMPLATE, *a_need(3), now)
    assert change == Change(problem="the Jobs in namespace new have not been listed yet, so no balloon is created")
    assert len((await there.balloons.ensure(workload(), TEMPLATE, *a_need(1), now)).released) == 1


async def test_rolling_needs_no_room_beyond_the_cap(tmp_path: Path) -> None:
    async with cluster(tmp_path, BalloonSettings(max_balloons=2)) as there:
        await there.ensure(2)
        change = await there.ensure(2, template=OTHER_IMAGE)
        assert (len(change.created), change.refused) == (2, 0)


async def test_a_full_quota_is_reported_and_tried_again(there: Cluster) -> None:
    there.api.standing.append((f"POST {JOBS}", status(403, "Forbidden", "exceeded quota: gpu")))
    assert "exceeded quota: gpu" in (await there.ensure(1)).problem
    there.api.standing.clear()
    await there.clock.advance(FIRST_SECONDS)
    await there.ensure(1)
    assert there.jobs() == [ZERO]


async def test_an_unreachable_api_is_reported(there: Cluster) -> None:
    there.api.standing.append((JOBS, HTML))
    assert "500" in (await there.ensure(1)).problem


async def test_a_namespace_without_policies_is_swept_until_it_has_no_balloon(there: Cluster) -> None:
    await there.ensure(1)
    await there.balloons.release(there.clock.now())
    there.policies = [workload("other", namespace="other")]
    there.watches.follow(["other"])
    there.catch_up()

    async def sweep() -> int:
        asked = len(there.api.requests)
        await there.balloons.release(there.clock.now())
        return len([each for each in there.api.requests[asked:] if "/namespaces/ns/" in each])

    assert [await sweep() for _ in range(3)] == [2, 1, 0], "found and deleted, found gone"
    assert there.jobs() == []


@pytest.mark.parametrize("why", ["gone", "shadow", "made anew", "late"])
async def test_the_sweep_finds_strays_by_label(there: Cluster, why: str) -> None:
    there.policies = [workload(), workload("other")]
    there.crash()
    await there.ensure(2)
    await there.ensure(1, there.policies[1])
    if why == "gone":
        there.policies = there.policies[1:]
    elif why == "shadow":
        there.policies[0] = workload(mode=Mode.SHADOW)
    elif why == "made anew":
        there.policies[0] = replace(workload(), uid="another")
    else:
        for slot in (ZERO, ONE):
            path = there.path(slot)
            late = {"metadata": {"creationTimestamp": "2020-01-01T00:00:00Z"}}
            await there.api.put(
                path,
                {
                    **there.api.objects[path],
                    **late | {"metadata": {**there.api.objects[path]["metadata"], **late["metadata"]}},
                },
            )
    there.crash()
    assert len((await there.balloons.release(there.clock.now())).released) == 2
    assert there.jobs() == ["other-balloon-0"]


async def test_the_sweep_reaches_a_namespace_whose_last_policy_went(there: Cluster) -> None:
    await there.ensure(1)
    await there.balloons.release(there.clock.now())
    there.policies = []
    there.watches.follow([])
    there.catch_up()
    await there.balloons.release(there.clock.now())
    assert there.jobs() == []


async def test_nothing_is_swept_before_the_policies_are_known(there: Cluster) -> None:
    await there.ensure(1)
    there.watches.policies.synced = False
    assert (await there.balloons.release(there.clock.now())).problem == (
        "the ScalingPolicies have not been listed yet, so no balloon is deleted"
    )
    assert there.jobs() == [ZERO]


async def test_a_job_of_others_is_left_alone(there: Cluster) -> None:
    await there.api.put(f"{JOBS}/theirs", {"metadata": {"labels": {"app.kubernetes.io/managed-by": "helm"}}})
    there.crash()
    await there.ensure(0)
    await there.balloons.release(there.clock.now())
    assert f"{JOBS}/theirs" in there.api.objects
