"""Killed at each step of a balloon's life: the next controller leaks nothing, makes nothing twice and touches no replica."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from autoscaler.actuators.base import Refused
from autoscaler.actuators.podless import LIMIT_SECONDS
from autoscaler.kube.objects import metadata
from autoscaler.kube.ours import MANAGED_BY, POLICY
from tests.autoscaler.actuators.cluster import JOBS, Cluster, cluster
from tests.support.fake_api import HTML, LOST

ZERO, ONE = "chat-balloon-0", "chat-balloon-1"
WANTED = 2
REPLICA = "/api/v1/namespaces/ns/pods/chat-7d-x"


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster(tmp_path) as made:
        await made.api.put(REPLICA, {"metadata": {"labels": {"app": "chat"}}, "spec": {"nodeName": "n"}})
        yield made


async def nothing_yet(there: Cluster) -> None:
    """Killed before the first call."""


async def creation_unanswered(there: Cluster) -> None:
    there.api.faults.append((f"POST {JOBS}", LOST))
    await there.ensure(WANTED)


async def between_two_creations(there: Cluster) -> None:
    await there.ensure(1)


async def pods_to_come(there: Cluster) -> None:
    there.admits = False
    await there.ensure(WANTED)
    there.admits = True


async def pods_pending(there: Cluster) -> None:
    await there.ensure(WANTED)


async def pods_refused(there: Cluster) -> None:
    await pods_to_come(there)
    there.admits = False
    await there.clock.advance(LIMIT_SECONDS)
    await there.ensure(WANTED)
    there.admits = True


async def pods_running(there: Cluster) -> None:
    await there.ensure(WANTED)
    await there.run_pod(ZERO)
    await there.run_pod(ONE)


async def one_preempted(there: Cluster) -> None:
    await pods_running(there)
    await there.preempt(ZERO)


async def one_expired(there: Cluster) -> None:
    await pods_running(there)
    await there.expire(ONE)


async def one_crashed(there: Cluster) -> None:
    await there.ensure(WANTED)
    await there.crash_container(ZERO)


async def replicas_refused(there: Cluster) -> None:
    await pods_running(there)
    await there.ensure(WANTED, refused=Refused(1, "exceeded quota"))


async def release_unanswered(there: Cluster) -> None:
    await pods_running(there)
    there.api.faults.append((f"DELETE {JOBS}", LOST))
    await there.ensure(0)


async def release_refused(there: Cluster) -> None:
    await pods_running(there)
    there.api.faults.append((f"DELETE {JOBS}", HTML))
    await there.ensure(0)


async def between_deletion_and_creation(there: Cluster) -> None:
    await pods_running(there)
    there.api.faults.append((f"POST {JOBS}", HTML))
    await there.ensure(WANTED, template={"spec": {**OTHER}})


OTHER = {"containers": [{"image": "new", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}
STEPS = (
    nothing_yet,
    creation_unanswered,
    between_two_creations,
    pods_to_come,
    pods_pending,
    pods_refused,
    pods_running,
    one_preempted,
    one_expired,
    one_crashed,
    replicas_refused,
    release_unanswered,
    release_refused,
    between_deletion_and_creation,
)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
async def test_after_a_kill_all_is_as_planned(there: Cluster, step: Callable[[Cluster], Awaitable[None]]) -> None:
    await step(there)
    there.crash()
    for _ in range(6):  # a rest for what failed lasts for a minute
        assert len(every_job(there)) <= WANTED
        await there.control()
        there.catch_up()
        await there.ensure(WANTED)
        await there.clock.advance(15)
    assert there.jobs() == [ZERO, ONE]
    assert every_job(there) == there.jobs()
    await only_balloons_went(there)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
async def test_after_a_kill_nothing_is_left_of_a_policy_that_went(
    there: Cluster, step: Callable[[Cluster], Awaitable[None]]
) -> None:
    await step(there)
    for path in list(there.api.objects):
        if "/jobs/" in path:
            about = metadata(there.api.objects[path])
            assert about["ownerReferences"][0]["uid"] == there.policies[0].uid, "else Kubernetes would not delete it"
            assert {MANAGED_BY, POLICY} <= set(about["labels"])
            assert there.api.objects[path]["spec"]["activeDeadlineSeconds"]
            assert there.api.objects[path]["spec"]["ttlSecondsAfterFinished"]
    there.crash()
    there.policies = []
    there.watches.policies.replace([])
    await there.balloons.release(there.clock.now())
    assert every_job(there) == []
    await only_balloons_went(there)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
async def test_after_a_kill_what_is_no_longer_wanted_goes(
    there: Cluster, step: Callable[[Cluster], Awaitable[None]]
) -> None:
    await step(there)
    there.crash()
    await there.ensure(0)
    assert every_job(there) == []
    await only_balloons_went(there)


def every_job(there: Cluster) -> list[str]:
    return sorted(there.jobs() + there.jobs(ended=True))


async def only_balloons_went(there: Cluster) -> None:
    await there.control()
    deleted = [each for each in there.api.requests if each.startswith("DELETE")]
    assert all(each.startswith(f"DELETE {JOBS}/chat-balloon-") for each in deleted)
    assert REPLICA in there.api.objects
