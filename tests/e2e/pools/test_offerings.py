"""An offering runs out, and the next one gives the node."""

from collections.abc import Callable

from tests.e2e.harness.outrider import Outrider
from tests.e2e.pools.sandbox import FIRST, MOST_PATIENCE_SECONDS, SECOND, Sandbox

Starter = Callable[..., Outrider]


def test_the_next_offering_is_asked_when_the_first_is_late(sandbox: Sandbox, outrider: Starter) -> None:
    """A NodePool at its limits says nothing: pods stay pending until the pool's patience ends, in the middle of a burst."""
    sandbox.pool(standby={"minNodes": 1, "maxNodes": 1})
    workload = sandbox.workload()
    workload.scaled_by(outrider(namespace=None, **sandbox.clock()))
    took_seconds = sandbox.until(lambda: sandbox.standby_nodes(FIRST), "a standby node of the first offering")
    print(f"a standby node of the first offering, {took_seconds:.1f} s after the policy")

    sandbox.limit(FIRST, 2)  # what it has: one node of the replica, one of the standby
    held = sandbox.standby_nodes()
    sandbox.needs(workload, 2)
    sandbox.until(lambda: workload.ready() == 2, "the second replica", 90)
    assert held & {pod["spec"]["nodeName"] for pod in workload.pods()}, "it takes the standby node"
    took_seconds = sandbox.until(
        lambda: sandbox.standby_nodes(SECOND), "a standby node of the second offering", MOST_PATIENCE_SECONDS + 60
    )
    print(
        f"the next offering's node, {took_seconds:.1f} s later; patience ends after {MOST_PATIENCE_SECONDS:g} s at most"
    )
    assert sandbox.offering(FIRST)["reason"] == "Resting"
    assert sandbox.most_standby == 1


def test_the_next_offering_is_asked_when_the_first_refuses(sandbox: Sandbox, outrider: Starter) -> None:
    """Karpenter deletes the NodeClaim and says InsufficientCapacityError, as with a cloud: nobody waits for patience."""
    with sandbox.out_of_capacity(FIRST):
        pool = sandbox.pool(standby={"minNodes": 1, "maxNodes": 1})
        outrider(namespace=None, **sandbox.clock())
        took_seconds = sandbox.until(lambda: sandbox.standby_nodes(SECOND), "a standby node of the second offering")
        print(f"the next offering's node, {took_seconds:.1f} s after the pool asked for one that was refused")
        sandbox.until(lambda: sandbox.offering(FIRST).get("reason") == "Resting", "the status to say so", 20)
        assert sandbox.offering(FIRST)["restingUntil"]
        sandbox.until(lambda: "StandbyHedged" in sandbox.events(pool), "the Event about it", 20)
