"""Images brought to nodes, on the fake API: killed, refused, full, unreachable, changed or gone in the middle."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from autoscaler.actuators.base import Change, Refused
from autoscaler.actuators.disks import STARTS_WITHIN_SECONDS
from autoscaler.actuators.fetched import Progress
from autoscaler.actuators.fetching import AGAIN_SECONDS, PATIENCE_SECONDS, TURN_SECONDS, FetchSettings
from autoscaler.actuators.jobs import UNSEEN_SECONDS
from autoscaler.actuators.podless import LIMIT_SECONDS
from autoscaler.actuators.prepull import RESTS_SECONDS
from autoscaler.actuators.rests import FIRST_SECONDS
from autoscaler.actuators.shortfalls import SLOW_SECONDS
from autoscaler.actuators.wishes import wish
from autoscaler.kube.objects import key, labels, metadata
from autoscaler.kube.ours import BALLOONS
from crds.notation.selectors import parse
from crds.workload import Weights, WeightsMethod
from policies.model import Mode
from tests.autoscaler.actuators.fetch_cluster import DENIED, IMAGE, JOBS, MODEL, NEW_IMAGE, Cluster, cluster, pulling
from tests.autoscaler.actuators.nodes import NODES
from tests.autoscaler.kube.workloads import TEMPLATE
from tests.support.fake_api import HTML, LOST, status


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster(tmp_path) as made:
        yield made


# -- where


async def test_each_node_that_a_replica_may_land_on_pulls_the_image_once(there: Cluster) -> None:
    other = there.young("other", labels={"karpenter.sh/nodepool": "cpu"})
    await there.add(there.young("a"), there.young("b"), other)
    assert len((await there.ensure()).created) == 2
    assert there.where == {"a": IMAGE, "b": IMAGE}
    assert await there.ensure() == Change()


async def test_a_node_that_comes_later_pulls_from_its_first_moment(there: Cluster) -> None:
    await there.add(there.young("a"))
    await there.ensure()
    starting = (("node.kubernetes.io/not-ready", "NoSchedule"), ("node.kubernetes.io/not-ready", "NoExecute"))
    await there.add(there.young("b", gpus=None, ready=False, taints=starting))
    await there.ensure()
    assert there.where == {"a": IMAGE, "b": IMAGE}
    pod = there.job("b")[1]["spec"]["template"]["spec"]
    assert pod["nodeName"] == "b"
    assert pod["tolerations"] == [{"operator": "Exists"}]
    assert "nvidia.com/gpu" not in pod["containers"][0]["resources"]["requests"]


async def test_a_node_keeps_the_image_by_a_volume_where_it_can(there: Cluster) -> None:
    await there.add(there.young("old"), there.young("new", kubelet="v1.35.0", runtime="containerd://2.1.0"))
    await there.ensure()
    old, new = (there.job(each)[1]["spec"]["template"]["spec"] for each in ("old", "new"))
    assert old["containers"][0]["command"][0] == "sleep"
    assert new["containers"][0]["image"] == "registry.k8s.io/pause:3.10"
    assert new["volumes"] == [{"name": "held", "image": {"reference": IMAGE, "pullPolicy": "IfNotPresent"}}]


async def test_the_pause_image_may_come_from_a_mirror(tmp_path: Path) -> None:
    async with cluster(tmp_path, FetchSettings(pause_image="mirror.example.com/pause:3.10")) as there:
        await there.add(there.young("new", kubelet="v1.35.0", runtime="cri-o://1.35.0"))
        await there.ensure()
        pod = there.job("new")[1]["spec"]["template"]["spec"]
        assert pod["containers"][0]["image"] == "mirror.example.com/pause:3.10"


async def test_the_images_of_models_come_as_well(there: Cluster) -> None:
    there.policies = [pulling(weights=Weights(WeightsMethod.IMAGE, MODEL))]
    await there.add(there.young("a"))
    await there.ensure()
    found = {
        metadata(job)["annotations"]["outrider.dev/fetched"]
        for path, job in there.api.objects.items()
        if "/jobs/" in path
    }
    assert found == {IMAGE, MODEL}


async def test_an_image_volume_of_the_template_is_a_model(there: Cluster) -> None:
    volumes = [{"name": "model", "image": {"reference": MODEL}}]
    await there.add(there.young("a"))
    assert len((await there.ensure(template={"spec": {**TEMPLATE["spec"], "volumes": volumes}})).created) == 2


async def test_balloons_and_fetches_are_told_apart(there: Cluster) -> None:
    await there.add(there.young("a"))
    await there.ensure()
    _, job = there.job("a")
    assert not parse(BALLOONS).matches(labels(job))
    assert not there.fetches.seen(pulling("other"))


# -- how long


async def test_an_image_stays_while_something_runs_on_its_node(there: Cluster) -> None:
    await there.add(there.old("a"))
    await there.replica_on("a")
    await there.ensure()
    await there.pulled("a")
    await there.clock.advance(9000)
    assert await there.ensure() == Change()
    assert [each.progress for each in there.fetches.seen(pulling())] == [Progress.HELD]


async def test_a_node_that_is_idle_is_not_kept_by_it(there: Cluster) -> None:
    """Karpenter removes a node only once no pod is on it: the image was pulled, and the pod goes."""
    await there.add(there.old("a"))
    await there.ensure()
    await there.pulled("a")
    assert len((await there.ensure()).released) == 1
    assert await there.ensure() == Change()
    await there.replica_on("a")
    assert len((await there.ensure()).created) == 1, "kept while a replica may come again"
    await there.api.remove("/api/v1/namespaces/ns/pods/chat-7d-x")
    there.catch_up()
    await there.pulled("a")
    await there.ensure()
    await there.clock.advance(AGAIN_SECONDS)
    await there.fetches.release(there.clock.now())
    assert len((await there.ensure()).created) == 1, "it may have been lost meanwhile"


async def test_what_its_time_ends_is_made_again(there: Cluster) -> None:
    await there.add(there.young("a"))
    await there.ensure()
    await there.pulled("a")
    await there.end("a", reason="DeadlineExceeded")
    assert len((await there.ensure()).released) == 1
    assert len((await there.ensure()).created) == 1


async def test_an_image_without_sleep_is_pulled_and_not_kept(there: Cluster) -> None:
    await there.add(there.young("a"))
    await there.ensure()
    await there.kubelet("a", "Failed", terminated={"reason": "StartError", "exitCode": 128})
    await there.end("a")
    assert await there.ensure() == Change()
    assert [each.progress for each in there.fetches.seen(pulling())] == [Progress.DONE]
    assert there.job("a")[1]["spec"]["ttlSecondsAfterFinished"] == RESTS_SECONDS, "then it is pulled again"


@pytest.mark.parametrize(("after_seconds", "made_again"), [(1.0, False), (3600.0, True)])
async def test_a_pod_that_ends_at_once_is_not_made_again_and_again(
    there: Cluster, after_seconds: float, made_again: bool
) -> None:
    await there.add(there.young("a"))
    await there.ensure()
    await there.pulled("a")
    await there.clock.advance(after_seconds)
    await there.end("a", "Complete", "CompletionsReached")
    assert bool((await there.ensure()).released) == made_again


async def test_in_mode_shadow_nothing_is_pulled(there: Cluster) -> None:
    await there.add(there.young("a"))
    await there.ensure()
    there.policies = [pulling(mode=Mode.SHADOW)]
    await there.ensure()
    assert there.where == {}


async def test_what_is_no_longer_asked_for_ends(there: Cluster) -> None:
    await there.add(there.young("a"))
    await there.ensure()
    assert len((await there.ensure(asks=False)).released) == 1
    assert there.where == {}


# -- trouble


async def test_a_killed_controller_leaks_nothing_and_makes_nothing_twice(there: Cluster) -> None:
    await there.add(there.young("a"), there.young("b"))
    await there.ensure()
    there.crash()
    assert await there.ensure() == Change()
    there.policies = []
    there.watches.policies.replace([])
    assert len((await there.fetches.release(there.clock.now())).released) == 2
    assert there.where == {}


async def test_a_killed_controller_is_survived_by_no_job(there: Cluster) -> None:
    await there.add(there.young("a"))
    await there.ensure()
    _, job = there.job("a")
    assert job["spec"]["activeDeadlineSeconds"] == there.settings.deadline_seconds
    assert metadata(job)["ownerReferences"][0]["uid"] == there.policies[0].uid


async def test_two_controllers_make_each_job_once(there: Cluster) -> None:
    await there.add(there.young("a"))
    other = Cluster(there.kube, there.api, there.clock, there.settings)
    await there.ensure()
    wanted = wish(there.policies[0], TEMPLATE, 1.0, there.settings)
    assert await other.fetches.ensure(there.policies[0], wanted, there.clock.now()) == Change()


async def test_a_creation_whose_answer_is_lost_is_not_repeated(there: Cluster) -> None:
    await there.add(there.young("a"))
    there.api.faults.append((f"POST {JOBS}", LOST))
    assert "POST" in (await there.ensure()).problem
    await there.clock.advance(FIRST_SECONDS)
    assert await there.ensure() == Change()


async def test_an_api_that_fails_is_a_problem_and_no_more(there: Cluster) -> None:
    await there.add(there.young("a"))
    there.api.standing.append((f"POST {JOBS}", HTML))
    assert "500" in (await there.ensure()).problem
    there.api.standing.clear()
    await there.clock.advance(FIRST_SECONDS)
    assert len((await there.ensure()).created) == 1


async def test_a_full_disk_gets_nothing(there: Cluster) -> None:
    await there.add(there.young("a", full=True), there.young("b", disk="60Gi", images={IMAGE: 1.0, "x": 12e9}))
    await there.ensure()
    assert there.where == {}
    await there.add(there.young("b", disk="200Gi", images={"x": 12e9}))
    await there.ensure()
    assert there.where == {"b": IMAGE}


async def test_a_pod_that_is_evicted_leaves_its_node_alone(there: Cluster) -> None:
    await there.add(there.young("a"))
    await there.ensure()
    await there.kubelet("a", "Failed")
    path = next(path for path in there.api.objects if "/pods/" in path)
    await there.api.put(
        path, {"status": {"phase": "Failed", "reason": "Evicted", "message": "The node was low on disk"}}
    )
    await there.end("a")
    change = await there.ensure()
    assert (change.created, change.released) == ((), ())
    assert change.problem == f"node a did not get {IMAGE}: Evicted: The node was low on disk"


@pytest.mark.parametrize(
    "reason", ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError"]
)
async def test_an_image_that_cannot_be_pulled_is_let_go_and_said(there: Cluster, reason: str) -> None:
    """A pull secret that is missing looks the same: the registry refuses. So does a Secret for the environment."""
    await there.add(there.young("a"), there.young("b"))
    await there.ensure()
    await there.kubelet("a", waiting={"reason": reason, "message": DENIED})
    await there.clock.advance(PATIENCE_SECONDS - 1)
    assert (await there.ensure()).released == ()
    await there.clock.advance(1)
    change = await there.ensure()
    assert len(change.released) == 1
    assert change.problem == f"node a did not get {IMAGE}: {reason}: {DENIED}"
    assert await there.ensure() == Change(problem=change.problem)
    await there.clock.advance(FIRST_SECONDS)
    assert len((await there.ensure()).created) == 1


async def test_an_image_that_has_failed_is_not_counted_on_until_a_node_has_it(there: Cluster) -> None:
    """Decisions that count on an image which never comes have too short a lead: a new try is no reason to hope."""
    await there.add(there.young("a"))
    begun: list[float] = []
    for _ in range(180):
        if (await there.ensure()).created:
            begun.append(there.clock.now())
            await there.kubelet("a", waiting={"reason": "ErrImagePull", "message": DENIED})
        elif len(begun) > 1:
            assert "did not get" in there.fetches.obstacle(pulling(), IMAGE, there.clock.now())
        await there.clock.advance(10)
    lengths = [later - earlier - PATIENCE_SECONDS for earlier, later in pairwise(begun)]
    assert lengths == sorted(lengths), "more and more seldom"
    assert lengths[-1] >= 4 * FIRST_SECONDS
    while not (await there.ensure()).created:
        await there.clock.advance(10)
    await there.pulled("a")
    await there.ensure()
    assert not there.fetches.obstacle(pulling(), IMAGE, there.clock.now())


async def test_a_pull_that_hangs_is_not_counted_on(there: Cluster) -> None:
    await there.add(there.young("a"))
    await there.ensure()
    await there.kubelet("a", waiting={"reason": "ContainerCreating"})
    await there.clock.advance(SLOW_SECONDS - 1)
    await there.ensure()
    assert not there.fetches.obstacle(pulling(), IMAGE, there.clock.now())
    await there.clock.advance(1)
    await there.ensure()
    assert there.fetches.obstacle(pulling(), IMAGE, there.clock.now()) == f"node a has not got {IMAGE} in 20 min"
    await there.pulled("a")
    await there.ensure()
    assert not there.fetches.obstacle(pulling(), IMAGE, there.clock.now())


async def test_what_has_no_room_on_the_disks_is_not_counted_on(there: Cluster) -> None:
    await there.add(there.young("a", disk="30Gi"))
    change = await there.ensure()
    assert change.problem == f"node a has too little room on its disk for {IMAGE}"
    assert there.fetches.obstacle(pulling(), IMAGE, there.clock.now()) == change.problem


async def test_what_the_limit_of_jobs_keeps_from_new_nodes_is_not_counted_on(tmp_path: Path) -> None:
    async with cluster(tmp_path, FetchSettings(max_fetches=1)) as there:
        await there.add(there.young("a"))
        await there.ensure()
        assert not there.fetches.obstacle(pulling(), IMAGE, there.clock.now())
        await there.add(there.young("b"))
        await there.ensure()
        assert "--max-prepulls" in there.fetches.obstacle(pulling(), IMAGE, there.clock.now())
        await there.pulled("a")
        await there.ensure()
        assert list(there.where) == ["b"], "a Job that only keeps an image makes way"
        assert not there.fetches.obstacle(pulling(), IMAGE, there.clock.now())


async def test_nodes_that_lack_an_image_come_before_those_that_have_it(tmp_path: Path) -> None:
    async with cluster(tmp_path, FetchSettings(max_fetches=1)) as there:
        await there.add(there.young("a", images={IMAGE: 9e9}), there.young("b"))
        await there.ensure()
        assert list(there.where) == ["b"]


async def test_an_image_that_other_nodes_have_rests_on_one_node_alone(there: Cluster) -> None:
    await there.add(there.young("a"), there.young("b"))
    await there.ensure()
    await there.pulled("b")
    await there.kubelet("a", waiting={"reason": "ErrImagePull", "message": "no route to host"})
    await there.clock.advance(PATIENCE_SECONDS)
    await there.ensure()
    await there.add(there.young("c"))
    await there.ensure()
    assert set(there.where) == {"b", "c"}


async def test_a_job_that_gets_no_pod_is_let_go_with_its_cause(there: Cluster) -> None:
    there.admits = False
    await there.add(there.young("a"))
    await there.ensure()
    _, job = there.job("a")
    said = "no PriorityClass with name outrider-fetch was found"
    warning = {"involvedObject": {"uid": metadata(job)["uid"]}, "type": "Warning", "message": said}
    await there.api.put("/api/v1/namespaces/ns/events/refusal", warning)
    await there.ensure()
    await there.clock.advance(LIMIT_SECONDS)
    change = await there.ensure()
    assert change.released == (key(job).name,)
    assert change.problem.endswith(f"got no pod: {said}")
    assert (await there.ensure()).created == ()


async def test_a_refused_job_is_tried_again_more_and_more_seldom(there: Cluster) -> None:
    await there.add(there.young("a"))
    there.api.standing.append((f"POST {JOBS}", status(403, "Forbidden", "no")))
    for _ in range(600):
        assert "no" in (await there.ensure()).problem
        await there.clock.advance(3)
    assert sum(request.startswith("POST") for request in there.api.requests) == 5, "in half an hour"


async def test_another_digest_in_the_middle_takes_the_place_of_the_first(there: Cluster) -> None:
    await there.add(there.young("a"))
    await there.ensure()
    change = await there.ensure(template=NEW_IMAGE)
    assert (len(change.created), len(change.released)) == (1, 1)
    assert there.where == {"a": "vllm@sha256:new"}


async def test_a_node_that_leaves_in_the_middle_leaves_nothing(there: Cluster) -> None:
    await there.add(there.young("a"), there.young("b"))
    await there.ensure()
    await there.api.remove(f"{NODES}/a")
    there.catch_up()
    await there.ensure()
    assert there.where == {"b": IMAGE}


async def test_a_node_that_does_not_come_up_is_left(there: Cluster) -> None:
    await there.add(there.old("a", ready=False))
    await there.ensure()
    assert there.where == {}


async def test_nodes_that_do_not_come_up_keep_no_others_waiting(tmp_path: Path) -> None:
    """A pod there stays pending until the Job's deadline, an hour later, and counts as under way."""
    starting = (("node.kubernetes.io/not-ready", "NoSchedule"),)
    async with cluster(tmp_path, FetchSettings(max_parallel=2)) as there:
        await there.add(*(there.young(name, ready=False, taints=starting) for name in ("a", "b")))
        await there.ensure()
        assert set(there.where) == {"a", "b"}
        await there.clock.advance(STARTS_WITHIN_SECONDS)
        await there.add(there.young("c"))
        await there.ensure()
        await there.ensure()
        assert set(there.where) == {"c"}


