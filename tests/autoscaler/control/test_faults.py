"""A fault in one policy costs that policy, and no other one anything; missing things lower nothing."""

from typing import NoReturn

import pytest

from autoscaler.kube.client import Kube
from autoscaler.telemetry.metrics import REGISTRY
from tests.autoscaler.control.controller import Controller, a_controller, spec
from tests.support.fake_api import DROP, FakeApi


async def two(controller: Controller) -> None:
    for name in ("a", "b"):
        await controller.target(name, 3)
        await controller.policy(name, spec(name))
    await controller.decided("a")
    await controller.decided("b")


def raises(*_: object, **__: object) -> NoReturn:
    raise ZeroDivisionError("a fault of ours")


async def test_a_decision_that_fails_stops_no_other(api: FakeApi, kube: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_controller(api, kube) as controller:
        await two(controller)
        monkeypatch.setattr(controller.runtime("a"), "propose", raises)
        await controller.clock.advance(45.0)
        assert controller.desired("a") == 3
        await controller.clock.advance(30.0)
        assert controller.desired("a") is None  # KEDA keeps what runs
        assert controller.desired("b") == 3
        assert (failures("ns/a", "decision"), failures("ns/b", "decision")) == (5.0, 0.0)
        monkeypatch.undo()
        await controller.clock.advance(15.0)
        assert controller.desired("a") == 3


def failures(policy: str, part: str) -> float | None:
    return REGISTRY.get_sample_value("outrider_failures_total", {"policy": policy, "part": part})


@pytest.mark.parametrize(
    ("method", "part"),
    [("report", "Reporter"), ("fit_due", "Fitter"), ("offer_scale", "TargetReader"), ("endpoints", "policy")],
)
async def test_a_part_that_fails_stops_no_other_policy(
    api: FakeApi, kube: Kube, monkeypatch: pytest.MonkeyPatch, method: str, part: str
) -> None:
    """Takes a quarter of a second a part, since the whole controller runs with two policies: one must never cost the other."""
    before = failures("ns/b", part)  # of other tests in this process
    async with a_controller(api, kube) as controller:
        await two(controller)
        monkeypatch.setattr(controller.runtime("a"), method, raises)
        for name in ("a", "b"):
            await controller.policy(name, spec(name, maxReplicas=2))
        await controller.until(lambda: controller.status("b").get("desiredReplicas") == 2)
        await controller.until(lambda: failures("ns/a", part))
        assert (failures("ns/b", part) or 0.0) == (before or 0.0)
        monkeypatch.undo()
        await controller.until(lambda: controller.status("a").get("desiredReplicas") == 2)


async def test_without_samples_nothing_falls(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        await controller.target("a", 5)
        await controller.policy("a", spec("a"))
        await controller.decided("a")
        await controller.clock.advance(3600.0)
        assert controller.desired("a") == 5


async def test_while_the_api_is_away_decisions_go_on_and_nothing_falls(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        await two(controller)
        api.standing.append(("", DROP))
        await api.end_watches()
        await controller.until(lambda: controller.always.watches.pods("ns").stale_since is not None)
        for _ in range(8):
            for pod in range(3):
                controller.sample(f"a-{pod}", running=0.0, finished=100.0)
            await controller.clock.advance(15.0)
        assert controller.desired("a") == 3
        result = controller.runtime("a").result
        assert result is not None
        api.standing.clear()
        await controller.until(lambda: controller.always.watches.pods("ns").stale_since is None)
        await controller.decided("a")
        assert controller.desired("a") == 3


async def test_a_queue_between_two_ticks_is_answered_before_the_next(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        await controller.target("a", 1)
        await controller.policy("a", spec("a"))
        await controller.decided("a")
        tick = controller.clock.now() // 15.0
        controller.sample("a-0", running=32.0, waiting=96.0)
        await controller.clock.advance(1.0)
        assert controller.clock.now() // 15.0 == tick
        assert (controller.desired("a") or 0) > 1


async def test_a_target_with_no_pods_is_left_as_it_is(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        await controller.target("a", 4, pods=0)
        await controller.policy("a", spec("a"))
        await controller.decided("a")
        await controller.clock.advance(1800.0)
        assert controller.desired("a") == 4


async def test_decisions_do_not_wait_for_a_history_whose_turn_does_not_come(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube, history_url="http://127.0.0.1:9", processes=[]) as controller:
        await controller.target("a", 3)
        await controller.policy("a", spec("a"))
        await controller.decided("a")
        assert controller.desired("a") == 3
