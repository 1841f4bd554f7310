"""No missing or wrong data of a pool lowers its members, and no tenant takes from another what the pool's rules give that one."""

from collections.abc import Awaitable, Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from autoscaler.control.pool_inputs import Member, asks
from autoscaler.control.runtime import GONE_SECONDS
from autoscaler.kube.client import Kube
from autoscaler.kube.store import Store
from autoscaler.records.store import FileStore, Loaded
from autoscaler.starts.shortages import OF_POD
from policies.pool import Account, OfferingState, PoolState, Usage
from tests.autoscaler.control.controller import Controller, a_controller, spec
from tests.autoscaler.control.pooled import GRID, OFFERING, Pooled, pool_path
from tests.support.fake_api import FakeApi, status

HAD = 4  # replicas of every member
NAN = float("nan")
Fault = Callable[[Pooled], Awaitable[None]]


@dataclass
class Lowest:
    """The least that was decided of each policy since it is watched."""

    controller: Controller
    least: dict[str, int] = field(default_factory=dict)

    def watch(self, *names: str) -> None:
        for name in names:
            self.controller.runtime(name).subscribe(lambda name=name: self._decided(name))  # type: ignore[misc]

    def _decided(self, name: str) -> None:
        plan = self.controller.runtime(name).plan
        if plan is not None:
            self.least[name] = min(self.least.get(name, plan.desired_replicas), plan.desired_replicas)


async def gone(pooled: Pooled) -> None:
    await pooled.controller.api.remove(pool_path())


async def invalid(pooled: Pooled) -> None:
    await pooled.pool(limits={"gpus": -1})


async def never_valid(pooled: Pooled) -> None:
    await gone(pooled)
    await pooled.pool(offerings=[])


async def made_again(pooled: Pooled) -> None:
    await gone(pooled)
    await pooled.pool(limits={"gpus": 1})


async def namespace_gone(pooled: Pooled) -> None:
    await pooled.controller.api.remove("/api/v1/namespaces/ns")


async def no_rule(pooled: Pooled) -> None:
    rule = {"name": "search", "namespaceSelector": {"matchLabels": {"team": "search"}}}
    await pooled.pool(members=[rule])


async def lower_limits(pooled: Pooled) -> None:
    await pooled.pool(limits={"gpus": 1})


async def no_money(pooled: Pooled) -> None:
    await pooled.pool(limits={"usdPerDay": "0.01"})


async def lower_member_limit(pooled: Pooled) -> None:
    rule = {"name": "everyone", "namespaceSelector": {}, "maxGpus": 1}
    await pooled.pool(members=[rule])


async def other_offerings(pooled: Pooled) -> None:
    other = {"name": "spot", "kind": "Spot", "nodeSelector": {"x": "y"}, "pricePerGpuHour": "1", "gpusPerNode": 1}
    await pooled.pool(offerings=[other])


async def wrong_status(pooled: Pooled) -> None:
    api = pooled.controller.api
    wrong = {"spend": {"usdToday": "NaN", "until": "yesterday", "totalUsd": "inf"}, "offerings": [None, {"name": 7}]}
    await api.put(pool_path(), {**api.objects[pool_path()], "status": wrong})


async def nodes_gone(pooled: Pooled) -> None:
    await pooled.controller.api.remove("/api/v1/nodes/node")


async def no_standby(pooled: Pooled) -> None:
    pooled.controller.api.standing.append(("/jobs", status(503, "Unavailable")))
    await pooled.pool(standby={"maxNodes": 4})