async def test_one_tenant_whose_pulls_hang_does_not_stop_another(tmp_path: Path) -> None:
    async with cluster(tmp_path, FetchSettings(max_parallel=4)) as there:
        there.policies = [pulling("a"), pulling("b", namespace="far")]
        there.crash()
        await there.add(*(there.young(f"n{at}") for at in range(6)))
        await there.ensure(there.policies[1], asks=False)
        for _ in range(3):
            for policy in there.policies:
                await there.ensure(policy)
        far = [path for path in there.api.objects if "/namespaces/far/jobs/" in path]
        assert (len(there.where), len(far)) == (3, 1)


async def test_nodes_that_are_not_known_end_nothing(there: Cluster) -> None:
    await there.add(there.young("a"))
    await there.ensure()
    there.watches.nodes.synced = False
    assert await there.ensure() == Change()
    assert there.where == {"a": IMAGE}


async def test_replicas_that_a_quota_refuses_come_first(there: Cluster) -> None:
    await there.add(there.young("a"))
    await there.ensure()
    assert len((await there.ensure(refused=Refused(1, "exceeded quota: pods"))).released) == 1
    assert there.where == {}


# -- bounds


async def test_with_more_nodes_than_jobs_each_node_gets_the_image_once(tmp_path: Path) -> None:
    async with cluster(tmp_path, FetchSettings(max_fetches=3, max_parallel=2)) as there:
        await there.add(*(there.young(f"n{at}") for at in range(10)))
        begun: list[str] = []
        for _ in range(12):
            begun += (await there.ensure()).created
            assert len(there.where) <= 3
            for at in there.where:
                await there.pulled(at)
        assert len(begun) == len(set(begun)) == 10
        assert await there.ensure() == Change(), "the last 3 are kept"


