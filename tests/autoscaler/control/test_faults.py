"""A fault in one policy costs that policy, and no other one anything; missing things lower nothing."""

from typing import NoReturn

import pytest

from autoscaler.control import actor
from autoscaler.kube.client import Kube
from tests.autoscaler.control.house import House, a_house, spec
from tests.support.fake_api import DROP, FakeApi


async def two(house: House) -> None:
    for name in ("a", "b"):
        await house.target(name, 3)
        await house.policy(name, spec(name))
    await house.decided("a")
    await house.decided("b")


def raises(*_: object, **__: object) -> NoReturn:
    raise ZeroDivisionError("a fault of ours")


async def test_a_decision_that_fails_stops_no_other(api: FakeApi, kube: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_house(api, kube) as house:
        await two(house)
        monkeypatch.setattr(house.runtime("a").decider, "propose", raises)
        await house.clock.advance(45.0)
        assert house.desired("a") == 3
        await house.clock.advance(30.0)
        assert house.desired("a") is None  # KEDA keeps what runs
        assert house.desired("b") == 3
        monkeypatch.undo()
        await house.clock.advance(15.0)
        assert house.desired("a") == 3


async def test_an_actor_that_fails_stops_no_other(api: FakeApi, kube: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_house(api, kube) as house:
        await two(house)
        monkeypatch.setattr(house.runtime("a"), "inputs", raises)
        for name in ("a", "b"):
            await house.policy(name, spec(name, maxReplicas=2))
        await house.until(lambda: house.status("b").get("desiredReplicas") == 2)
        assert house.status("a")["desiredReplicas"] == 3
        monkeypatch.undo()
        await house.until(lambda: house.status("a").get("desiredReplicas") == 2)


async def test_without_samples_nothing_falls(api: FakeApi, kube: Kube) -> None:
    async with a_house(api, kube) as house:
        await house.target("a", 5)
        await house.policy("a", spec("a"))
        await house.decided("a")
        await house.clock.advance(3600.0)
        assert house.desired("a") == 5


async def test_while_the_api_is_away_decisions_go_on_and_nothing_falls(api: FakeApi, kube: Kube) -> None:
    async with a_house(api, kube) as house:
        await two(house)
        api.standing.append(("", DROP))
        await api.end_watches()
        await house.until(lambda: house.watches.pods("ns").stale_since is not None)
        for _ in range(8):
            for pod in range(3):
                house.sample(f"a-{pod}", running=0.0, finished=100.0)
            await house.clock.advance(15.0)
        assert house.desired("a") == 3
        result = house.runtime("a").result
        assert result is not None
        api.standing.clear()
        await house.until(lambda: house.watches.pods("ns").stale_since is None)
        await house.decided("a")
        assert house.desired("a") == 3


async def test_a_queue_between_two_ticks_is_answered_before_the_next(api: FakeApi, kube: Kube) -> None:
    async with a_house(api, kube) as house:
        await house.target("a", 1)
        await house.policy("a", spec("a"))
        await house.decided("a")
        tick = house.clock.now() // 15.0
        house.sample("a-0", running=32.0, waiting=96.0)
        await house.clock.advance(1.0)
        assert house.clock.now() // 15.0 == tick
        assert (house.desired("a") or 0) > 1


async def test_a_target_with_no_pods_is_left_as_it_is(api: FakeApi, kube: Kube) -> None:
    async with a_house(api, kube) as house:
        await house.target("a", 4, pods=0)
        await house.policy("a", spec("a"))
        await house.decided("a")
        await house.clock.advance(1800.0)
        assert house.desired("a") == 4


async def test_decisions_do_not_wait_for_a_history_whose_turn_does_not_come(
    api: FakeApi, kube: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actor, "PATIENCE_SECONDS", 0.0)
    async with a_house(api, kube, history_url="http://127.0.0.1:9") as house, house.reading:
        await house.target("a", 3)
        await house.policy("a", spec("a"))
        await house.decided("a")
        assert house.desired("a") == 3
