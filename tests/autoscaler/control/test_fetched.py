"""Images that come to nodes ahead of replicas, as the status says it and decisions count on it."""

from typing import Any

from structlog.testing import capture_logs

from autoscaler.kube.client import Kube
from autoscaler.kube.collection import local_model_cache
from autoscaler.kube.objects import labels
from autoscaler.kube.ours import FETCH
from policies.supply import StageName
from tests.autoscaler.actuators.nodes import NODES, node
from tests.autoscaler.control.controller import Controller, a_controller, spec
from tests.support.fake_api import FakeApi, answer, status

JOBS = "/apis/batch/v1/namespaces/ns/jobs"
PRE_PULL = {"image": {"prePull": True}}


async def with_nodes(controller: Controller, *names: str) -> None:
    for name in names:
        await controller.api.put(f"{NODES}/{name}", node(name, created_seconds=controller.clock.now()))


def fetches(api: FakeApi) -> list[str]:
    return [path for path, thing in api.objects.items() if "/jobs/" in path and FETCH in labels(thing)]


def capability(controller: Controller, name: str = "ImagePrePull") -> dict[str, Any]:
    found = controller.status("a").get("capabilities") or []
    return next((each for each in found if each["name"] == name), {})


async def test_what_works_is_in_the_status_and_in_decisions(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        await with_nodes(controller, "n1", "n2")
        await controller.target("a", 3)
        await controller.policy("a", spec("a", **PRE_PULL))
        await controller.until(lambda: len(fetches(api)) == 2)
        await controller.until(lambda: capability(controller).get("works"))
        assert capability(controller)["message"].startswith("Brought to each node as it registers; kept on 0 of 2")
        assert controller.runtime("a").cold_start.ahead == (StageName.IMAGE,)


async def test_without_the_right_to_nodes_the_lead_is_longer(api: FakeApi, kube: Kube) -> None:
    api.standing.append(("GET /api/v1/nodes", status(403, "Forbidden", "nodes is forbidden")))
    async with a_controller(api, kube) as controller:
        await controller.target("a", 3)
        await controller.policy("a", spec("a", **PRE_PULL))
        await controller.until(lambda: capability(controller))
        assert capability(controller) == {
            "name": "ImagePrePull",
            "works": False,
            "message": "The nodes are not known: Outrider needs the right to list and watch them.",
        }
        assert controller.runtime("a").cold_start.ahead == ()
        await controller.until(lambda: controller.desired("a") == 3)


async def test_a_cache_of_kserve_is_not_counted_on_while_a_new_node_lacks_the_weights(api: FakeApi, kube: Kube) -> None:
    api.standing.append((local_model_cache("chat"), answer({"status": {"nodeStatus": {"n1": "NodeDownloaded"}}})))
    weights = {"method": "localModelCache", "localModelCache": {"name": "chat"}}
    async with a_controller(api, kube) as controller:
        await with_nodes(controller, "n1")
        await controller.target("a", 3)
        await controller.policy("a", spec("a", weights=weights))
        await controller.until(lambda: capability(controller, "Weights").get("works"))
        assert controller.runtime("a").cold_start.ahead == (StageName.WEIGHTS,)
        await with_nodes(controller, "n2")
        await controller.until(lambda: controller.runtime("a").cold_start.ahead == ())
        await controller.until(lambda: "and not on n2" in capability(controller, "Weights").get("message", ""))
        assert fetches(api) == []


async def test_a_refused_job_is_a_warning_and_a_longer_lead(api: FakeApi, kube: Kube) -> None:
    api.standing.append((f"POST {JOBS}", status(403, "Forbidden", "exceeded quota: jobs")))
    with capture_logs() as logs:
        async with a_controller(api, kube) as controller:
            await with_nodes(controller, "n1")
            await controller.target("a", 3)
            await controller.policy("a", spec("a", **PRE_PULL))
            await controller.until(lambda: "exceeded quota" in capability(controller).get("message", ""))
            assert controller.runtime("a").cold_start.ahead == ()
    logged = next(each for each in logs if each["event"] == "fetches.changed")
    assert logged["log_level"] == "warning"
    events = [thing for path, thing in api.objects.items() if "/events/" in path and thing["reason"] == "FetchFailed"]
    assert len(events) == 1


async def test_an_image_that_no_pod_of_the_target_uses_is_never_run_for_a_policy(api: FakeApi, kube: Kube) -> None:
    """Else who may write a ScalingPolicy, and no pod, could run any image on the nodes."""
    weights = {"method": "image", "image": "registry.example.com/not/the-targets:latest"}
    async with a_controller(api, kube) as controller:
        await with_nodes(controller, "n1")
        await controller.target("a", 3)
        await controller.policy("a", spec("a", weights=weights, **PRE_PULL))
        await controller.until(lambda: "use no image" in capability(controller, "Weights").get("message", ""))
        await controller.until(lambda: len(fetches(api)) == 1)
        [job] = [api.objects[path] for path in fetches(api)]
        assert "not/the-targets" not in str(job)


async def test_without_it_no_nodes_are_read_and_nothing_is_said(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        await controller.target("a", 3)
        await controller.policy("a", spec("a"))
        await controller.until(lambda: controller.status("a").get("desiredReplicas") == 3)
        assert not capability(controller)
    assert not [each for each in api.requests if "/nodes" in each]


async def test_what_policies_no_longer_ask_for_goes(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        await with_nodes(controller, "n1")
        await controller.target("a", 3)
        await controller.policy("a", spec("a", **PRE_PULL))
        await controller.until(lambda: fetches(api))
        await controller.policy("a", spec("a"))
        await controller.until(lambda: not fetches(api))