async def test_a_node_that_loses_an_image_that_nodes_list_gets_it_again(tmp_path: Path) -> None:
    async with cluster(tmp_path, FetchSettings(max_fetches=1)) as there:
        await there.add(there.young("a", images={IMAGE: 9e9}), there.young("b"))
        await there.ensure()
        await there.pulled("b")
        await there.add(there.young("a"), there.young("b", images={IMAGE: 9e9}))
        await there.ensure()
        assert list(there.where) == ["a"], "and the Job on b makes way"
        await there.pulled("a")
        await there.add(there.young("a", images={IMAGE: 9e9}))
        assert await there.ensure() == Change()


async def test_to_bring_an_image_the_policy_with_most_jobs_keeps_one_fewer(tmp_path: Path) -> None:
    async with cluster(tmp_path, FetchSettings(max_fetches=4)) as there:
        there.policies = [pulling("a"), pulling("b", namespace="far")]
        there.crash()
        await there.add(*(there.young(f"n{at}", images={IMAGE: 9e9}) for at in range(4)))
        await there.ensure(there.policies[0])
        assert shares(there) == {"a": 4}
        for at in there.where:
            await there.pulled(at)
        await there.ensure(there.policies[1])
        assert shares(there) == {"a": 2, "b": 2}, "each keeps as many"
        for _ in range(4):
            for of in there.policies:
                for path in [path for path in there.api.objects if "/pods/" in path]:
                    await there.api.put(path, {"status": {"phase": "Running"}})
                there.catch_up()
                assert await there.ensure(of) == Change()
        await there.add(there.young("new"))
        await there.ensure(there.policies[1])
        assert shares(there) == {"a": 2, "b": 2}
        await there.ensure(there.policies[0])
        assert shares(there) == {"a": 2, "b": 2}
        assert sum(name.startswith("a-prepull") for name in jobs_on(there, "new")) == 1


