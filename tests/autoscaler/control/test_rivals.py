"""Two policies that name one target: the oldest is followed, and at no change does anything fall."""

from typing import Any

from autoscaler.kube.client import Kube
from tests.autoscaler.control.controller import Controller, a_controller, policy_path, spec
from tests.support.fake_api import FakeApi


async def rival(controller: Controller, name: str, target: str, **more: Any) -> None:
    """A policy that is made a second after the one before, as the API dates to a second."""
    await controller.clock.advance(1.0)
    await controller.policy(name, spec(target, **more))


def ready(controller: Controller, name: str) -> tuple[str, str]:
    """Reason and message of the condition Ready."""
    found: dict[str, str] = next(iter(controller.status(name).get("conditions") or ()), {})
    return found.get("reason", ""), found.get("message", "")


async def test_the_older_stays_and_the_newer_takes_over_when_it_goes(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        await controller.target("a", 5)
        await rival(controller, "old", "a")
        await rival(controller, "new", "a", minReplicas=2)
        await controller.decided("old")
        await controller.until(lambda: ready(controller, "new")[0] == "TargetTaken")
        assert ready(controller, "new")[1] == (
            "spec.target: ScalingPolicy ns/old already scales this target; instead: a different one"
        )
        assert controller.leader.board.known == {"ns/old"}
        assert ready(controller, "old")[0] == "TargetFound"

        await api.remove(policy_path("old"))
        await controller.decided("new")
        assert controller.desired("new") == 5, "it begins from what runs"
        assert controller.leader.board.known == {"ns/new"}
        await controller.until(lambda: ready(controller, "new")[0] == "TargetFound")


async def test_of_two_that_were_made_in_one_second_the_first_by_name_is_followed(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        await controller.target("a", 5)
        for name in ("b", "a"):
            await controller.policy(name, spec("a"))
        await controller.decided("a")
        await controller.until(lambda: ready(controller, "b")[0] == "TargetTaken")


async def test_another_version_of_the_api_names_the_same_target(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        for version in ("v1alpha1", "v1"):
            target = {"apiVersion": f"example.com/{version}", "kind": "Engine", "name": "a"}
            await controller.clock.advance(1.0)
            await controller.policy(version, {**spec("a"), "target": target})
        await controller.until(lambda: ready(controller, "v1")[0] == "TargetTaken")


async def test_an_edit_to_anothers_target_leaves_the_version_before_in_force_until_the_other_goes(
    api: FakeApi, kube: Kube
) -> None:
    async with a_controller(api, kube) as controller:
        for name, replicas in (("a", 5), ("b", 3)):
            await controller.target(name, replicas)
            await rival(controller, name, name)
            await controller.decided(name)
        await controller.policy("b", spec("a"))
        await rival(controller, "waits", "b")
        await controller.until(lambda: "ns/a already scales" in ready(controller, "b")[1])
        assert ready(controller, "b")[1].endswith(". Until then, the last valid version stays in force.")
        await controller.until(lambda: "ns/b already scales" in ready(controller, "waits")[1])
        await controller.decided("b")
        assert controller.desired("b") == 3
        assert controller.runtime("b").workload.target.name == "b"

        await api.remove(policy_path("a"))
        await controller.until(lambda: controller.runtime("b").workload.target.name == "a")
        await controller.decided("b")
        assert controller.desired("b") == 5
        await controller.decided("waits")
        assert controller.desired("waits") == 3, "what the other no longer has is free"


async def test_a_policy_that_lost_its_target_while_it_waits_for_another_holds_none(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        for name in ("oldest", "a", "b"):
            await controller.target(name, 2)
            await rival(controller, name, name)
            await controller.decided(name)
        await controller.policy("b", spec("a"))  # refused, and goes on in its version before
        await controller.until(lambda: "ns/a already scales" in ready(controller, "b")[1])
        await controller.policy("oldest", spec("b"))
        await controller.until(lambda: "ns/b" not in controller.runtimes)
        await rival(controller, "waits", "b")
        await controller.until(lambda: "ns/oldest already scales" in ready(controller, "waits")[1])
        await api.remove(policy_path("oldest"))
        await controller.decided("waits")
        assert ready(controller, "b")[0] == "TargetTaken"


async def test_an_older_policy_that_turns_valid_has_the_target_and_begins_from_what_runs(
    api: FakeApi, kube: Kube
) -> None:
    async with a_controller(api, kube) as controller:
        await controller.target("a", 5)
        await rival(controller, "old", "a", maxReplicas=0)
        await rival(controller, "new", "a")
        await controller.decided("new")
        await controller.policy("old", spec("a"))
        await controller.until(lambda: ready(controller, "new")[0] == "TargetTaken")
        assert controller.runtimes.keys() == {"ns/old"}
        await controller.decided("old")
        assert controller.desired("old") == 5
        assert controller.desired("new") is None


async def test_a_policy_of_a_target_that_cannot_be_read_holds_it_too(api: FakeApi, kube: Kube) -> None:
    """Else the target would change hands with every hiccup of the API."""
    async with a_controller(api, kube) as controller:
        await rival(controller, "old", "later")
        await rival(controller, "new", "later")
        await controller.until(lambda: ready(controller, "new")[0] == "TargetTaken")
        await controller.until(lambda: ready(controller, "old")[0] == "TargetFailed")
        await controller.target("later", 2)
        await controller.decided("old")
        assert controller.desired("old") == 2
