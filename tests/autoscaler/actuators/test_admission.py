"""Balloons against what admits pods: quotas, priorities, refused replicas, Jobs that get no pod; and fair caps."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from autoscaler.actuators.admission import CLASSES_SECONDS, QUOTAS_SECONDS
from autoscaler.actuators.base import Change, Refused
from autoscaler.actuators.bounds import SHORT_SECONDS
from autoscaler.actuators.handover import RETRY_SECONDS, STALLED_SECONDS
from autoscaler.actuators.manifest import BalloonSettings
from autoscaler.actuators.podless import LIMIT_SECONDS
from autoscaler.actuators.rests import FIRST_SECONDS
from policies.model import Mode
from tests.autoscaler.actuators.cluster import JOBS, Cluster, a_need, cluster
from tests.autoscaler.kube.workloads import TEMPLATE, workload
from tests.support.fake_api import HTML, status

ZERO, ONE, TWO = "chat-balloon-0", "chat-balloon-1", "chat-balloon-2"
QUOTAS = "/api/v1/namespaces/ns/resourcequotas"
CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
GPU = "requests.nvidia.com/gpu"
OTHER = {**TEMPLATE["spec"], "serviceAccountName": "other"}
EXCEEDED = 'pods "chat-6" is forbidden: exceeded quota: gpu, requested: requests.nvidia.com/gpu=1'
REFUSED = Refused(2, EXCEEDED)


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster(tmp_path) as made:
        yield made


async def quota(there: Cluster, hard: int, used: int) -> None:
    """Of GPUs. A policy here has 10 replicas at most, and none yet."""
    spec = {"hard": {GPU: str(hard)}}
    await there.api.put(f"{QUOTAS}/gpu", {"spec": spec, "status": {**spec, "used": {GPU: str(used)}}})
    await there.clock.advance(QUOTAS_SECONDS)


# -- quotas


@pytest.mark.parametrize(("hard", "used", "count"), [(13, 0, 3), (12, 0, 2), (12, 1, 1), (10, 0, 0), (8, 6, 0)])
async def test_a_quota_is_left_to_all_replicas_up_to_the_maximum(
    there: Cluster, hard: int, used: int, count: int
) -> None:
    await quota(there, hard, used)
    change = await there.ensure(3)
    assert len(change.created) == count
    assert ("ResourceQuota gpu" in change.problem) == (count < 3)


async def test_the_replicas_of_every_policy_of_the_namespace_have_their_share(there: Cluster) -> None:
    there.policies = [workload("a"), workload("b"), workload("c", Mode.SHADOW), workload("d", namespace="far")]
    there.crash()
    await quota(there, 22, 0)
    for each in there.policies[1:]:
        await there.ensure(0, each)
    assert len((await there.ensure(3)).created) == 2, "nothing is decided for c, and d is elsewhere"


async def test_two_policies_at_once_do_not_take_the_same_room(there: Cluster) -> None:
    there.policies = [workload("a"), workload("b")]
    there.crash()
    await quota(there, 22, 0)
    now = there.clock.now()
    for each in there.policies:
        await there.ensure(0, each)
    await asyncio.gather(*(there.balloons.ensure(each, TEMPLATE, *a_need(2), now) for each in there.policies))
    assert len(there.jobs()) == 2


async def test_balloons_that_a_quota_has_become_too_small_for_go_after_a_while(there: Cluster) -> None:
    await quota(there, 13, 0)
    await there.ensure(3)
    for slot in (ZERO, ONE, TWO):
        await there.run_pod(slot)
    await quota(there, 12, 3)
    assert (await there.ensure(3)).released == (), "a quota's count lags behind the pods"
    await there.clock.advance(SHORT_SECONDS)
    assert len((await there.ensure(3)).released) == 1
    await quota(there, 12, 2)
    assert await there.ensure(3) == Change(problem=(await there.ensure(3)).problem)


async def test_without_the_quotas_none_is_created_and_none_goes(there: Cluster) -> None:
    await there.ensure(1)
    there.api.standing.append((QUOTAS, status(403, "Forbidden", "resourcequotas is forbidden")))
    await there.clock.advance(QUOTAS_SECONDS)
    change = await there.ensure(3)
    assert change == Change(problem=change.problem)
    assert change.problem.startswith("whether a balloon may be created cannot be read: ")
    assert len((await there.ensure(0)).released) == 1


async def test_before_the_replicas_are_known_a_quota_leaves_no_room(there: Cluster) -> None:
    plan, now = a_need(1)[0], there.clock.now()
    await quota(there, 8, 6)
    change = await there.balloons.ensure(workload(), TEMPLATE, plan, None, now)
    assert change == Change(problem=change.problem)
    assert "is not known yet" in change.problem


async def test_a_quota_that_cannot_be_read_leaves_no_room(there: Cluster) -> None:
    spec = {"hard": {GPU: "many"}}
    await there.api.put(f"{QUOTAS}/gpu", {"spec": spec, "status": {**spec, "used": {GPU: "0"}}})
    assert "not a quantity: 'many'" in (await there.ensure(1)).problem
    assert there.jobs() == []


# -- priorities


async def test_a_target_that_cannot_preempt_gets_none_and_those_there_go(there: Cluster) -> None:
    await there.ensure(2)
    await there.api.put(f"{CLASSES}/low", {"value": -5})
    low = {"spec": {**TEMPLATE["spec"], "priorityClassName": "low"}}
    await there.clock.advance(CLASSES_SECONDS)
    change = await there.ensure(2, template=low)
    assert len(change.released) == 2
    assert "is not above -5 of balloons" in change.problem
    assert there.jobs() == []


async def test_what_was_impossible_stays_so_while_the_classes_cannot_be_read(there: Cluster) -> None:
    await there.api.put(f"{CLASSES}/low", {"value": -5})
    low = {"spec": {**TEMPLATE["spec"], "priorityClassName": "low"}}
    assert (await there.ensure(0, template=low)).impossible
    there.api.standing.append((CLASSES, HTML))
    await there.clock.advance(CLASSES_SECONDS)
    assert (await there.ensure(0, template=low)).impossible
    assert (await there.ensure(0, template=None)).impossible


async def test_an_installation_in_one_namespace_reads_no_classes(tmp_path: Path) -> None:
    async with cluster(tmp_path, BalloonSettings(10, reads_classes=False)) as there:
        assert len((await there.ensure(2)).created) == 2
        assert not [each for each in there.api.requests if "priorityclasses" in each]


async def test_resource_claims_get_none(there: Cluster) -> None:
    claims = [{"name": "gpu", "resourceClaimTemplateName": "gpu"}]
    change = await there.ensure(1, template={"spec": {**TEMPLATE["spec"], "resourceClaims": claims}})
    assert "resource claims (DRA)" in change.problem
    assert there.jobs() == []


# -- replicas that are refused


async def test_balloons_make_way_for_refused_replicas_those_of_most_use_first(there: Cluster) -> None:
    await there.ensure(3)
    await there.run_pod(ONE)
    await there.run_pod(TWO, phase="Pending")
    change = await there.ensure(3, refused=REFUSED)
    assert [name[: len(ONE)] for name in change.released] == [ONE, TWO]
    assert "cannot be created: 2 (pods" in change.problem
    await there.clock.advance(3)
    assert await there.ensure(3, refused=REFUSED) == Change(problem=change.problem), "a ReplicaSet tries again later"
    await there.clock.advance(RETRY_SECONDS)
    assert len((await there.ensure(3, refused=REFUSED)).released) == 1, "it has not helped"
    assert (await there.ensure(3)).created == ()
    await there.clock.advance(FIRST_SECONDS)
    assert len((await there.ensure(3)).created) == 3


async def test_those_of_other_policies_in_the_namespace_make_way_too(there: Cluster) -> None:
    there.policies = [workload("a"), workload("b"), workload("c", namespace="far")]
    there.crash()
    await there.ensure(1)
    await there.ensure(2, there.policies[1])
    await there.ensure(1, there.policies[2])
    assert len((await there.ensure(1, refused=REFUSED)).released) == 3
    assert there.jobs() == ["c-balloon-0"]
    change = await there.ensure(2, there.policies[1])
    assert (change.created, "Balloons made way" in change.problem) == ((), True)


async def test_a_policy_without_balloons_is_made_way_for(there: Cluster) -> None:
    there.policies = [workload("a"), workload("b")]
    there.crash()
    await there.ensure(1, there.policies[1])
    assert len((await there.ensure(0, refused=REFUSED)).released) == 1


@pytest.mark.parametrize(
    "why", ["error looking up service account ns/a", "failed quota: cpu: must specify limits.cpu for: vllm"]
)
async def test_what_is_refused_for_another_reason_costs_no_other_policy_its_balloons(there: Cluster, why: str) -> None:
    there.policies = [workload("a"), workload("b")]
    there.crash()
    await there.ensure(1)
    await there.ensure(2, there.policies[1])
    broken = Refused(5, f'pods "a-1" is forbidden: {why}')
    assert len((await there.ensure(1, refused=broken)).released) == 1
    assert there.jobs() == ["b-balloon-0", "b-balloon-1"]
    assert len((await there.ensure(3, there.policies[1])).created) == 1


async def test_a_balloon_whose_pod_may_still_come_makes_way_first(there: Cluster) -> None:
    there.admits = False
    await there.ensure(2)
    assert len((await there.ensure(2, refused=Refused(1))).released) == 2, "their pods would take what is refused"


# -- Jobs without a pod


async def test_a_job_without_a_pod_is_let_go_with_its_cause(there: Cluster) -> None:
    there.admits = False
    [name] = (await there.ensure(1)).created
    warning = {
        "involvedObject": {"uid": there.api.objects[there.path(ZERO)]["metadata"]["uid"]},
        "type": "Warning",
        "reason": "FailedCreate",
        "message": f"Error creating: {EXCEEDED}",
    }
    await there.api.put("/api/v1/namespaces/ns/events/refusal", warning)
    await there.clock.advance(LIMIT_SECONDS - 1)
    assert await there.ensure(1) == Change()
    assert len(there.balloons.observe(workload(), there.clock.now()) or ()) == 1
    await there.clock.advance(1)
    assert there.balloons.observe(workload(), there.clock.now()) == (), "it is not preparing"
    change = await there.ensure(1)
    assert change == Change(released=(name,), problem=f"the balloon {name} got no pod and was let go: {EXCEEDED}")
    assert (await there.ensure(1)).problem == change.problem
    await there.clock.advance(FIRST_SECONDS)
    assert len((await there.ensure(1)).created) == 1


async def test_what_gets_no_pod_again_rests_for_longer(there: Cluster) -> None:
    there.admits = False
    made = 0
    for _ in range(600):
        made += len((await there.ensure(1)).created)
        await there.clock.advance(3)
    assert made == 5, "in half an hour: after 1, 2, 4 and 8 minutes"


async def test_a_job_that_is_refused_again_rests_for_longer(there: Cluster) -> None:
    said = 'admission webhook "jobs.example.com" denied the request: no'
    there.api.standing.append((f"POST {JOBS}", status(403, "Forbidden", said)))
    for _ in range(600):
        assert said in (await there.ensure(2)).problem
        await there.clock.advance(3)
    assert sum(request.startswith("POST") for request in there.api.requests) == 5, "in half an hour"


@pytest.mark.parametrize(("verb", "template"), [("POST", TEMPLATE), ("DELETE", {"spec": OTHER})])
async def test_what_was_not_made_takes_no_place_under_the_cap(
    tmp_path: Path, verb: str, template: dict[str, Any]
) -> None:
    async with cluster(tmp_path, BalloonSettings(3, 3)) as there:
        there.policies = [workload("a"), workload("b", namespace="far")]
        there.crash()
        await there.ensure(1)
        there.api.faults.append((f"{verb} {JOBS}", status(403, "Forbidden", "no")))
        await there.ensure(3, template=template)
        await there.ensure(0)
        assert len((await there.ensure(3, there.policies[1])).created) == 3


async def test_another_template_is_tried_at_once(there: Cluster) -> None:
    there.admits = False
    await there.ensure(1)
    await there.clock.advance(LIMIT_SECONDS)
    await there.ensure(1)
    there.admits = True
    assert len((await there.ensure(1, template={"spec": OTHER})).created) == 1


@pytest.mark.parametrize("first", [True, False], ids=["never ran", "ran"])
async def test_a_suspended_job_is_let_go(there: Cluster, first: bool) -> None:
    there.admits = not first
    [name] = (await there.ensure(1)).created
    path = there.path(ZERO)
    await there.api.put(path, {"spec": {**there.api.objects[path]["spec"], "suspend": True}})
    there.catch_up()
    await there.ensure(1)
    await there.clock.advance(LIMIT_SECONDS)
    change = await there.ensure(1)
    assert change.released == (name,)
    assert change.problem.startswith(f"the balloon {name} was suspended, by an admission controller such as Kueue")
    assert there.jobs() == []


async def test_a_pod_with_a_scheduling_gate_brings_no_node(there: Cluster) -> None:
    [name] = (await there.ensure(1)).created
    gated = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}
    await there.api.put(f"/api/v1/namespaces/ns/pods/{name}-x", {"status": {"phase": "Pending", "conditions": [gated]}})
    there.catch_up()
    await there.ensure(1)
    await there.clock.advance(LIMIT_SECONDS)
    assert (await there.ensure(1)).released == (name,)


@pytest.mark.parametrize(
    "status",
    [{"active": 1}, {"failed": 1}, {"terminating": 1}, {"uncountedTerminatedPods": {"failed": ["uid"]}}],
    ids=["its pod is not seen yet", "failed", "leaving", "gone"],
)
async def test_a_job_that_had_a_pod_is_no_refusal(there: Cluster, status: dict[str, Any]) -> None:
    there.admits = False
    await there.ensure(1)
    await there.api.put(there.path(ZERO), {"status": status})
    there.catch_up()
    await there.clock.advance(5 * LIMIT_SECONDS)
    assert await there.ensure(1) == Change()


async def test_pods_that_are_not_known_accuse_no_job(there: Cluster) -> None:
    there.admits = False
    await there.ensure(1)
    there.watches.pods("ns").synced = False
    await there.clock.advance(5 * LIMIT_SECONDS)
    plan, supply = a_need(1)
    now = there.clock.now()
    assert (await there.balloons.ensure(workload(), TEMPLATE, plan, supply, now)).released == ()


async def test_a_cause_that_cannot_be_read_is_no_failure(there: Cluster) -> None:
    there.admits = False
    await there.ensure(1)
    there.api.standing.append(("/events", HTML))
    await there.clock.advance(LIMIT_SECONDS)
    assert "the cluster reports no cause" in (await there.ensure(1)).problem


async def test_a_pod_that_the_kubelet_does_not_admit_is_reported(there: Cluster) -> None:
    await there.ensure(1)
    await there.crash_container(ZERO)
    [path] = [path for path in there.api.objects if "/pods/" in path]
    said = {
        "phase": "Failed",
        "reason": "UnexpectedAdmissionError",
        "message": "Allocate failed due to no healthy devices",
    }
    await there.api.put(path, {"status": said})
    there.catch_up()
    problem = (await there.ensure(1)).problem
    assert problem.endswith("failed: UnexpectedAdmissionError: Allocate failed due to no healthy devices")


# -- caps


async def test_a_namespace_has_at_most_its_own_cap(tmp_path: Path) -> None:
    async with cluster(tmp_path, BalloonSettings(10, 4)) as there:
        there.policies = [workload("a"), workload("b"), workload("c", namespace="far")]
        there.crash()
        changes = [await there.ensure(3, each) for each in there.policies]
        assert [len(change.created) for change in changes] == [3, 1, 3]
        assert changes[1].refused == 2


async def test_who_came_first_gives_back_what_others_have_a_right_to(tmp_path: Path) -> None:
    async with cluster(tmp_path, BalloonSettings(4, 4)) as there:
        there.policies = [workload("a"), workload("b"), workload("c", namespace="far")]
        there.crash()
        for _ in range(3):
            for each in there.policies:
                await there.ensure(3, each)
        assert sorted(name[0] for name in there.jobs()) == ["a", "b", "c", "c"]
        await there.ensure(0, there.policies[2])
        for _ in range(2):
            for each in there.policies[:2]:
                await there.ensure(3, each)
        assert sorted(name[0] for name in there.jobs()) == ["a", "a", "b", "b"]


async def test_a_policy_that_is_gone_claims_nothing(tmp_path: Path) -> None:
    async with cluster(tmp_path, BalloonSettings(2, 2)) as there:
        there.policies = [workload("a"), workload("b")]
        there.catch_up()
        await there.ensure(2)
        await there.ensure(2, there.policies[1])
        there.policies = there.policies[1:]
        there.catch_up()
        await there.balloons.release(there.clock.now())
        there.catch_up()
        assert len((await there.ensure(2)).created) == 2


# -- replicas that preempt none


async def test_a_replica_that_waits_beside_a_balloon_is_made_way_for(there: Cluster) -> None:
    """Whatever keeps it from preempting: another scheduler, or a class that cannot be read."""
    await there.ensure(2)
    await there.run_pod(ZERO)
    await there.run_pod(ONE)
    await there.ensure(2, awaited=1)
    await there.clock.advance(STALLED_SECONDS - 1)
    assert (await there.ensure(2, awaited=1)).released == ()
    await there.clock.advance(1)
    change = await there.ensure(2, awaited=1)
    assert (len(change.released), change.created) == (1, ())
    assert change.problem.startswith("replicas waited for a node although balloons had some")
    assert await there.ensure(2) == Change(problem=change.problem)


async def test_a_replica_that_waits_for_a_node_of_its_own_costs_no_balloon(there: Cluster) -> None:
    await there.ensure(2)
    for _ in range(20):
        assert len((await there.ensure(2, awaited=1)).released) <= 1, "the one that brings a node of its own"
        await there.clock.advance(10)
    assert len(there.jobs()) == 1


@pytest.mark.parametrize("wanted", [0, 2])
async def test_what_is_impossible_is_said_whatever_is_wanted(there: Cluster, wanted: int) -> None:
    """Else a plan that no longer counts on balloons would make them possible again."""
    bare = {"spec": {"containers": [{"image": "i"}]}}
    change = await there.ensure(wanted, template=bare)
    assert change.impossible
    assert "ask for no GPU" in change.problem
    assert not (await there.ensure(wanted)).impossible
    without = workload("other", max_prepared_nodes=0)
    assert await there.ensure(0, without, template=bare) == Change()