def shares(there: Cluster) -> Counter[str]:
    return Counter(key(job).name.partition("-")[0] for path, job in there.api.objects.items() if "/jobs/" in path)


def jobs_on(there: Cluster, node: str) -> list[str]:
    return [
        key(job).name
        for path, job in there.api.objects.items()
        if "/jobs/" in path and metadata(job)["annotations"]["outrider.dev/node"] == node
    ]


async def test_a_creation_whose_answer_is_lost_counts_until_it_is_seen(tmp_path: Path) -> None:
    async with cluster(tmp_path, FetchSettings(max_fetches=1)) as there:
        await there.add(there.young("a"))
        there.api.faults.append((f"POST {JOBS}", LOST))
        wanted = wish(there.policies[0], TEMPLATE, 1.0, there.settings)
        await there.fetches.ensure(there.policies[0], wanted, there.clock.now())  # the watch does not show it yet
        there.policies = [pulling("b")]
        there.watches.policies.replace([])
        other = await there.fetches.ensure(there.policies[0], wanted, there.clock.now())
        assert other.created == ()
        await there.clock.advance(UNSEEN_SECONDS)
        assert sum("/jobs/" in path for path in there.api.objects) == 1


async def test_so_many_pull_at_a_time(tmp_path: Path) -> None:
    async with cluster(tmp_path, FetchSettings(max_fetches=4, max_parallel=2)) as there:
        await there.add(*(there.young(f"n{at}") for at in range(6)))
        await there.ensure()
        assert len(there.where) == 2
        await there.ensure()
        assert len(there.where) == 2
        for at in list(there.where):
            await there.pulled(at)
        await there.ensure()
        for at in list(there.where):
            await there.pulled(at)
        await there.ensure()
        assert len(there.where) == 4, "the most that there may be"


