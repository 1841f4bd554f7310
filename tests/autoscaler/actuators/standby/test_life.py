"""Killed at each step of a standby node's life: the next controller leaks nothing, makes nothing twice and touches no replica."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from autoscaler.actuators.podless import LIMIT_SECONDS
from autoscaler.kube.objects import metadata
from autoscaler.kube.ours import MANAGED_BY, POOL
from tests.autoscaler.actuators.standby.cluster import JOBS, Cluster, cluster
from tests.support.fake_api import HTML, LOST
from tests.support.standby_pools import RESERVED, a_gpu_pool, offering

ZERO, ONE = "h100-reserved-standby-0", "h100-reserved-standby-1"
SPOT_ZERO = "h100-spot-standby-0"
WANTED = {"reserved": 2, "spot": 1}
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
    await there.ensure(**WANTED)


async def between_two_creations(there: Cluster) -> None:
    await there.ensure(reserved=1)


async def pods_to_come(there: Cluster) -> None:
    there.admits = False
    await there.ensure(**WANTED)
    there.admits = True


async def pods_refused(there: Cluster) -> None:
    await pods_to_come(there)
    there.admits = False
    await there.clock.advance(LIMIT_SECONDS)
    await there.ensure(**WANTED)
    there.admits = True


async def pods_pending(there: Cluster) -> None:
    await there.ensure(**WANTED)


async def nodes_there(there: Cluster) -> None:
    await there.ensure(**WANTED)
    for slot, at in ((ZERO, "a"), (ONE, "b")):
        await there.land(slot, at)


async def one_taken(there: Cluster) -> None:
    await nodes_there(there)
    await there.preempt(ZERO)


async def one_expired(there: Cluster) -> None:
    await nodes_there(there)
    await there.end(ONE, "DeadlineExceeded")


async def one_node_given_notice(there: Cluster) -> None:
    await nodes_there(there)
    await there.add_node("a", taints=(("karpenter.sh/disrupted", "NoSchedule"),))


async def release_unanswered(there: Cluster) -> None:
    await nodes_there(there)
    there.api.faults.append((f"DELETE {JOBS}", LOST))
    await there.ensure()


async def release_refused(there: Cluster) -> None:
    await nodes_there(there)
    there.api.faults.append((f"DELETE {JOBS}", HTML))
    await there.ensure()


async def between_deletion_and_creation(there: Cluster) -> None:
    await nodes_there(there)
    there.api.faults.append((f"POST {JOBS}", HTML))
    other = a_gpu_pool("h100", offering(RESERVED, nodeSelector={"other": "label"}))
    await there.ensure(other, **WANTED)


STEPS = (
    nothing_yet,
    creation_unanswered,
    between_two_creations,
    pods_to_come,
    pods_refused,
    pods_pending,
    nodes_there,
    one_taken,
    one_expired,
    one_node_given_notice,
    release_unanswered,
    release_refused,
    between_deletion_and_creation,
)
Step = Callable[[Cluster], Awaitable[None]]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
async def test_after_a_kill_all_is_as_claimed(there: Cluster, step: Step) -> None:
    await step(there)
    there.crash()
    for _ in range(6):  # a rest for what failed lasts for a minute
        assert len(there.jobs()) <= 3
        await there.control()
        there.catch_up()
        await there.ensure(**WANTED)
        await there.clock.advance(15)
    assert there.jobs() == [ZERO, ONE, SPOT_ZERO]
    only_standby_went(there)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
async def test_after_a_kill_nothing_is_left_of_a_pool_that_went(there: Cluster, step: Step) -> None:
    await step(there)
    for path, job in there.api.objects.items():
        if path.startswith(JOBS):
            about = metadata(job)
            assert about["ownerReferences"][0]["uid"] == there.pools[0].uid, "else Kubernetes would not delete it"
            assert {MANAGED_BY, POOL} <= set(about["labels"])
            assert job["spec"]["activeDeadlineSeconds"]
            assert job["spec"]["ttlSecondsAfterFinished"]
    there.crash()
    there.pools = []
    await there.standby.release(there.clock.now())
    assert there.jobs() == []
    only_standby_went(there)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
async def test_after_a_kill_what_is_claimed_no_longer_goes(there: Cluster, step: Step) -> None:
    await step(there)
    there.crash()
    await there.ensure()
    assert there.jobs() == []
    only_standby_went(there)


def only_standby_went(there: Cluster) -> None:
    deleted = [each for each in there.api.requests if each.startswith("DELETE")]
    assert all(each.startswith(f"DELETE {JOBS}/h100-") for each in deleted)
    assert REPLICA in there.api.objects
