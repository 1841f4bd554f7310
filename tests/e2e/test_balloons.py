"""Balloons: Karpenter brings the node, the image is there, the replica takes the place, and nothing is left behind.

Every namespace here enforces the Pod Security standard `restricted`, and has a NodePool of its own, since an empty node
that another test has left would do as well as a new one.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from autoscaler.kube.objects import condition, deleting, metadata, seconds
from autoscaler.kube.ours import BALLOON, POLICY
from tests.e2e.harness import Cluster, nodes, until
from tests.e2e.harness.api import ApiError, Json
from tests.e2e.harness.cluster import RATE
from tests.e2e.harness.outrider import Outrider
from tests.e2e.harness.workload import Stages, Workload, window

# Leads of 126 s with the image there, 740 s without. Room for more replicas than come, so that more could be prepared.
SPEC = {"profile": "8b-h100", "maxReplicas": 9, "maxPreparedNodes": 2}
SOON_SECONDS = 480.0  # until a window opens: within the lead without the image, not within the other
BEHIND_SECONDS = 3600.0  # a fast clock overtakes the API server's, by which a Job is past its deadline
JOB_TTL_SECONDS = 60
Starter = Callable[..., Outrider]


@dataclass
class Ground:
    """A restricted namespace with nodes of its own, and all Jobs and NodeClaims that were ever seen on it."""

    cluster: Cluster
    name: str
    behind_seconds: float = 0.0  # the controller's clock behind the wall's, at first
    epoch_seconds: float = field(default_factory=time.time)
    jobs_seen: set[str] = field(default_factory=set)
    claims_seen: set[str] = field(default_factory=set)

    def clock(self) -> dict[str, float]:
        """A controller's settings: as fast as the cluster and the engines."""
        behind = self.epoch_seconds - self.behind_seconds
        return {
            "clock_rate": RATE,
            "clock_wall_epoch_seconds": self.epoch_seconds,
            "clock_scenario_epoch_seconds": behind,
        }

    def workload(self, name: str = "llm", replicas: int = 0, **spec: Any) -> Workload:
        """A model for this ground's nodes; its policy is not yet applied."""
        workload = Workload(self.cluster, self.name, name, pool=self.name, policy_spec={**SPEC, **spec})
        workload.epoch_seconds = self.epoch_seconds
        workload.deploy(replicas)
        return workload

    def window(self, workload: Workload, in_seconds: float) -> None:
        """The policy, with a window in which 3 replicas are the least; it opens within the minute before that time."""
        now = self.epoch_seconds - self.behind_seconds + (time.time() - self.epoch_seconds) * RATE
        workload.policy["spec"]["schedules"] = [window(now + in_seconds, 3)]
        self.cluster.api.apply(workload.policy)

    def until(self, check: Callable[[], Any], what: str, at_most_seconds: float = 60.0) -> float:
        """Look at everything until something is true; the seconds that it took."""
        began = time.monotonic()
        until(lambda: [self.jobs(), self.claims()] and check(), at_most_seconds, what)
        return time.monotonic() - began

    def jobs(self, workload: Workload | None = None) -> list[Json]:
        """Balloons, of one service or all."""
        selector = POLICY if workload is None else f"{POLICY}={workload.name}"
        found = self.cluster.api.items(f"/apis/batch/v1/namespaces/{self.name}/jobs", selector)
        self.jobs_seen |= {metadata(job)["uid"] for job in found}
        return found

    def balloons(self, workload: Workload | None = None) -> list[Json]:
        """Their pods that are not going."""
        selector = BALLOON if workload is None else f"{BALLOON},{POLICY}={workload.name}"
        found = self.cluster.api.items(f"/api/v1/namespaces/{self.name}/pods", selector)
        return [pod for pod in found if not deleting(pod)]

    def running(self, workload: Workload | None = None) -> list[Json]:
        """Those of them that run."""
        return [pod for pod in self.balloons(workload) if pod["status"]["phase"] == "Running"]

    def claims(self) -> set[str]:
        """What Karpenter has asked for and not yet given back."""
        found = {metadata(each)["name"] for each in self._of_pool("/apis/karpenter.sh/v1/nodeclaims")}
        self.claims_seen |= found
        return found

    def bare(self) -> bool:
        """Whether neither balloons nor nodes are left."""
        return not (self.jobs() or self.balloons() or self.claims() or self._of_pool("/api/v1/nodes"))

    def events(self, about: Json) -> dict[str, str]:
        """The Events about an object: message by reason."""
        found = self.cluster.api.get(f"/api/v1/namespaces/{self.name}/events")["items"]
        name = metadata(about)["name"]
        return {each["reason"]: each["message"] for each in found if each["involvedObject"]["name"] == name}

    def _of_pool(self, path: str) -> list[Json]:
        return self.cluster.api.items(path, f"{nodes.POOL_LABEL}={self.name}")


