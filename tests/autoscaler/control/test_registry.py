"""Policies come, change, turn bad, and go, while the others are decided on."""

from autoscaler.kube.client import Kube
from policies.model import Decided, State
from tests.autoscaler.control.house import a_house, policy_path, spec
from tests.support.fake_api import FakeApi, status


async def test_a_policy_is_followed_decided_and_told(api: FakeApi, kube: Kube) -> None:
    async with a_house(api, kube) as house:
        await house.target("a", 3)
        await house.policy("a", spec("a"))
        await house.decided("a")
        assert house.desired("a") == 3
        await house.until(lambda: house.status("a").get("desiredReplicas") == 3)
        assert house.status("a")["observedGeneration"] == 1


async def test_pods_are_scraped_as_soon_as_the_target_is_read(api: FakeApi, kube: Kube) -> None:
    """Nothing that is watched changes at that moment, where even the status cannot be written."""
    api.standing.append(("PATCH", status(403, "Forbidden")))
    async with a_house(api, kube) as house:
        await house.target("a", 2)
        await house.policy("a", spec("a"))
        await house.until(lambda: set(house.scraper._urls) == {("ns", "a-0"), ("ns", "a-1")})


async def test_a_bad_edit_leaves_the_last_good_form_until_a_good_one_comes(api: FakeApi, kube: Kube) -> None:
    async with a_house(api, kube) as house:
        await house.target("a", 3)
        await house.policy("a", spec("a"))
        await house.decided("a")
        await house.policy("a", spec("a", maxReplicas=0))
        await house.until(lambda: _ready(house.status("a")) == "Invalid")
        await house.decided("a")
        assert house.desired("a") == 3
        assert house.status("a")["observedGeneration"] == 2
        await house.policy("a", spec("a", maxReplicas=2))
        await house.decided("a")
        await house.until(lambda: _ready(house.status("a")) == "TargetFound")
        assert house.desired("a") == 2


async def test_a_policy_that_never_was_good_is_told_even_if_the_api_refuses_at_first(api: FakeApi, kube: Kube) -> None:
    api.faults.append(("/status", status(503, "Unavailable")))
    async with a_house(api, kube) as house:
        await house.policy("bad", {})
        await house.until(lambda: _ready(house.status("bad")) == "Invalid")
        assert "ns/bad" not in house.board.known
        await api.remove(policy_path("bad"))
        await house.target("good", 1)
        await house.policy("good", spec("good"))
        await house.decided("good")
        await house.policy("bad", {})  # the same again is another policy
        await house.until(lambda: _ready(house.status("bad")) == "Invalid")


async def test_a_policy_that_is_gone_is_forgotten(api: FakeApi, kube: Kube) -> None:
    async with a_house(api, kube) as house:
        await house.target("a", 1)
        await house.policy("a", spec("a"))
        await house.decided("a")
        await api.remove(policy_path("a"))
        await house.until(lambda: not house.loop.runtimes)
        assert house.board.known == frozenset()
        assert house.desired("a") is None


async def test_one_that_is_made_again_owns_what_is_made_for_it(api: FakeApi, kube: Kube) -> None:
    """Deleted and created between two looks: a balloon owned by the old one would be collected at once."""
    async with a_house(api, kube) as house:
        await house.target("a", 1)
        await house.policy("a", spec("a"))
        await house.decided("a")
        old = house.runtime("a").workload.uid
        await api.remove(policy_path("a"))
        await house.policy("a", spec("a"))
        await house.until(lambda: "ns/a" in house.loop.runtimes and house.runtime("a").workload.uid != old)
        assert house.desired("a") is None  # nothing is decided for it yet
        await house.decided("a")
        assert house.desired("a") == 1


async def test_another_target_is_begun_anew(api: FakeApi, kube: Kube) -> None:
    """What one Deployment ran is no number for another."""
    async with a_house(api, kube) as house:
        await house.target("small", 1)
        await house.target("large", 8)
        await house.policy("a", spec("small"))
        await house.decided("a")
        await house.policy("a", spec("large"))
        await house.until(lambda: house.runtime("a").workload.target.name == "large")
        assert house.desired("a") is None
        await house.decided("a")
        assert house.desired("a") == 8


async def test_what_shadow_decided_is_not_landed_on(api: FakeApi, kube: Kube) -> None:
    """Shadow wanted 1 while another scaler ran 8: from Active on, 8 is held as after a restart."""
    async with a_house(api, kube) as house:
        await house.target("a", 8)
        await house.policy("a", spec("a", mode="Shadow"))
        await house.decided("a")
        assert house.desired("a") is None
        runtime = house.runtime("a")
        runtime.pilot.state = State(decided=Decided(replicas=1, peaks=((house.clock.now(), 1),)))
        await house.policy("a", spec("a", mode="Active"))
        await house.until(lambda: house.desired("a") is not None)
        assert house.desired("a") == 8
        await house.policy("a", spec("a", mode="Shadow"))
        await house.until(lambda: house.desired("a") is None)


async def test_what_was_saved_of_policies_not_found_yet_is_kept(api: FakeApi, kube: Kube) -> None:
    """Else a start while the API is away would save nothing over everything."""
    api.standing.append(("scalingpolicies", status(503, "Unavailable")))
    async with a_house(api, kube, saved={"ns/a": State(), "ns/gone": State()}) as house:
        await house.clock.advance(60.0)
        assert house.registry.states().keys() == {"ns/a", "ns/gone"}
        api.standing.clear()
        await house.target("a", 1)
        await house.policy("a", spec("a"))
        await house.decided("a")
        assert house.registry.states().keys() == {"ns/a"}


async def test_a_target_that_is_not_there_is_told(api: FakeApi, kube: Kube) -> None:
    async with a_house(api, kube) as house:
        await house.target("a", 1)
        await house.policy("a", spec("typo"))
        await house.until(lambda: _ready(house.status("a")) == "TargetFailed")
        assert "typo" in house.status("a")["message"]


def _ready(told: dict[str, object]) -> object:
    conditions = told.get("conditions")
    return conditions[0]["reason"] if isinstance(conditions, list) else None
