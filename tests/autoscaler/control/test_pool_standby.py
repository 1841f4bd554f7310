"""The standby nodes of a pool in the live controller: held, seen, refused by an offering and asked of the next, given notice."""

from typing import Any

from autoscaler.control.pool_runtime import LASTING_SECONDS
from autoscaler.kube.client import Kube
from autoscaler.starts.shortages import OF_CLAIM
from tests.autoscaler.control.controller import Controller, a_controller
from tests.autoscaler.control.pooled import OFFERING, Pooled
from tests.autoscaler.control.test_pools import metric
from tests.autoscaler.kube.workloads import TEMPLATE
from tests.support.fake_api import FakeApi, status

JOBS = "/apis/batch/v1/namespaces/outrider-system/jobs/"
PODS = "/api/v1/namespaces/outrider-system/pods/"
SPOT = OFFERING | {"name": "spot", "kind": "Spot", "nodeSelector": {"karpenter.sh/nodepool": "spot"}}
ONE = {"maxNodes": 1, "minNodes": 1}


def jobs(api: FakeApi) -> dict[str, Any]:
    return {path.removeprefix(JOBS): api.objects[path] for path in api.objects if path.startswith(JOBS)}


async def test_a_node_is_held_and_counts_once_it_is_ready(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.pool(standby=ONE)
        await controller.until(lambda: jobs(api))
        await controller.until(lambda: pooled.status().get("standby") == "0/1")
        await a_pod(controller, node="")
        await controller.until(lambda: pooled.conditions()["StandbyReady"]["reason"] == "Requested")
        await pooled.node("n1")
        await a_pod(controller, node="n1")
        await controller.until(lambda: pooled.status().get("standby") == "1/1")
        await controller.until(lambda: pooled.conditions()["StandbyReady"]["status"] == "True")
        assert pooled.status()["offerings"][0]["nodes"] == 1
        assert metric("outrider_pool_standby_nodes", pool="h100", state="ready") == 1
        assert metric("outrider_pool_nodes", pool="h100", offering="on-demand") == 1
        await controller.until(lambda: float(pooled.status()["spend"].get("usdPerHour", 0)) == 4.0)


async def test_an_offering_without_capacity_rests_and_the_next_is_asked(api: FakeApi, kube: Kube) -> None:
    """The refusal is of a node that somebody else asked for."""
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.pool(offerings=[SPOT, OFFERING], standby=ONE)
        await controller.until(lambda: len(jobs(api)) == 1)
        assert "spot" in next(iter(jobs(api)))
        await a_pod(controller, node="")
        await controller.until(lambda: pooled.status().get("lastDecisionTime"))
        await controller.until(lambda: watches_refusals(api))
        await refuse(controller, "spot-x7k2p")
        await controller.until(lambda: len(jobs(api)) == 2)
        await controller.until(lambda: pooled.events("OfferingRests"))
        await controller.until(lambda: pooled.events("StandbyHedged"))
        await controller.until(lambda: pooled.status()["offerings"][0].get("restingUntil"))
        assert [each["reason"] for each in pooled.status()["offerings"]] == ["Resting", "Hedged"]
        assert pooled.status()["offering"] == "on-demand"
        assert metric("outrider_pool_offering_resting", pool="h100", offering="spot") == 1


async def test_a_node_of_a_member_that_was_given_notice_is_replaced_at_once(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.node("node")  # where all pods of targets are
        await pooled.pool(standby={"maxNodes": 2})
        await pooled.member("a", 1)
        await controller.decided("a")
        before = wanted(pooled)
        await pooled.node("node", taints=[{"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}])
        await controller.until(lambda: metric("outrider_pool_leaving_nodes", pool="h100") == 1)
        assert wanted(pooled) == before + 1
        await controller.until(lambda: pooled.events("NodesLeaving"))


async def test_gpus_of_others_are_shown_and_not_limited(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.node("node")
        gpu = {"containers": [{"name": "train", "resources": {"limits": {"nvidia.com/gpu": "3"}}}], "nodeName": "node"}
        await api.put("/api/v1/namespaces/batch/pods/train", {"spec": gpu, "status": {"phase": "Running"}})
        await pooled.pool(limits={"gpus": 2})
        await pooled.member("a", 1, minReplicas=2)
        await controller.until(lambda: controller.desired("a") == 2)
        await controller.until(lambda: pooled.status().get("otherGpus") == 3)


def watches_refusals(api: FakeApi) -> bool:
    return any(OF_CLAIM in each and "watch=true" in each for each in api.requests)


async def a_pod(controller: Controller, node: str) -> None:
    """The pod of the only standby Job, as its Job controller and the scheduler would make it."""
    [(name, job)] = jobs(controller.api).items()
    template = job["spec"]["template"]
    status = {"phase": "Running" if node else "Pending"}
    owner = {"kind": "Job", "name": name, "uid": job["metadata"]["uid"]}
    made = {"labels": template["metadata"]["labels"], "ownerReferences": [owner]}
    about = {"metadata": made, "spec": {"nodeName": node}, "status": status}
    await controller.api.put(f"{PODS}{name}-0", about)
    await controller.api.put(f"{JOBS}{name}", {**job, "status": {"active": 1}})


async def refuse(controller: Controller, claim: str) -> None:
    """What Karpenter says about a NodeClaim for which there is no machine."""
    about = {"kind": "NodeClaim", "name": claim}
    event = {"involvedObject": about, "reason": OF_CLAIM, "message": "insufficient capacity"}
    await controller.api.put("/api/v1/namespaces/default/events/one", event)


def wanted(pooled: Pooled) -> int:
    assert pooled.controller.leader.pools is not None
    plan = pooled.controller.leader.pools.runtimes["h100"].plan
    assert plan is not None
    return plan.standby_nodes


async def test_a_member_is_told_of_standby_nodes_that_have_failed_for_minutes(api: FakeApi, kube: Kube) -> None:
    """A hiccup is no news to it."""
    forbidden = status(403, "Forbidden", "jobs.batch is forbidden")
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        ours = OFFERING | {"nodeSelector": TEMPLATE["spec"]["nodeSelector"]}
        api.standing.append(("POST " + JOBS.rstrip("/"), forbidden))
        await pooled.pool(offerings=[ours], standby=ONE)
        await pooled.member("a", 1)
        await controller.decided("a")
        await controller.until(lambda: "jobs.batch is forbidden" in pooled.status()["message"])
        await controller.until(lambda: pooled.ability("a")["works"])
        await controller.clock.advance(LASTING_SECONDS)
        await controller.until(lambda: "jobs.batch is forbidden" in pooled.ability("a")["message"])
        assert not pooled.ability("a")["works"]
        api.standing.clear()
        await controller.until(lambda: jobs(api))
        await a_pod(controller, node="")
        await controller.until(lambda: pooled.ability("a")["works"])
