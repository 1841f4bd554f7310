"""Pools come, change, turn bad and go, while their members are granted what they may have."""

from pathlib import Path
from typing import Any

from autoscaler.kube.client import Kube
from autoscaler.records.store import Loaded
from autoscaler.telemetry.metrics import REGISTRY
from policies.log import Reallocated, Redecided, redecide
from policies.pool import Account, PoolState
from tests.autoscaler.control.controller import a_controller, spec
from tests.autoscaler.control.pooled import GRID, OFFERING, Pooled, pool_path
from tests.autoscaler.kube.workloads import TEMPLATE
from tests.support.fake_api import FakeApi, status


async def test_a_pool_grants_within_its_limit_and_says_who_holds_what(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.pool(contact="#gpus", limits={"gpus": 5})
        await pooled.member("a", 3, minReplicas=4)
        await pooled.member("b", 1)
        await controller.decided("b")
        await controller.until(lambda: controller.desired("a") == 4)
        await controller.policy("b", spec("b", pool="h100", minReplicas=4))
        await controller.until(lambda: pooled.granted("b") == ("False", "PoolGPUs"))
        assert controller.desired("b") == 1
        assert "ns/a" in controller.conditions("b")["Granted"]["message"]
        await controller.until(lambda: pooled.status().get("refusedGpus") == 3)
        assert pooled.conditions()["WithinLimits"]["status"] == "False"
        assert pooled.conditions()["Ready"]["status"] == "True"
        [workload] = [each for each in pooled.status()["workloads"] if each["workload"] == "ns/b"]
        assert (workload["granted"], workload["refused"], workload["reason"]) == (1, 3, "PoolGPUs")
        await controller.until(lambda: {"GPUPool", "ScalingPolicy"} <= pooled.events("PoolRefused").keys())
        sentence = pooled.events("PoolRefused")["ScalingPolicy"]
        assert sentence == controller.conditions("b")["Granted"]["message"]
        assert sentence.endswith(" To have more, ask platform (#gpus).")
        assert metric("outrider_pool_gpus", pool="h100", state="refused") == 3
        await pooled.pool(limits={"gpus": 9})
        await controller.until(lambda: controller.desired("b") == 4)
        await controller.until(lambda: pooled.granted("b") == ("True", "AsAsked"))
        await controller.until(lambda: pooled.events("PoolGranted"))


async def test_a_policy_without_a_pool_is_not_held_by_any(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.pool(limits={"gpus": 1})
        await controller.target("a", 1)
        await controller.policy("a", spec("a", minReplicas=4))
        await controller.until(lambda: controller.desired("a") == 4)
        assert "Granted" not in controller.conditions("a")


async def test_without_its_pool_a_member_keeps_what_it_has_and_says_so(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.namespace()
        await pooled.member("a", 2, minReplicas=4)
        await controller.decided("a")
        assert controller.desired("a") == 2
        await controller.until(lambda: pooled.granted("a") == ("False", "NoPool"))
        await controller.until(lambda: "there is no GPUPool h100" in controller.conditions("a")["Granted"]["message"])
        await controller.until(lambda: pooled.events("PoolMissing"))
        await pooled.pool()
        await controller.until(lambda: pooled.granted("a") == ("True", "AsAsked"))
        assert controller.desired("a") == 4
        await api.remove(pool_path())
        await controller.policy("a", spec("a", pool="h100", minReplicas=6))
        await controller.until(lambda: pooled.granted("a") == ("False", "NoPool"))
        assert controller.desired("a") == 4
        assert metric("outrider_pool_ready", pool="h100") is None


async def test_a_namespace_that_no_rule_selects_does_not_grow(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        rule = {"name": "search", "namespaceSelector": {"matchLabels": {"team": "search"}}}
        await pooled.pool(members=[rule])
        await pooled.namespace(team="ads")
        await pooled.member("a", 2, minReplicas=4)
        await controller.until(lambda: pooled.granted("a") == ("False", "NoMember"))
        assert controller.desired("a") == 2
        await pooled.namespace(team="search")
        await controller.until(lambda: controller.desired("a") == 4)


async def test_an_invalid_edit_leaves_the_last_valid_version(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.pool(limits={"gpus": 3})
        await pooled.member("a", 2, minReplicas=5)
        await controller.until(lambda: controller.desired("a") == 3)
        await pooled.pool(limits={"gpus": -1})
        await controller.until(lambda: pooled.conditions()["Ready"]["reason"] == "Invalid")
        await controller.decided("a")
        assert controller.desired("a") == 3
        assert metric("outrider_pool_ready", pool="h100") == 0
        await pooled.pool(limits={"gpus": 4})
        await controller.until(lambda: controller.desired("a") == 4)
        await controller.until(lambda: pooled.conditions()["Ready"]["reason"] == "InUse")


async def test_one_that_never_was_valid_says_so_even_if_the_api_refuses_at_first(api: FakeApi, kube: Kube) -> None:
    api.faults.append(("gpupools/h100/status", status(503, "Unavailable")))
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.pool(offerings=[])
        await pooled.member("a", 2, minReplicas=5)
        await controller.until(lambda: pooled.conditions().get("Ready", {}).get("reason") == "Invalid")
        await controller.until(lambda: "is not valid" in controller.conditions("a")["Granted"]["message"])


async def test_a_fault_in_one_pool_costs_its_members_growth_and_others_nothing(
    api: FakeApi, kube: Kube, monkeypatch: Any
) -> None:
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.pool()
        await pooled.pool("other")
        await pooled.member("a", 2)
        await pooled.member("b", 2, pool="other")
        await controller.decided("a")
        await controller.decided("b")
        assert controller.leader.pools is not None
        monkeypatch.setattr(controller.leader.pools.runtimes["h100"], "settle", lambda *_: 1 / 0)
        for name, pool in (("a", "h100"), ("b", "other")):
            await controller.policy(name, spec(name, pool=pool, minReplicas=4))
        await controller.until(lambda: controller.desired("b") == 4)
        await controller.decided("a")
        assert controller.desired("a") == 2
        assert metric("outrider_pool_failures_total", pool="h100", part="decision")
        await controller.until(lambda: pooled.granted("a") == ("False", "NoPool"))


async def test_a_pool_that_is_not_read_holds_its_members(api: FakeApi, kube: Kube) -> None:
    api.standing.append(("GET /apis/outrider.dev/v1alpha1/gpupools", status(403, "Forbidden", "gpupools is forbidden")))
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.pool()
        await pooled.member("a", 2, minReplicas=4)
        await controller.until(lambda: pooled.granted("a") == ("False", "NoPool"))
        assert "gpupools is forbidden" in controller.conditions("a")["Granted"]["message"]
        assert controller.desired("a") == 2
        api.standing.clear()
        await controller.clock.advance(60.0)
        await controller.until(lambda: controller.desired("a") == 4)


async def test_a_member_is_told_which_standby_nodes_its_pods_cannot_land_on(api: FakeApi, kube: Kube) -> None:
    tainted = OFFERING | {"name": "spot", "nodeSelector": {"tier": "spot"}, "taints": [{"key": "spot"}]}
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.pool(offerings=[tainted], standby={"maxNodes": 1})
        await pooled.member("a", 1)
        await controller.until(lambda: pooled.ability("a"))
        assert not pooled.ability("a")["works"]
        assert "do not tolerate its taint spot" in pooled.ability("a")["message"]
        ours = OFFERING | {"nodeSelector": TEMPLATE["spec"]["nodeSelector"]}
        await pooled.pool(offerings=[tainted, ours], standby={"maxNodes": 1})
        await controller.until(lambda: pooled.ability("a")["works"])
        assert "but not on those of spot" in pooled.ability("a")["message"]
        await pooled.pool()
        await controller.until(lambda: not pooled.ability("a"))


async def test_growth_between_two_ticks_is_within_the_pool_too(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.pool(limits={"gpus": 6})
        await pooled.member("a", 2, minReplicas=2)
        await pooled.member("b", 2, minReplicas=2)
        for name in ("a", "b"):
            await controller.decided(name)
        await controller.until(lambda: controller.clock.now() % GRID < 1.0)
        tick = controller.clock.now() // GRID
        for name in ("a", "b"):
            for index in range(2):
                controller.sample(f"{name}-{index}", running=64.0, waiting=400.0, finished=10.0)
        await controller.until(lambda: (controller.desired("a") or 0) + (controller.desired("b") or 0) > 4)
        assert controller.clock.now() // GRID == tick
        await controller.until(lambda: controller.clock.now() // GRID > tick + 2)
        assert (controller.desired("a"), controller.desired("b")) == (3, 3)


async def test_what_was_spent_and_rests_is_taken_up_by_the_next_controller(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.pool()
        await pooled.member("a", 4)
        await controller.until(lambda: float(pooled.status().get("spend", {}).get("usdToday", 0)) > 0.0)
        before = float(pooled.status()["spend"]["usdToday"])
    async with a_controller(api, kube) as controller:  # no folder for states
        pooled = Pooled(controller)
        await controller.until(lambda: controller.leader.pools and controller.leader.pools.runtimes)
        assert pooled.state().account.day_usd == before


async def test_with_rights_in_one_namespace_a_member_does_not_grow_and_is_told_why(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube, namespace="ns") as controller:
        pooled = Pooled(controller)
        await pooled.pool()
        await pooled.member("a", 2, minReplicas=4)
        await controller.until(lambda: pooled.granted("a") == ("False", "NoPool"))
        assert "rights in one namespace alone" in controller.conditions("a")["Granted"]["message"]
        assert controller.desired("a") == 2
        assert not [each for each in api.requests if "gpupools" in each]
        await controller.policy("a", spec("a", minReplicas=4))
        await controller.until(lambda: controller.desired("a") == 4)


async def test_what_was_logged_of_a_pool_and_its_members_is_decided_again(
    api: FakeApi, kube: Kube, tmp_path: Path
) -> None:
    async with a_controller(api, kube, log=tmp_path) as controller:
        pooled = Pooled(controller)
        await pooled.node("node")
        await pooled.pool(limits={"gpus": 5}, standby={"maxNodes": 1})
        await pooled.member("a", 2, minReplicas=4)
        await pooled.member("b", 1)
        await controller.until(lambda: controller.desired("a") == 4)
        await controller.until(lambda: pooled.granted("b") == ("True", "AsAsked"))
        controller.sample("b-0", running=64.0, waiting=400.0, finished=10.0)
        await controller.policy("b", spec("b", pool="h100", minReplicas=4))
        await controller.until(lambda: pooled.granted("b") == ("False", "PoolGPUs"))
    again = decided_again(tmp_path)
    assert any(isinstance(each, Reallocated) for each in again)
    assert any(isinstance(each, Redecided) for each in again)
    assert all(each.matches for each in again)


async def test_the_status_is_patched_at_most_once_a_grid_step(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.pool(limits={"gpus": 8})
        await pooled.member("a", 2)
        await controller.until(lambda: pooled.status().get("heldGpus") == 2)
        patches = len(pooled.patches())
        await controller.passes(6 * GRID)
        assert 1 <= len(pooled.patches()) - patches <= 2  # what was spent alone is written once a minute


async def test_what_was_spent_survives_a_restart(api: FakeApi, kube: Kube) -> None:
    """From the status, where the folder for states is lost; from what was saved, where that is newer."""
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.pool(limits={"usdPerDay": "1000"})
        await pooled.member("a", 4)
        now = controller.clock.now()
        day = "2023-11-14"
        spend = {"usdToday": "999.90", "day": day, "until": _stamp(now - 30.0), "totalUsd": "5000"}
        rests = {"name": "on-demand", "nodes": 0, "restingUntil": _stamp(now + 600.0), "restSeconds": 720}
        await api.put(pool_path(), {**api.objects[pool_path()], "status": {"spend": spend, "offerings": [rests]}})
        await controller.until(lambda: pooled.conditions().get("Ready"))
        state = pooled.state()
        assert state.account.day_usd >= 999.9
        assert state.account.total.usd >= 5000.0
        assert state.offerings[0].resting_until_seconds == now // 1 + 600.0


async def test_a_saved_state_that_is_newer_than_the_status_is_taken(api: FakeApi, kube: Kube) -> None:
    saved = PoolState(account=Account(at_seconds=1_700_000_000.0, day="2023-11-14", day_usd=12.0))
    async with a_controller(api, kube, loaded=Loaded(pools={"h100": saved})) as controller:
        pooled = Pooled(controller)
        await pooled.pool()
        await controller.until(lambda: pooled.status().get("lastDecisionTime"))
        assert pooled.state().account.day_usd >= 12.0
        assert controller.leader.pools is not None
        assert controller.leader.pools.states().keys() == {"h100"}


async def test_members_that_have_not_decided_yet_count_with_what_they_hold(api: FakeApi, kube: Kube) -> None:
    """After a restart one member asks before the other is read: it must not get what the other holds."""
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.pool(limits={"gpus": 6})
        await pooled.member("b", 4)
        await controller.decided("b")
        api.standing.append(("deployments/b", status(503, "Unavailable")))
        controller.runtime("b").end()
        await pooled.member("a", 1, minReplicas=5)
        await controller.until(lambda: pooled.granted("a") == ("False", "PoolGPUs"))
        assert controller.desired("a") == 2


def decided_again(folder: Path) -> list[Redecided | Reallocated]:
    lines = [line for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]
    return list(redecide(lines))


def metric(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def _stamp(at_seconds: float) -> str:
    from crds.notation.timestamps import timestamp

    return timestamp(at_seconds)
