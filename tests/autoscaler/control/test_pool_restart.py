"""Pools after a restart of the controller: no standby node goes before one hold has passed, and no fault of ours lasts."""

import pytest

from autoscaler.control import pools as registry
from autoscaler.kube.client import Kube
from autoscaler.records.store import Loaded
from crds.notation.timestamps import timestamp
from policies.pool import Account, PoolState
from tests.autoscaler.control.controller import a_controller
from tests.autoscaler.control.pooled import GRID, Pooled, pool_path
from tests.autoscaler.control.test_pool_standby import a_pod, jobs
from tests.support.fake_api import FakeApi, status

HOLD_SECONDS = 600.0


async def test_a_controller_without_a_saved_state_holds_what_stands_by_for_one_hold(api: FakeApi, kube: Kube) -> None:
    """Its first tick comes before the Jobs are listed: what it has not seen, it does not let go."""
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.pool(standby={"maxNodes": 1, "minNodes": 1, "hold": "10m"})
        await controller.until(lambda: jobs(api))
        await pooled.node("n1")
        await a_pod(controller, node="n1")
        await pooled.pool(standby={"maxNodes": 1, "hold": "10m"})
    before = jobs(api)
    async with a_controller(api, kube) as controller:
        began = controller.clock.now()
        pooled = Pooled(controller)
        await controller.until(lambda: controller.clock.now() > began + 8 * GRID)
        assert jobs(api).keys() == before.keys()
        assert not [each for each in api.requests if each.startswith("DELETE")]
        await controller.clock.advance(HOLD_SECONDS)
        await controller.until(lambda: not jobs(api))


async def test_only_standby_that_stays_unknown_is_reported(api: FakeApi, kube: Kube) -> None:
    """At every start it is unknown until the Jobs are listed."""
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.pool(standby={"maxNodes": 1, "minNodes": 1})
        await controller.until(lambda: jobs(api))
        await controller.until(lambda: pooled.status().get("standby") == "0/1")
        assert not pooled.events("StandbyFailed")
        assert "is not known" not in pooled.status()["message"]
    api.standing.append(("/jobs", status(503, "Unavailable")))
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await controller.until(lambda: pooled.events("StandbyFailed"))
        await controller.until(lambda: "standby nodes there are is not known" in pooled.status()["message"])
        assert "503" in pooled.status()["message"]


async def test_a_pool_that_failed_in_outrider_itself_is_tried_again(
    api: FakeApi, kube: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "restored", lambda *_: 1 / 0)
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.pool()
        await pooled.member("a", 2, minReplicas=4)
        await controller.until(lambda: pooled.granted("a") == ("False", "NoPool"))
        monkeypatch.undo()
        await controller.until(lambda: controller.desired("a") == 4)


async def test_an_invalid_pool_that_cannot_be_reported_ends_nothing(
    api: FakeApi, kube: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.pool()
        await pooled.member("a", 2, minReplicas=4)
        await controller.until(lambda: controller.desired("a") == 4)
        assert controller.leader.pools is not None
        monkeypatch.setattr(controller.leader.pools._reporter, "refuse", lambda *_: 1 / 0)
        await pooled.pool("wrong", offerings=[])
        before = controller.clock.now()
        await controller.until(lambda: controller.clock.now() > before + 2 * GRID)
        await pooled.pool(limits={"gpus": 5})
        await controller.until(lambda: pooled.status()["observedGeneration"] == 2)


async def test_what_another_pool_of_the_same_name_had_spent_is_not_taken_up(api: FakeApi, kube: Kube) -> None:
    """It was deleted and made again while no controller ran."""
    saved = PoolState(account=Account(at_seconds=1_600_000_000.0, day="2023-11-14", day_usd=12.0))
    async with a_controller(api, kube, loaded=Loaded(pools={"h100": saved})) as controller:
        pooled = Pooled(controller)
        await pooled.pool()
        await controller.until(lambda: controller.leader.pools and controller.leader.pools.runtimes)
        assert pooled.state().account.day_usd == 0.0


async def test_what_ran_while_no_controller_did_is_counted(api: FakeApi, kube: Kube) -> None:
    """The first tick may come before the targets are read."""
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await pooled.namespace()
        await pooled.pool()
        await pooled.member("a", 4)
        await controller.until(lambda: float(pooled.status().get("spend", {}).get("usdToday", 0)) > 0.0)
        now = controller.clock.now()
    spend = {"usdToday": "10", "day": "2023-11-14", "until": timestamp(now - 600.0), "totalUsd": "10"}
    await api.put(pool_path(), {**api.objects[pool_path()], "status": {"spend": spend}})
    async with a_controller(api, kube) as controller:
        pooled = Pooled(controller)
        await controller.until(lambda: float(pooled.status()["spend"].get("usdPerHour") or 0))
        at_seconds = pooled.state().account.at_seconds
        assert at_seconds is not None
        ran_seconds = at_seconds - (now - 600.0)
        assert pooled.state().account.day_usd == pytest.approx(10.0 + 4 * 4.0 * ran_seconds / 3600.0, abs=0.01)