FAULTS: tuple[Fault, ...] = (
    gone,
    invalid,
    never_valid,
    made_again,
    namespace_gone,
    no_rule,
    lower_limits,
    lower_member_limit,
    no_money,
    other_offerings,
    wrong_status,
    nodes_gone,
    no_standby,
)
EDITS = (made_again, lower_limits, lower_member_limit)  # the administrator's: of these a hold may end, and nothing else


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_no_fault_lowers_a_member(fault: Fault, api: FakeApi, kube: Kube) -> None:
    """Of two members one needs all that it has, and the other holds it, as after any restart."""
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.namespace()
        await pooled.node("node")
        await pooled.pool(limits={"gpus": 8})
        await pooled.member("needs", HAD, minReplicas=HAD)
        await pooled.member("holds", HAD)
        lowest = await watched(controller, "needs", "holds")
        await fault(pooled)
        await ticks(controller, 4)
        await controller.policy(
            "needs", spec("needs", pool="h100", minReplicas=HAD + 2)
        )  # it asks for what others hold
        await ticks(controller, 3)
        assert lowest.least["needs"] == HAD
        assert fault in EDITS or lowest.least["holds"] == HAD


SAVED = {
    "a day that is not a number": PoolState(account=Account(day="2023-11-14", day_usd=NAN, at_seconds=1_700_000_000.0)),
    "a level that is not a number": PoolState(level=NAN, volatility=NAN),
    "an infinite total": PoolState(account=Account(total=Usage(usd=float("inf")))),
    "a rest without end": PoolState(offerings=(OfferingState("on-demand", resting_until_seconds=float("inf")),)),
}


@pytest.mark.parametrize("saved", SAVED.values(), ids=SAVED)
async def test_no_wrong_saved_state_lowers_a_member_or_holds_it_for_good(
    saved: PoolState, api: FakeApi, kube: Kube
) -> None:
    async with a_controller(api, kube, loaded=Loaded(pools={"h100": saved})) as controller:
        pooled = Pooled(controller)
        await pooled.pool()
        await pooled.member("needs", HAD, minReplicas=HAD)
        await pooled.member("holds", HAD)
        lowest = await watched(controller, "needs", "holds")
        await ticks(controller, 3)
        assert lowest.least == {"needs": HAD, "holds": HAD}
        await controller.policy("needs", spec("needs", pool="h100", minReplicas=HAD + 2))
        await controller.until(lambda: controller.desired("needs") == HAD + 2)


async def test_a_saved_pool_that_cannot_be_read_is_none(tmp_path: Path, api: FakeApi, kube: Kube) -> None:
    store = FileStore(tmp_path)
    await store.save({}, {"h100": PoolState()})
    halve(tmp_path)
    loaded = await FileStore(tmp_path).load()
    assert loaded.refused_pools.keys() == {"h100"}
    async with a_controller(api, kube, loaded=loaded) as controller:
        pooled = Pooled(controller)
        await pooled.pool()
        await pooled.member("holds", HAD)
        lowest = await watched(controller, "holds")
        await ticks(controller, 3)
        assert lowest.least == {"holds": HAD}


