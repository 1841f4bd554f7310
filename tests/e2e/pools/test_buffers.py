"""Standby nodes by an administrator's CapacityBuffer, which Karpenter fills."""

from collections.abc import Callable

from tests.e2e.harness.outrider import NAMESPACE, Outrider
from tests.e2e.pools.sandbox import FIRST, Sandbox

Starter = Callable[..., Outrider]


def test_a_buffer_lands_the_standby_node_and_a_replica_takes_it(sandbox: Sandbox, outrider: Starter) -> None:
    """No Job is made; the buffer keeps its limits, and is set back when no node is wanted."""
    name = sandbox.buffer(most=2)
    sandbox.pool(standby={"minNodes": 1, "maxNodes": 1}, buffer=name)
    workload = sandbox.workload()
    workload.scaled_by(outrider(namespace=None, **sandbox.clock()))
    took_seconds = sandbox.until(lambda: len(sandbox.nodes(FIRST)) == 2, "the buffer's node beside the replica's", 90)
    print(f"the buffer's node is there {took_seconds:.1f} s after the policy")
    sandbox.until(lambda: sandbox.status().get("standby") == "1/1", "the pool's status to count it", 60)
    assert not sandbox.jobs()

    there = {node["metadata"]["name"] for node in sandbox.nodes(FIRST)}
    sandbox.needs(workload, 2)
    took_seconds = sandbox.until(lambda: workload.ready() == 2, "the second replica", 90)
    print(f"the second replica is ready {took_seconds:.1f} s after it was needed")
    assert {pod["spec"]["nodeName"] for pod in workload.pods()} == there

    sandbox.pool(standby={"minNodes": 0, "maxNodes": 0}, buffer=name)
    path = f"/apis/autoscaling.x-k8s.io/v1beta1/namespaces/{NAMESPACE}/capacitybuffers/{name}"
    sandbox.until(lambda: sandbox.cluster.api.get(path)["spec"]["replicas"] == 0, "the buffer to be set back", 60)
    assert sandbox.cluster.api.get(path)["spec"]["limits"], "what the administrator set stays"
