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
from tests.e2e.harness.clock import clock_settings
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
class Sandbox:
    """A restricted namespace with nodes of its own, and all Jobs and NodeClaims that were ever seen in it."""

    cluster: Cluster
    name: str
    behind_seconds: float = 0.0  # the controller's clock behind the wall's, at first
    epoch_seconds: float = field(default_factory=time.time)
    jobs_seen: set[str] = field(default_factory=set)
    claims_seen: set[str] = field(default_factory=set)

    def clock(self) -> dict[str, str]:
        """A controller's settings: its clock runs as fast as the cluster and the engines."""
        return clock_settings(self.epoch_seconds, self.behind_seconds)

    def workload(self, name: str = "llm", replicas: int = 0, **spec: Any) -> Workload:
        """Deploy a model on these nodes; its policy is not applied yet."""
        workload = Workload(self.cluster, self.name, name, pool=self.name, policy_spec={**SPEC, **spec})
        workload.epoch_seconds = self.epoch_seconds
        workload.deploy(replicas)
        return workload

    def window(self, workload: Workload, in_seconds: float) -> None:
        """Apply the policy with a window of at least 3 replicas that opens up to a minute before that time."""
        now = self.epoch_seconds - self.behind_seconds + (time.time() - self.epoch_seconds) * RATE
        workload.policy["spec"]["schedules"] = [window(now + in_seconds, 3)]
        self.cluster.api.apply(workload.policy)

    def until(self, check: Callable[[], Any], what: str, at_most_seconds: float = 60.0) -> float:
        """Watch Jobs and NodeClaims until `check` is true; the seconds that it took."""
        began = time.monotonic()
        until(lambda: [self.jobs(), self.claims()] and check(), at_most_seconds, what)
        return time.monotonic() - began

    def jobs(self, workload: Workload | None = None) -> list[Json]:
        """Balloon Jobs of one workload, or of all."""
        selector = POLICY if workload is None else f"{POLICY}={workload.name}"
        found = self.cluster.api.items(f"/apis/batch/v1/namespaces/{self.name}/jobs", selector)
        self.jobs_seen |= {metadata(job)["uid"] for job in found}
        return found

    def balloons(self, workload: Workload | None = None) -> list[Json]:
        """Balloon pods that are not being deleted."""
        selector = BALLOON if workload is None else f"{BALLOON},{POLICY}={workload.name}"
        found = self.cluster.api.items(f"/api/v1/namespaces/{self.name}/pods", selector)
        return [pod for pod in found if not deleting(pod)]

    def running(self, workload: Workload | None = None) -> list[Json]:
        """Balloon pods that run."""
        return [pod for pod in self.balloons(workload) if pod["status"]["phase"] == "Running"]

    def claims(self) -> set[str]:
        """The NodeClaims that exist."""
        found = {metadata(each)["name"] for each in self._of_pool("/apis/karpenter.sh/v1/nodeclaims")}
        self.claims_seen |= found
        return found

    def is_empty(self) -> bool:
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
def sandbox(cluster: Cluster, namespace: str) -> Iterator[Sandbox]:
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.api.patch(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": restricted}})
    pool = nodes.pool(namespace, idle_seconds=2)
    cluster.api.apply(*pool)
    yield Sandbox(cluster, namespace)
    for workload in requests.get(f"{cluster.standin_url}/workloads", timeout=10).json():
        if workload.startswith(f"{namespace}/"):
            requests.delete(f"{cluster.standin_url}/workloads/{workload}", timeout=10)
    for each in reversed(pool):
        cluster.api.delete(cluster.api.path(each))


def test_a_replica_takes_the_place_of_a_balloon(sandbox: Sandbox, outrider: Starter) -> None:
    """From the need that is foreseen to the replica that serves, by Karpenter, the scheduler, KEDA and the HPA."""
    workload = sandbox.workload(replicas=1)
    [(alone, cold_seconds)] = _seconds_to_ready(workload).items()
    workload.scaled_by(outrider(**sandbox.clock()))
    assert not sandbox.jobs()

    sandbox.window(workload, SOON_SECONDS)
    took_seconds = sandbox.until(lambda: len(sandbox.running()) == 2, "two running balloons")
    balloons = sandbox.running()
    print(f"2 balloons run, {took_seconds:.1f} s after the policy foresaw 3 replicas instead of 1")
    assert {pod["spec"]["priority"] for pod in balloons} == {-5}
    assert all("Successfully pulled" in sandbox.events(pod)["Pulled"] for pod in balloons)
    assert workload.scale() == (1, 1)
    until(lambda: workload.status().get("preparedNodes") == 2, 10, "the status to show them")

    sandbox.window(workload, 0)
    took_seconds = sandbox.until(lambda: workload.ready() == 3, "three ready replicas")
    print(f"3 replicas are ready, {took_seconds:.1f} s after the policy needed them at once")
    new = [pod for pod in workload.pods() if metadata(pod)["name"] != alone]
    assert {pod["spec"]["nodeName"] for pod in new} == {pod["spec"]["nodeName"] for pod in balloons}
    assert {pod["spec"]["priority"] for pod in new} == {0}, "no PriorityClass is needed"
    assert all("Preempted" in sandbox.events(pod) for pod in balloons)
    assert all("already present" in sandbox.events(pod)["Pulled"] for pod in new)
    assert not any("Pulling" in sandbox.events(pod) for pod in new)
    warm_seconds = max(each for name, each in _seconds_to_ready(workload).items() if name != alone)
    print(f"from the making of its pod: {cold_seconds:.1f} s without a balloon, {warm_seconds:.1f} s with one")
    assert warm_seconds < cold_seconds - Stages().image_seconds

    sandbox.until(lambda: not sandbox.jobs(), "the balloons' Jobs to be gone")
    assert len(sandbox.jobs_seen) == 2, "a balloon is not made again for a place that a replica takes"
    assert len(sandbox.claims_seen) == 3, "no node is bought for a replica that has a place"


def test_replicas_that_come_before_the_balloons_nodes_get_these(sandbox: Sandbox, outrider: Starter) -> None:
    """Pending balloons beside pending replicas would make Karpenter bring twice as many."""
    node_class, _ = nodes.pool(sandbox.name, registration_seconds=12)
    sandbox.cluster.api.apply(node_class)
    workload = sandbox.workload()
    outrider(**sandbox.clock())
    sandbox.window(workload, SOON_SECONDS)
    sandbox.until(lambda: len(sandbox.claims()) == 2, "Karpenter to begin with nodes for two balloons")
    sandbox.window(workload, 0)
    sandbox.until(lambda: workload.desired() == 3 and not sandbox.jobs(), "the balloons to make way for 3 replicas")
    sandbox.cluster.kubectl("scale", f"deployment/{workload.name}", "--replicas=2", f"--namespace={sandbox.name}")
    took_seconds = sandbox.until(lambda: placed(workload) == 2, "both replicas to have a node")
    print(f"2 replicas have the 2 balloons' nodes {took_seconds:.1f} s after they were made")
    assert len(sandbox.claims_seen) == 2, "no node is bought twice"


def test_nothing_outlives_a_controller_that_was_killed(sandbox: Sandbox, outrider: Starter) -> None:
    """Deadline, time to live and owner are Kubernetes' to keep."""
    deadline_seconds = 15
    sandbox.behind_seconds = BEHIND_SECONDS
    left, dropped = sandbox.workload("left", maxPreparedNodes=1), sandbox.workload("dropped", maxPreparedNodes=1)
    controller = outrider(balloon_deadline_seconds=deadline_seconds, **sandbox.clock())
    for workload in (left, dropped):
        sandbox.window(workload, SOON_SECONDS)
    sandbox.until(lambda: len(sandbox.claims()) == 2, "Karpenter to bring nodes for two balloons")
    controller.process.kill()
    [job] = sandbox.jobs(left)
    made_seconds = seconds(metadata(job)["creationTimestamp"]) or 0.0

    sandbox.cluster.api.delete(sandbox.cluster.api.path(dropped.policy))
    took_seconds = sandbox.until(
        lambda: not sandbox.jobs(dropped) and not sandbox.balloons(dropped), "its balloon to go"
    )
    print(f"the balloon of a deleted policy went in {took_seconds:.1f} s, without a controller")

    sandbox.until(lambda: _ended(sandbox.jobs(left))[0] and not sandbox.balloons(), "the deadline of the other")
    reason, ended_seconds = _ended(sandbox.jobs(left))
    print(f"the other ended {ended_seconds - made_seconds:.0f} s after it was made ({reason})")
    assert reason == "DeadlineExceeded"
    assert ended_seconds - made_seconds < deadline_seconds + 10
    sandbox.until(lambda: not sandbox.claims(), "Karpenter to take the nodes back")
    print(f"its node was gone {time.time() - ended_seconds:.0f} s later")
    sandbox.until(sandbox.is_empty, "the ended Job to go", JOB_TTL_SECONDS + 30)
    print(f"its Job was gone {time.time() - ended_seconds:.0f} s later")
    assert len(sandbox.jobs_seen) == len(sandbox.claims_seen) == 2


def test_no_balloon_beyond_the_cap_and_none_without_a_need(sandbox: Sandbox, outrider: Starter) -> None:
    with pytest.raises(ApiError, match="violates PodSecurity"):  # which the balloons pass
        sandbox.cluster.api.post(f"/api/v1/namespaces/{sandbox.name}/pods", _as_root())
    one, two = sandbox.workload("one"), sandbox.workload("two", replicas=1)
    outrider(max_balloons=3, **sandbox.clock())
    sandbox.window(one, SOON_SECONDS)
    sandbox.until(lambda: len(sandbox.jobs(one)) == 2, "the first policy's balloons")
    sandbox.window(two, SOON_SECONDS)
    sandbox.until(lambda: len(sandbox.running()) == 3, "three running balloons")
    until(lambda: "BalloonCap" in sandbox.events(two.policy), 10, "the Event about the cap")
    assert len(sandbox.jobs_seen) == 3

    sandbox.cluster.api.patch(sandbox.cluster.api.path(one.policy), {"spec": {"mode": "Shadow"}})
    took_seconds = sandbox.until(lambda: not sandbox.jobs(one) and not sandbox.balloons(one), "Shadow to let go")
    print(f"2 balloons went in {took_seconds:.1f} s after mode Shadow")
    sandbox.until(lambda: len(sandbox.jobs(two)) == 2, "the other policy to use the room")

    two.policy["spec"]["schedules"] = []
    sandbox.cluster.api.apply(two.policy)
    took_seconds = sandbox.until(lambda: not sandbox.jobs() and not sandbox.balloons(), "those without a need to go")
    print(f"2 balloons went in {took_seconds:.1f} s after the need, of which 12 s are the hold's minute")


def placed(workload: Workload) -> int:
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
