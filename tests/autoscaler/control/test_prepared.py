"""Prepared nodes as they are kept: those of the plan, less those that a decided replica gets without a balloon."""

from pathlib import Path

from structlog.testing import capture_logs
from typer.testing import CliRunner

from autoscaler.actuators.balloon import UNREADABLE_SECONDS
from autoscaler.cli import app
from autoscaler.kube.client import Kube
from tests.autoscaler.control.controller import Controller, a_controller, spec
from tests.support.fake_api import FakeApi, status

CHAT = "/apis/apps/v1/namespaces/ns/deployments/a"
JOBS = "/apis/batch/v1/namespaces/ns/jobs"
DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
# It opens in 580 s: sooner than a node and the image are there, later than a replica needs that has both.
FAIR = {"name": "fair", "days": DAYS, "start": "22:23", "end": "23:23", "timeZone": "UTC", "minReplicas": 4}


async def a_fair(controller: Controller) -> None:
    await controller.target("a", 3)
    await controller.policy("a", spec("a", maxPreparedNodes=2, schedules=[FAIR]))


async def test_a_balloon_without_a_node_goes_as_its_replica_is_decided(api: FakeApi, kube: Kube) -> None:
    """The plan still counts the node, for it is on its way; the replica gets it without the balloon."""
    async with a_controller(api, kube) as controller:
        await a_fair(controller)
        await controller.until(lambda: balloons(api))
        assert controller.desired("a") == 3
        await controller.clock.advance(300.0)
        assert controller.desired("a") == 4
        await controller.until(lambda: not balloons(api))
        assert controller.status("a")["preparedNodes"] == 1


async def test_a_balloon_that_is_refused_is_a_warning(api: FakeApi, kube: Kube) -> None:
    api.standing.append((f"POST {JOBS}", status(403, "Forbidden", "exceeded quota: gpu")))
    with capture_logs() as logs:
        async with a_controller(api, kube) as controller:
            await a_fair(controller)
            await controller.until(lambda: [each for each in logs if each["event"] == "balloons.changed"])
    logged = next(each for each in logs if each["event"] == "balloons.changed")
    assert logged["log_level"] == "warning"
    assert "exceeded quota" in logged["problem"]


async def test_without_the_right_to_read_jobs_decisions_go_on_without_balloons(api: FakeApi, kube: Kube) -> None:
    api.standing.append((f"GET {JOBS}", status(403, "Forbidden", "jobs.batch is forbidden")))
    async with a_controller(api, kube) as controller:
        await controller.target("a", 3)
        await controller.policy("a", spec("a", minReplicas=4, maxPreparedNodes=2))
        await controller.clock.advance(UNREADABLE_SECONDS)
        await controller.until(lambda: controller.desired("a") == 4)
        await controller.until(lambda: "jobs.batch is forbidden" in nodes_prepared(controller))
        assert not controller.runtime("a").policy.max_prepared_nodes
        api.standing.clear()
        await controller.until(lambda: controller.runtime("a").policy.max_prepared_nodes == 2)


def nodes_prepared(controller: Controller) -> str:
    """What the condition says."""
    found = controller.status("a").get("conditions") or ()
    return next((each["message"] for each in found if each["type"] == "NodesPrepared"), "")


async def test_a_target_without_a_template_is_scaled_without_balloons_and_says_why(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        await a_fair(controller)
        without = {**api.objects[CHAT]["spec"], "template": {}}
        await api.put(CHAT, {**api.objects[CHAT], "spec": without})
        await controller.until(lambda: any(body.get("reason") == "BalloonFailed" for body in api.bodies))
        [event] = [body for body in api.bodies if body.get("reason") == "BalloonFailed"]
        assert event["message"] == (
            "no balloon is created: the target has no spec.template with containers, so no node can be prepared for it"
        )
        assert not balloons(api)
        assert controller.desired("a") == 3
        assert controller.status("a")["conditions"][0]["reason"] == "TargetFound"


def balloons(api: FakeApi) -> list[str]:
    return [path for path in api.objects if path.startswith(JOBS)]


async def test_decisions_do_not_count_on_nodes_that_cannot_be_prepared(
    api: FakeApi, kube: Kube, tmp_path: Path
) -> None:
    """Its devices come from claims, so a replica takes its whole lead: and the log can still be redecided."""
    async with a_controller(api, kube, log=tmp_path) as controller:
        await controller.target("a", 3)
        path = "/apis/apps/v1/namespaces/ns/deployments/a"
        given = api.objects[path]["spec"]
        claims = {**given["template"], "spec": {**given["template"]["spec"], "resourceClaims": [{"name": "gpu"}]}}
        await api.put(path, {"spec": {**given, "template": claims}})
        await controller.policy("a", spec("a", maxPreparedNodes=2, schedules=[FAIR]))
        await controller.until(lambda: controller.runtimes and controller.runtime("a").policy.max_prepared_nodes == 0)
        await controller.decided("a")
        await controller.until(lambda: controller.status("a").get("preparedNodes") == 0)
        assert controller.desired("a") == 4, "the window opens within the whole lead"
        assert not balloons(api)
        [condition] = [each for each in controller.status("a")["conditions"] if each["type"] == "NodesPrepared"]
        assert "resource claims (DRA)" in condition["message"]
    result = CliRunner().invoke(app, ["redecide", str(tmp_path)])
    assert result.exit_code == 0, result.output
