"""Policies come, change, turn bad, and go, while the others are decided on."""

import pytest

from autoscaler.kube.client import Kube
from autoscaler.records.store import Loaded
from autoscaler.telemetry.metrics import REGISTRY
from policies.model import Decided, State
from tests.autoscaler.control.controller import a_controller, policy_path, spec
from tests.support.fake_api import FakeApi, status


async def test_a_policy_is_followed_decided_and_reported(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        await controller.target("a", 3)
        await controller.policy("a", spec("a"))
        await controller.decided("a")
        assert controller.desired("a") == 3
        await controller.until(lambda: controller.status("a").get("desiredReplicas") == 3)
        assert controller.status("a")["observedGeneration"] == 1


async def test_pods_are_scraped_as_soon_as_the_target_is_read(api: FakeApi, kube: Kube) -> None:
    """Nothing that is watched changes at that moment, where even the status cannot be written."""
    api.standing.append(("PATCH", status(403, "Forbidden")))
    async with a_controller(api, kube) as controller:
        await controller.target("a", 2)
        await controller.policy("a", spec("a"))
        await controller.until(lambda: set(controller.always.scraper._addresses) == {("ns", "a-0"), ("ns", "a-1")})


async def test_an_invalid_edit_leaves_the_last_valid_form_until_a_valid_one_comes(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        await controller.target("a", 3)
        await controller.policy("a", spec("a"))
        await controller.decided("a")
        await controller.policy("a", spec("a", maxReplicas=0))
        await controller.until(lambda: _ready(controller.status("a")) == "Invalid")
        await controller.decided("a")
        assert controller.desired("a") == 3
        assert controller.status("a")["observedGeneration"] == 2
        assert REGISTRY.get_sample_value("outrider_policy_ready", {"policy": "ns/a"}) == 0
        await controller.policy("a", spec("a", maxReplicas=2))
        await controller.decided("a")
        await controller.until(lambda: _ready(controller.status("a")) == "TargetFound")
        assert controller.desired("a") == 2
        assert REGISTRY.get_sample_value("outrider_policy_ready", {"policy": "ns/a"}) == 1


async def test_a_policy_that_never_was_valid_is_reported_even_if_the_api_refuses_at_first(
    api: FakeApi, kube: Kube
) -> None:
    api.faults.append(("/status", status(503, "Unavailable")))
    async with a_controller(api, kube) as controller:
        await controller.policy("bad", {})
        await controller.until(lambda: _ready(controller.status("bad")) == "Invalid")
        assert "ns/bad" not in controller.leader.board.known
        assert REGISTRY.get_sample_value("outrider_policy_ready", {"policy": "ns/bad"}) == 0
        await api.remove(policy_path("bad"))
        await controller.until(lambda: REGISTRY.get_sample_value("outrider_policy_ready", {"policy": "ns/bad"}) is None)
        await controller.target("good", 1)
        await controller.policy("good", spec("good"))
        await controller.decided("good")
        await controller.policy("bad", {})  # the same again is another policy
        await controller.until(lambda: _ready(controller.status("bad")) == "Invalid")


async def test_a_policy_that_is_gone_is_forgotten(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        await controller.target("a", 1)
        await controller.policy("a", spec("a"))
        await controller.decided("a")
        await api.remove(policy_path("a"))
        await controller.until(lambda: not controller.runtimes)
        assert controller.leader.board.known == frozenset()
        assert controller.desired("a") is None


async def test_one_that_could_not_be_taken_and_is_deleted_is_forgotten_as_well(
    api: FakeApi, kube: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_controller(api, kube) as controller:
        await controller.target("a", 1)
        await controller.policy("a", spec("a"))
        await controller.decided("a")
        monkeypatch.setattr(controller.runtime("a"), "endpoints", lambda: 1 / 0)
        await controller.target("a", 2)  # so that its pods are looked at
        failed = {"policy": "ns/a", "part": "policy"}
        await controller.until(lambda: REGISTRY.get_sample_value("outrider_failures_total", failed))
        await api.remove(policy_path("a"))
        await controller.until(lambda: not controller.runtimes)
        assert REGISTRY.get_sample_value("outrider_failures_total", failed) is None


async def test_a_policy_that_went_while_the_loop_was_busy_with_others_is_not_decided(api: FakeApi, kube: Kube) -> None:
    """Its number would stand for the next policy of that name, and its series in the metrics would never go."""
    async with a_controller(api, kube) as controller:
        for name in ("a", "b"):
            await controller.target(name, 1)
            await controller.policy(name, spec(name))
        await controller.decided("a")
        await controller.decided("b")
        gone = controller.runtime("b")
        controller.runtime("a").subscribe(lambda: controller.leader.registry._remove("ns/b"))
        await controller.clock.advance(15.0)
        assert "ns/b" not in controller.runtimes
        assert gone.plan is not None
        assert gone.plan.at_seconds < controller.clock.now() - 14.0
        assert REGISTRY.get_sample_value("outrider_desired_replicas", {"policy": "ns/b"}) is None


async def test_one_that_is_made_again_owns_what_is_made_for_it(api: FakeApi, kube: Kube) -> None:
    """Deleted and created between two looks: a balloon owned by the old one would be collected at once."""
    async with a_controller(api, kube) as controller:
        await controller.target("a", 1)
        await controller.policy("a", spec("a"))
        await controller.decided("a")
        old = controller.runtime("a").workload.uid
        await api.remove(policy_path("a"))
        await controller.policy("a", spec("a"))
        await controller.until(lambda: "ns/a" in controller.runtimes and controller.runtime("a").workload.uid != old)
        assert controller.desired("a") is None  # nothing is decided for it yet
        await controller.decided("a")
        assert controller.desired("a") == 1


async def test_another_target_is_begun_anew(api: FakeApi, kube: Kube) -> None:
    """What one Deployment ran is no number for another."""
    async with a_controller(api, kube) as controller:
        await controller.target("small", 1)
        await controller.target("large", 8)
        await controller.policy("a", spec("small"))
        await controller.decided("a")
        await controller.policy("a", spec("large"))
        await controller.until(lambda: controller.runtime("a").workload.target.name == "large")
        assert controller.desired("a") is None
        await controller.decided("a")
        assert controller.desired("a") == 8


async def test_what_shadow_decided_is_not_landed_on(api: FakeApi, kube: Kube) -> None:
    """Shadow wanted 1 while another scaler ran 8: from Active on, 8 is held as after a restart."""
    async with a_controller(api, kube) as controller:
        await controller.target("a", 8)
        await controller.policy("a", spec("a", mode="Shadow"))
        await controller.decided("a")
        assert controller.desired("a") is None
        runtime = controller.runtime("a")
        assert runtime.report(controller.clock.now()).sentence.startswith("Would keep 8 replicas: ")
        assert REGISTRY.get_sample_value("outrider_current_replicas", {"policy": "ns/a"}) == 8
        runtime._decider.state = State(decided=Decided(replicas=1, peaks=((controller.clock.now(), 1),)))
        await controller.policy("a", spec("a", mode="Active"))
        await controller.until(lambda: controller.desired("a") is not None)
        assert controller.desired("a") == 8
        decided_seconds = runtime.plan.at_seconds if runtime.plan else 0.0
        await controller.policy("a", spec("a", mode="Shadow"))
        await controller.until(lambda: controller.desired("a") is None)
        assert runtime.plan is not None
        assert runtime.plan.at_seconds == decided_seconds, "it took the next decision to withdraw the last one"


async def test_what_was_saved_of_policies_not_found_yet_is_kept(api: FakeApi, kube: Kube) -> None:
    """Else a start while the API is away would save nothing over everything."""
    api.standing.append(("scalingpolicies", status(503, "Unavailable")))
    async with a_controller(api, kube, loaded=Loaded({"ns/a": State(), "ns/gone": State()})) as controller:
        await controller.clock.advance(60.0)
        assert controller.leader.registry.states().keys() == {"ns/a", "ns/gone"}
        api.standing.clear()
        await controller.target("a", 1)
        await controller.policy("a", spec("a"))
        await controller.decided("a")
        assert controller.leader.registry.states().keys() == {"ns/a"}


async def test_a_target_that_is_not_there_is_reported(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        await controller.target("a", 1)
        await controller.policy("a", spec("typo"))
        await controller.until(lambda: _ready(controller.status("a")) == "TargetFailed")
        assert "typo" in controller.status("a")["message"]


def _ready(status: dict[str, object]) -> object:
    conditions = status.get("conditions")
    return conditions[0]["reason"] if isinstance(conditions, list) else None