@pytest.fixture
def ground(cluster: Cluster, namespace: str) -> Iterator[Ground]:
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.api.patch(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": restricted}})
    pool = nodes.pool(namespace, idle_seconds=2)
    cluster.api.apply(*pool)
    yield Ground(cluster, namespace)
    for workload in requests.get(f"{cluster.standin_url}/services", timeout=10).json():
        if workload.startswith(f"{namespace}/"):
            requests.delete(f"{cluster.standin_url}/services/{workload}", timeout=10)
    for each in reversed(pool):
        cluster.api.delete(cluster.api.path(each))


def test_a_replica_takes_the_place_of_a_balloon(ground: Ground, outrider: Starter) -> None:
    """From the need that is foreseen to the replica that serves, by Karpenter, the scheduler, KEDA and the HPA."""
    workload = ground.workload(replicas=1)
    [(alone, cold_seconds)] = _seconds_to_ready(workload).items()
    workload.scaled_by(outrider(**ground.clock()))
    assert not ground.jobs()

    ground.window(workload, SOON_SECONDS)
    took_seconds = ground.until(lambda: len(ground.running()) == 2, "two running balloons")
    balloons = ground.running()
    print(f"2 balloons run, {took_seconds:.1f} s after the policy foresaw 3 replicas instead of 1")
    assert {pod["spec"]["priority"] for pod in balloons} == {-5}
    assert all("Successfully pulled" in ground.events(pod)["Pulled"] for pod in balloons)
    assert workload.scale() == (1, 1)
    until(lambda: workload.status().get("preparedNodes") == 2, 10, "the status to show them")

    ground.window(workload, 0)
    took_seconds = ground.until(lambda: workload.ready() == 3, "three ready replicas")
    print(f"3 replicas are ready, {took_seconds:.1f} s after the policy needed them at once")
    new = [pod for pod in workload.pods() if metadata(pod)["name"] != alone]
    assert {pod["spec"]["nodeName"] for pod in new} == {pod["spec"]["nodeName"] for pod in balloons}
    assert {pod["spec"]["priority"] for pod in new} == {0}, "no PriorityClass is needed"
    assert all("Preempted" in ground.events(pod) for pod in balloons)
    assert all("already present" in ground.events(pod)["Pulled"] for pod in new)
    assert not any("Pulling" in ground.events(pod) for pod in new)
    warm_seconds = max(each for name, each in _seconds_to_ready(workload).items() if name != alone)
    print(f"from the making of its pod: {cold_seconds:.1f} s without a balloon, {warm_seconds:.1f} s with one")
    assert warm_seconds < cold_seconds - Stages().image_seconds

    ground.until(lambda: not ground.jobs(), "the balloons' Jobs to be gone")
    assert len(ground.jobs_seen) == 2, "a balloon is not made again for a place that a replica takes"
    assert len(ground.claims_seen) == 3, "no node is bought for a replica that has a place"


def test_replicas_that_come_before_the_balloons_nodes_get_these(ground: Ground, outrider: Starter) -> None:
    """Pending balloons beside pending replicas would make Karpenter bring twice as many."""
    node_class, _ = nodes.pool(ground.name, registration_seconds=12)
    ground.cluster.api.apply(node_class)
    workload = ground.workload()
    outrider(**ground.clock())
    ground.window(workload, SOON_SECONDS)
    ground.until(lambda: len(ground.claims()) == 2, "Karpenter to begin with nodes for two balloons")
    ground.window(workload, 0)
    ground.until(lambda: workload.desired() == 3 and not ground.jobs(), "the balloons to make way for 3 replicas")
    ground.cluster.kubectl("scale", f"deployment/{workload.name}", "--replicas=2", f"--namespace={ground.name}")
    took_seconds = ground.until(lambda: _placed(workload) == 2, "both replicas to have a node")
    print(f"2 replicas have the 2 balloons' nodes {took_seconds:.1f} s after they were made")
    assert len(ground.claims_seen) == 2, "no node is bought twice"


def test_nothing_outlives_a_controller_that_was_killed(ground: Ground, outrider: Starter) -> None:
    """Deadline, time to live and owner are Kubernetes' to keep."""
    deadline_seconds = 15
    ground.behind_seconds = BEHIND_SECONDS
    left, dropped = ground.workload("left", maxPreparedNodes=1), ground.workload("dropped", maxPreparedNodes=1)
    controller = outrider(balloon_deadline_seconds=deadline_seconds, **ground.clock())
    for workload in (left, dropped):
        ground.window(workload, SOON_SECONDS)
    ground.until(lambda: len(ground.claims()) == 2, "Karpenter to bring nodes for two balloons")
    controller.process.kill()
    [job] = ground.jobs(left)
    made_seconds = seconds(metadata(job)["creationTimestamp"]) or 0.0

    ground.cluster.api.delete(ground.cluster.api.path(dropped.policy))
    took_seconds = ground.until(lambda: not ground.jobs(dropped) and not ground.balloons(dropped), "its balloon to go")
    print(f"the balloon of a deleted policy went in {took_seconds:.1f} s, without a controller")

    ground.until(lambda: _ended(ground.jobs(left))[0] and not ground.balloons(), "the deadline of the other")
    reason, ended_seconds = _ended(ground.jobs(left))
    print(f"the other ended {ended_seconds - made_seconds:.0f} s after it was made ({reason})")
    assert reason == "DeadlineExceeded"
    assert ended_seconds - made_seconds < deadline_seconds + 10
    ground.until(lambda: not ground.claims(), "Karpenter to take the nodes back")
    print(f"its node was gone {time.time() - ended_seconds:.0f} s later")
    ground.until(ground.bare, "the ended Job to go", JOB_TTL_SECONDS + 30)
    print(f"its Job was gone {time.time() - ended_seconds:.0f} s later")
    assert len(ground.jobs_seen) == len(ground.claims_seen) == 2


def test_no_balloon_beyond_the_cap_and_none_without_a_need(ground: Ground, outrider: Starter) -> None:
    with pytest.raises(ApiError, match="violates PodSecurity"):  # which the balloons pass
        ground.cluster.api.post(f"/api/v1/namespaces/{ground.name}/pods", _as_root())
    one, two = ground.workload("one"), ground.workload("two", replicas=1)
    outrider(max_balloons=3, **ground.clock())
    ground.window(one, SOON_SECONDS)
    ground.until(lambda: len(ground.jobs(one)) == 2, "the first policy's balloons")
    ground.window(two, SOON_SECONDS)
    ground.until(lambda: len(ground.running()) == 3, "three running balloons")
    until(lambda: "BalloonCap" in ground.events(two.policy), 10, "the Event about the cap")
    assert len(ground.jobs_seen) == 3

    ground.cluster.api.patch(ground.cluster.api.path(one.policy), {"spec": {"mode": "Shadow"}})
    took_seconds = ground.until(lambda: not ground.jobs(one) and not ground.balloons(one), "Shadow to let go")
    print(f"2 balloons went in {took_seconds:.1f} s after mode Shadow")
    ground.until(lambda: len(ground.jobs(two)) == 2, "the other policy to use the room")

    two.policy["spec"]["schedules"] = []
    ground.cluster.api.apply(two.policy)
    took_seconds = ground.until(lambda: not ground.jobs() and not ground.balloons(), "those without a need to go")
    print(f"2 balloons went in {took_seconds:.1f} s after the need, of which 12 s are the hold's minute")


def _placed(workload: Workload) -> int:
    return sum(bool(pod["spec"].get("nodeName")) for pod in workload.pods())


def _seconds_to_ready(workload: Workload) -> dict[str, float]:
    """Of each replica, from the making of its pod."""
    return {name: pod["ready"] - pod["created"] for name, pod in workload.standin()["pods"].items()}


def _ended(jobs: list[Json]) -> tuple[str, float]:
    """Why and when the first has failed; empty before that."""
    failed = condition(jobs[0], "Failed") or {}
    return failed.get("reason", ""), seconds(failed.get("lastTransitionTime")) or 0.0


def _as_root() -> Json:
    containers = [{"name": "root", "image": "root"}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "root"}, "spec": {"containers": containers}}
