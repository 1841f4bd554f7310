"""One standby node for all members: whoever bursts takes it, whatever goes is replaced, and nothing is left behind."""

from collections.abc import Callable
from functools import partial

from autoscaler.kube.objects import metadata
from tests.e2e.harness import until
from tests.e2e.harness.outrider import Outrider
from tests.e2e.harness.workload import Workload
from tests.e2e.pools.sandbox import Sandbox

Starter = Callable[..., Outrider]
ONE = {"minNodes": 1, "maxNodes": 1}


def test_two_members_burst_one_after_the_other_onto_one_standby_node(sandbox: Sandbox, outrider: Starter) -> None:
    sandbox.pool(standby=ONE)
    chat, code = sandbox.workload("chat"), sandbox.workload("code")
    controller = outrider(namespace=None, **sandbox.clock())
    for workload in (chat, code):
        workload.scaled_by(controller)
    for workload in (chat, code):
        sandbox.until(sandbox.standby_nodes, "a standby node", 90)
        held = sandbox.standby_nodes()
        sandbox.needs(workload, 2)
        took_seconds = sandbox.until(partial(_has, workload, 2), f"{workload.name}'s second replica", 90)
        print(f"{workload.name} has its second replica {took_seconds:.1f} s after it needed one, on the standby node")
        assert held & _nodes(workload)
        sandbox.needs(workload, 0)
        sandbox.until(partial(_has, workload, 1), f"{workload.name} to shrink", 120)
        sandbox.until(lambda: len(sandbox.claims()) == 3, "the node that it left to go", 60)
    assert sandbox.most_standby == 1
    assert len(sandbox.claims_seen) <= 5, "two for the replicas, and a new standby node after each burst at most"


def test_a_node_that_is_given_notice_is_replaced_at_once(sandbox: Sandbox, outrider: Starter) -> None:
    sandbox.pool(standby={"minNodes": 0, "maxNodes": 1})
    workload = sandbox.workload()
    workload.scaled_by(outrider(namespace=None, **sandbox.clock()))
    sandbox.until(lambda: sandbox.status().get("heldGpus") == 1, "the pool's status")
    sandbox.until(lambda: not sandbox.jobs(), "demand to be known: before that a node is held for it", 60)
    [node] = _nodes(workload)
    taint = {"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}
    sandbox.cluster.api.patch(f"/api/v1/nodes/{node}", {"spec": {"taints": [taint]}})
    took_seconds = sandbox.until(sandbox.standby_nodes, "a standby node in its place", 60)
    print(f"a standby node runs {took_seconds:.1f} s after the notice")
    assert node not in sandbox.standby_nodes()


def test_nothing_outlives_a_killed_controller_and_a_deleted_pool(sandbox: Sandbox, outrider: Starter) -> None:
    """Killed as soon as a Job is asked for, and once it holds its node: the pool's deletion takes all with it."""
    for step, reached in (("asked", sandbox.jobs), ("held", sandbox.standby_nodes)):
        pool = sandbox.pool(standby=ONE)
        controller = outrider(namespace=None, **sandbox.clock())
        sandbox.until(reached, f"a standby node that is {step}")
        controller.process.kill()
        sandbox.cluster.api.delete(sandbox.cluster.api.path(pool))
        took_seconds = sandbox.until(lambda: not (sandbox.jobs() or sandbox.standby()), "the standby to go")
        sandbox.until(lambda: not sandbox.claims(), "its node to go", 90)
        print(f"killed once it was {step}: all gone {took_seconds:.1f} s after the pool, without a controller")


def test_a_restarted_controller_holds_the_same_node_and_goes_on_counting(sandbox: Sandbox, outrider: Starter) -> None:
    """Spend lives in the pool's status, so that even a controller with an empty disk goes on with it."""
    sandbox.pool(standby=ONE)
    controller = outrider(namespace=None, **sandbox.clock())
    sandbox.until(sandbox.standby_nodes, "a standby node")
    held = sandbox.standby_nodes()
    until(lambda: _spent(sandbox) > 0.0, 60, "spend in the status")
    controller.process.kill()
    before = _spent(sandbox)
    outrider(namespace=None, **sandbox.clock())
    until(lambda: _spent(sandbox) > before, 60, "spend to grow from where it was")
    print(f"spent before the restart {before:.4f}, and after it {_spent(sandbox):.4f} US$")
    assert sandbox.standby_nodes() == held
    assert len(sandbox.claims_seen) == 1


def _nodes(workload: Workload) -> set[str]:
    return {pod["spec"].get("nodeName", "") for pod in workload.pods() if metadata(pod)["name"]}


def _has(workload: Workload, replicas: int) -> bool:
    return workload.ready() == replicas


def _spent(sandbox: Sandbox) -> float:
    return float((sandbox.status().get("spend") or {}).get("totalUsd") or 0.0)
