"""A source that never worked is named with its cause, in the status and in an Event, within two minutes."""

from autoscaler.kube.client import Kube
from autoscaler.kube.objects import Key
from autoscaler.sources.errors import SourceError, SourceErrorKind
from tests.autoscaler.control.controller import Controller, a_controller, spec
from tests.support.fake_api import FakeApi

WHY = "http://127.0.0.1:8000/metrics answered with 404 Not Found: (no body); check spec.metrics"


def condition(controller: Controller, name: str = "a") -> tuple[str, str, str]:
    found = [each for each in controller.status(name).get("conditions", ()) if each["type"] == "MetricsRead"]
    return next(((each["status"], each["reason"], each["message"]) for each in found), ("", "", ""))


async def test_a_pod_that_never_gave_a_reading_is_named_within_two_minutes(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        await controller.target("a", 2)
        started = controller.clock.now()
        await controller.policy("a", spec("a"))
        await controller.decided("a")
        controller.always.scraper.problems[Key("ns", "a-1")] = SourceError(SourceErrorKind.STATUS, WHY)

        def read_one() -> bool:
            controller.sample("a-0", running=1.0)
            return condition(controller)[0] == "False"

        await controller.until(read_one)
        assert controller.clock.now() - started < 120.0
        assert condition(controller)[1:] == (
            "Unread",
            f"1 of 2 pods does not count. a-1: its metrics cannot be read: {WHY}.",
        )
        await controller.until(lambda: any(body.get("reason") == "MetricsUnread" for body in api.bodies))

        def read_both() -> bool:
            for pod in ("a-0", "a-1"):
                controller.sample(pod, running=1.0)
            return condition(controller)[0] == "True"

        await controller.until(read_both)
        assert condition(controller)[2] == "The metrics of all 2 ready pods are read."


async def test_a_selector_that_no_pod_matches_is_named(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        await controller.target("a", 2)
        await controller.policy("a", spec("a", metrics={"podSelector": {"matchLabels": {"role": "leader"}}}))
        await controller.until(lambda: condition(controller)[0] == "False")
        assert condition(controller)[2] == (
            "No metrics of the pods can be read: no pod of the target has the labels role=leader; correct "
            "spec.metrics.podSelector."
        )


async def test_only_the_pods_that_serve_are_scraped_and_counted(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        await controller.target("a", 2)
        router = {"metadata": {"labels": {"app": "a", "role": "router"}}, "spec": {"nodeName": "node"}}
        serving = {"conditions": [{"type": "Ready", "status": "True"}], "phase": "Running", "podIP": "127.0.0.1"}
        await controller.api.put("/api/v1/namespaces/ns/pods/a-router", {**router, "status": serving})
        for index in range(2):
            labels = {"app": "a", "role": "engine"}
            engine = {"metadata": {"labels": labels}, "spec": {"nodeName": "node"}, "status": serving}
            await controller.api.put(f"/api/v1/namespaces/ns/pods/a-{index}", engine)
        await controller.policy("a", spec("a", metrics={"podSelector": {"matchLabels": {"role": "engine"}}}))
        await controller.decided("a")
        await controller.until(lambda: len(controller.always.scraper._addresses) == 2)
        assert set(controller.always.scraper._addresses) == {Key("ns", "a-0"), Key("ns", "a-1")}
        supply = controller.runtime("a").supply(controller.clock.now())
        assert supply is not None
        assert supply.ready == ("a-0", "a-1")