async def test_a_member_of_an_unknown_namespace_keeps_its_holds_from_every_priority(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.namespace()
        await pooled.pool()
        await pooled.member("holds", HAD)
        await controller.decided("holds")
        runtime, pools = controller.runtime("holds"), controller.leader.pools
        proposal = runtime.propose(runtime.inputs({}, controller.clock.now(), on_grid=True))
        assert proposal is not None
        assert pools is not None
        proposal = replace(proposal, needed_replicas=1)
        members = [Member(runtime, proposal, asking=True)]
        [known] = asks(pools.runtimes["h100"], members, controller.always.watches.all_namespaces)
        [unknown] = asks(pools.runtimes["h100"], members, Store())
        assert (known.kept_replicas, known.needed_replicas) == (HAD, 1)
        assert (unknown.kept_replicas, unknown.needed_replicas) == (HAD, HAD)


async def test_no_policy_says_what_its_gpus_cost(api: FakeApi, kube: Kube) -> None:
    """A price of nearly nothing would let a tenant grow past the pool's limit in money. While nothing is known, it was as before."""
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.namespace()
        await pooled.pool(limits={"usdPerDay": "20"})
        await pooled.member("cheap", 1, minReplicas=10, pricePerGpuHour="0.001")
        await controller.until(lambda: pooled.granted("cheap") == ("False", "Money"))
        await controller.until(lambda: float(pooled.status().get("spend", {}).get("usdPerHour") or 0) == 4.0)
        runtime, pools = controller.runtime("cheap"), controller.leader.pools
        assert pools is not None
        dear = OFFERING | {"name": "dear", "nodeSelector": {"x": "y"}, "pricePerGpuHour": "9"}
        await controller.decided("cheap")
        await pooled.pool(offerings=[dear, OFFERING])
        await controller.until(lambda: len(pools.runtimes["h100"].pool.offerings) == 2)
        [ask] = asks(
            pools.runtimes["h100"], [Member(runtime, None, asking=False)], controller.always.watches.all_namespaces
        )
        assert ask.price_per_gpu_hour == 4.0


async def test_a_member_that_has_not_decided_yet_costs_what_it_runs(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.namespace()
        await pooled.pool()
        await pooled.member("a", HAD)
        await controller.decided("a")
        assert controller.leader.pools is not None
        member = Member(controller.runtime("a"), None, asking=False)
        [ask] = asks(controller.leader.pools.runtimes["h100"], [member], controller.always.watches.all_namespaces)
        assert (ask.serving_gpus, ask.used_gpus) == (HAD, HAD)


async def test_only_a_namespace_and_no_policy_says_which_member_it_is(api: FakeApi, kube: Kube) -> None:
    """Labels of a policy, which tenants write, give no seat; those of a namespace are the administrator's to guard."""
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.namespace(team="ads")
        rule = {"name": "search", "namespaceSelector": {"matchLabels": {"team": "search"}}}
        await pooled.pool(members=[rule])
        await pooled.member("a", HAD, minReplicas=HAD + 2)
        raw = api.objects["/apis/outrider.dev/v1alpha1/namespaces/ns/scalingpolicies/a"]
        labelled = {**raw["metadata"], "labels": {"team": "search"}, "annotations": {"team": "search"}}
        await api.put("/apis/outrider.dev/v1alpha1/namespaces/ns/scalingpolicies/a", {**raw, "metadata": labelled})
        await ticks(controller, 3)
        assert pooled.granted("a") == ("False", "NoMember")
        assert controller.desired("a") == HAD


async def test_a_tenant_that_asks_for_ten_thousand_takes_only_what_is_free(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.namespace()
        await pooled.pool(limits={"gpus": 12})
        await pooled.member("calm", HAD, minReplicas=HAD)
        await pooled.member("floods", 1, minReplicas=10_000, maxReplicas=10_000)
        lowest = await watched(controller, "calm", "floods")
        await ticks(controller, 4)
        assert lowest.least["calm"] == HAD
        assert (controller.desired("floods") or 0) <= 12 - HAD
        await controller.policy("calm", spec("calm", pool="h100", minReplicas=HAD + 1))
        await controller.until(lambda: pooled.granted("calm") == ("False", "PoolGPUs"))
        assert controller.desired("calm") == HAD


def halve(folder: Path) -> None:
    """Cut the saved state of the pool."""
    [file] = [path for path in folder.iterdir() if "h100" in path.name]
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


async def watched(controller: Controller, *names: str) -> Lowest:
    for name in names:
        await controller.decided(name)
    lowest = Lowest(controller)
    lowest.watch(*names)
    return lowest


async def ticks(controller: Controller, count: int) -> Any:
    """Until so many grid steps have passed."""
    await controller.passes(count * GRID)


async def beside_calm(controller: Controller, name: str, **settings: Any) -> Pooled:
    """A pool of six GPUs, with one member that has `HAD` of them and one, `calm`, that has one."""
    pooled = Pooled(controller)
    await pooled.namespace()
    await pooled.pool(limits={"gpus": 6})
    await pooled.member(name, HAD, **settings)
    await pooled.member("calm", 1)
    for each in (name, "calm"):
        await controller.decided(each)
    return pooled


async def test_replicas_that_nobody_takes_away_leave_no_room_for_others(api: FakeApi, kube: Kube) -> None:
    """As under a paused ScaledObject: less is decided, and the scale stays."""
    async with a_controller(api, kube) as controller:
        pooled = await beside_calm(controller, "paused", maxReplicas=HAD)
        await controller.policy("paused", spec("paused", pool="h100", maxReplicas=1))  # a bound beats every hold
        await controller.until(lambda: controller.desired("paused") == 1)
        await controller.until(lambda: controller.runtime("paused").unheeded)
        await ticks(controller, 2)
        await controller.policy("calm", spec("calm", pool="h100", minReplicas=6))
        await controller.until(lambda: pooled.granted("calm") == ("False", "PoolGPUs"))
        assert controller.desired("calm") == 6 - HAD


async def test_a_target_that_was_deleted_holds_nothing_of_the_pool_after_minutes(api: FakeApi, kube: Kube) -> None:
    """Its policy may stay behind. When the target comes back, it has what runs, and asks for the rest."""
    async with a_controller(api, kube) as controller:
        pooled = await beside_calm(controller, "gone", minReplicas=HAD)
        await controller.policy("calm", spec("calm", pool="h100", minReplicas=6))
        await controller.until(lambda: pooled.granted("calm") == ("False", "PoolGPUs"))
        deployment = api.objects["/apis/apps/v1/namespaces/ns/deployments/gone"]
        await api.remove("/apis/apps/v1/namespaces/ns/deployments/gone")
        await ticks(controller, 4)
        assert controller.desired("calm") == 6 - HAD, "it may be made again at once"
        await controller.clock.advance(GONE_SECONDS)
        await ticks(controller, 2)
        assert controller.desired("calm") == 6 - HAD, "its pods still run"
        for index in range(HAD):
            await api.remove(f"/api/v1/namespaces/ns/pods/gone-{index}")
        await controller.until(lambda: controller.desired("calm") == 6)
        deployment = {**deployment, "spec": {**deployment["spec"], "replicas": 1}, "status": {"replicas": 1}}
        await api.put("/apis/apps/v1/namespaces/ns/deployments/gone", deployment)
        await controller.until(lambda: pooled.granted("gone") == ("False", "PoolGPUs"))
        await controller.until(lambda: controller.desired("gone") == 1)
        assert controller.desired("calm") == 6


@pytest.mark.parametrize("wrong", [{"containers": [{"name": "e", "resources": "all"}]}, {"nodeSelector": ["h100"]}])
async def test_a_template_that_no_pod_could_have_costs_no_other_member_anything(
    wrong: dict[str, Any], api: FakeApi, kube: Kube
) -> None:
    """The API server checks the templates of its own kinds only; a tenant may scale another kind."""
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.namespace()
        await pooled.node("node")
        await pooled.pool(standby={"maxNodes": 1})
        await controller.target("hostile", 1)
        path = "/apis/apps/v1/namespaces/ns/deployments/hostile"
        deployment = deepcopy(api.objects[path])
        deployment["spec"]["template"]["spec"] |= wrong
        await api.put(path, deployment)
        await controller.policy("hostile", spec("hostile", pool="h100"))
        await controller.decided("hostile")
        await controller.until(lambda: says(controller.runtime("hostile").template, wrong))
        await controller.until(lambda: jobs_are_read(controller))
        refused = {
            "involvedObject": {"kind": "Pod", "namespace": "ns", "name": "hostile-0"},
            "reason": OF_POD,
            "message": "no capacity",
        }
        await controller.until(lambda: any(OF_POD in each and "watch=true" in each for each in api.requests))
        await api.put("/api/v1/namespaces/ns/events/one", refused)
        await ticks(controller, 2)
        await pooled.member("calm", 1, minReplicas=3)
        await controller.until(lambda: controller.desired("calm") == 3)


def says(template: Any, wrong: dict[str, Any]) -> bool:
    return template is not None and wrong.items() <= template["spec"].items()


def jobs_are_read(controller: Controller) -> bool:
    return any("namespaces/outrider-system/jobs" in each and "watch=true" in each for each in controller.api.requests)