async def test_what_is_worth_more_goes_first(tmp_path: Path) -> None:
    async with cluster(tmp_path, FetchSettings(max_parallel=1)) as there:
        there.policies = [pulling("a"), pulling("b", namespace="far")]
        there.crash()
        await there.add(there.young("n"))
        await there.ensure(there.policies[0], probability=0.1)
        first = there.job("n")[1]["metadata"]["name"]
        assert first.startswith("a-prepull-")
        await there.add(there.young("m"))
        await there.ensure(there.policies[1], probability=0.9)
        await there.pulled("n")
        await there.ensure(there.policies[0], probability=0.1)
        assert len(there.where) == 1, "the other's is worth more"
        await there.ensure(there.policies[1], probability=0.9)
        assert any("/namespaces/far/jobs/" in path for path in there.api.objects)


async def test_a_job_that_nothing_has_ended_is_swept(there: Cluster) -> None:
    await there.add(there.young("a"))
    await there.ensure()
    await there.clock.advance(there.settings.deadline_seconds + 61)
    assert len((await there.fetches.release(there.clock.now())).released) == 1


@asynccontextmanager
async def one_of_two_begun(tmp_path: Path) -> AsyncIterator[Cluster]:
    """Two policies and one slot: one of the first one's fetches has ended, and the other has not begun."""
    async with cluster(tmp_path, FetchSettings(max_parallel=1)) as there:
        there.policies = [pulling("a"), pulling("b", namespace="far")]
        there.crash()
        await there.add(there.young("n"), there.young("m"))
        await there.ensure(there.policies[0], probability=0.9)
        await there.pulled(next(iter(there.where)))
        yield there


async def test_what_is_not_begun_keeps_no_other_workload_waiting(tmp_path: Path) -> None:
    async with one_of_two_begun(tmp_path) as there:
        await there.fetches.ensure(there.policies[0], None, there.clock.now(), known=False)
        await there.ensure(there.policies[1], probability=0.1)
        assert any("/namespaces/far/jobs/" in path for path in there.api.objects)


async def test_a_policy_without_a_turn_keeps_no_other_one_waiting(tmp_path: Path) -> None:
    """A policy that is refused has no turn, and nothing that it wanted before is begun."""
    async with one_of_two_begun(tmp_path) as there:
        await there.clock.advance(TURN_SECONDS)
        await there.ensure(there.policies[1], probability=0.1)
        assert any("/namespaces/far/jobs/" in path for path in there.api.objects)


async def test_a_namespace_that_is_followed_later_is_swept_as_well(there: Cluster) -> None:
    await there.add(there.young("a"))
    await there.ensure()
    there.crash()
    there.watches.follow([])
    await there.fetches.release(there.clock.now())
    there.watches.follow(["ns"])
    there.watches.policies.replace([])
    assert len((await there.fetches.release(there.clock.now())).released) == 1
