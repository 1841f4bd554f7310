"""Balloons against admission on the real API server: a quota, a LimitRange, a suspended Job; and a controller that is killed."""

import time

from autoscaler.kube.objects import metadata
from tests.e2e.harness import nodes, until
from tests.e2e.harness.api import Json
from tests.e2e.harness.cluster import RATE
from tests.e2e.harness.workload import Workload
from tests.e2e.test_balloons import SOON_SECONDS, Sandbox, Starter, placed, sandbox

__all__ = ["sandbox"]  # a fixture

POD_SECONDS = 30.0  # from a decision until its pods exist, at the pace of the suite
GO_SECONDS = 12.0
GPU = "requests.nvidia.com/gpu"


def test_a_quota_keeps_no_decided_replica_from_being_created(sandbox: Sandbox, outrider: Starter) -> None:
    """The quota is full of balloons when the replicas are decided."""
    workload = sandbox.workload(replicas=1)
    workload.scaled_by(outrider(**sandbox.clock()))
    sandbox.window(workload, SOON_SECONDS)
    sandbox.until(lambda: len(sandbox.running()) == 2, "two running balloons")

    put(sandbox, "ResourceQuota", "gpu", {"hard": {GPU: "3"}})
    until(lambda: quota(sandbox).get("used", {}).get(GPU) == "3", 10, "the quota to be full")
    sandbox.window(workload, 0)
    sandbox.until(lambda: workload.desired() == 3, "the decision")
    took_seconds = sandbox.until(lambda: len(workload.pods()) == 3, "the replicas' pods")
    print(f"a full quota: 3 pods exist {took_seconds:.1f} s after the decision")
    assert took_seconds <= POD_SECONDS
    assert len(sandbox.jobs_seen) == 2, "no balloon is made while replicas are refused or may be"
    until(lambda: "ResourceQuota gpu" in prepared(workload) or "cannot be created" in prepared(workload), 10, "status")
    print(prepared(workload))


def test_a_job_that_gets_no_pod_is_reported_and_let_go(sandbox: Sandbox, outrider: Starter) -> None:
    """Because someone suspends it, or because a LimitRange has its pod refused."""
    one, two = sandbox.workload("one", maxPreparedNodes=1), sandbox.workload("two", maxPreparedNodes=1)
    outrider(**sandbox.clock())
    sandbox.window(one, SOON_SECONDS)
    sandbox.until(lambda: len(sandbox.running()) == 1, "a running balloon")
    [job] = sandbox.jobs(one)
    sandbox.cluster.api.patch(sandbox.cluster.api.path(job_of(job)), {"spec": {"suspend": True}})
    took_seconds = sandbox.until(lambda: not sandbox.jobs(one), "the suspended Job to go")
    until(lambda: "was suspended" in prepared(one), 10, "the reason in the status")
    print(f"a suspended Job went in {took_seconds:.1f} s: {prepared(one)}")
    assert took_seconds <= GO_SECONDS

    put(sandbox, "LimitRange", "defaults", {"limits": [{"type": "Container", "default": {"cpu": "500m"}}]})
    sandbox.window(two, SOON_SECONDS)
    sandbox.until(lambda: sandbox.jobs(two), "a Job")
    took_seconds = sandbox.until(lambda: not sandbox.jobs(two), "the Job without a pod to go")
    until(lambda: "BalloonFailed" in sandbox.events(two.policy), 10, "the Event about it")
    print(f"a Job without a pod went in {took_seconds:.1f} s: {sandbox.events(two.policy)['BalloonFailed']}")
    assert took_seconds <= GO_SECONDS
    assert "cpu limit" in sandbox.events(two.policy)["BalloonFailed"]
    assert len(sandbox.jobs_seen) == 2, "neither is made again at once"


def test_a_controller_that_is_killed_at_any_step_leaks_and_loses_nothing(sandbox: Sandbox, outrider: Starter) -> None:
    """While the balloons' pods are pending, while they run, and while replicas take their places."""
    node_class, _ = nodes.pool(sandbox.name, registration_seconds=4)
    sandbox.cluster.api.apply(node_class)
    workload = sandbox.workload()
    controller = outrider(**sandbox.clock())

    sandbox.window(workload, SOON_SECONDS)
    sandbox.until(lambda: len(sandbox.balloons()) == 2, "two pending balloons")
    controller.process.kill()
    controller.start()
    sandbox.until(lambda: len(sandbox.running()) == 2, "two running balloons")
    controller.process.kill()
    controller.start()
    time.sleep(15 / RATE)  # a decision, which is to hold them
    assert len(sandbox.running()) == 2
    sandbox.window(workload, 0)
    sandbox.until(lambda: workload.desired() == 3, "the decision")
    sandbox.cluster.kubectl("scale", f"deployment/{workload.name}", "--replicas=2", f"--namespace={sandbox.name}")
    controller.process.kill()
    sandbox.until(lambda: placed(workload) == 2, "the replicas to take the balloons' places, without a controller")
    controller.start()
    sandbox.until(lambda: not sandbox.jobs(), "the balloons' Jobs to be gone")
    assert workload.scale() == (2, 2)
    assert len(sandbox.jobs_seen) == len(sandbox.claims_seen) == 2


def prepared(workload: Workload) -> str:
    """Why fewer nodes are prepared than planned; empty if they are not."""
    found = [each for each in workload.status().get("conditions") or () if each["type"] == "NodesPrepared"]
    return found[0]["message"] if found else ""


def put(sandbox: Sandbox, kind: str, name: str, spec: Json) -> None:
    about = {"name": name, "namespace": sandbox.name}
    sandbox.cluster.api.apply({"apiVersion": "v1", "kind": kind, "metadata": about, "spec": spec})


def quota(sandbox: Sandbox) -> Json:
    """The quota's status."""
    found: Json = sandbox.cluster.api.get(f"/api/v1/namespaces/{sandbox.name}/resourcequotas/gpu").get("status") or {}
    return found


def job_of(listed: Json) -> Json:
    """A Job of a list, with the kind that lists leave out."""
    return {**listed, "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata(listed)}
