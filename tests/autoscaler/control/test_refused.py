"""Replicas that the API server refuses, in the whole controller: balloons make way in time, and it is reported."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from autoscaler.kube.client import Kube
from autoscaler.kube.discovery import Discovery
from autoscaler.kube.refusal import read_refusal
from crds.workload import Target
from tests.autoscaler.control import test_prepared
from tests.autoscaler.control.controller import APPS, Controller, a_controller, spec
from tests.autoscaler.control.test_prepared import JOBS, balloons
from tests.support.fake_api import FakeApi, answer

EVENTS = "/api/v1/namespaces/ns/events"
AT_MOST_SECONDS = 12.0
FAIR = {**test_prepared.FAIR, "minReplicas": 5}
EXCEEDED = 'pods "a-3" is forbidden: exceeded quota: gpu'
FAILURE = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": EXCEEDED}


async def prepared(controller: Controller, api: FakeApi) -> None:
    """Two balloons whose pods run, beside three replicas."""
    await controller.target("a", 3)
    await controller.policy("a", spec("a", maxPreparedNodes=2, schedules=[FAIR]))
    await controller.until(lambda: len(balloons(api)) == 2)
    for path in balloons(api):
        job = api.objects[path]
        pod = {
            "metadata": job["spec"]["template"]["metadata"],
            "spec": {"nodeName": "n"},
            "status": {"phase": "Running"},
        }
        await api.put(f"/api/v1/namespaces/ns/pods/{job['metadata']['name']}-x", pod)
    await controller.clock.advance(15.0)
    await controller.until(lambda: controller.runtime("a").supply(controller.clock.now()).prepared == 2)  # type: ignore[union-attr]


async def scale(api: FakeApi, replicas: int, pods: int, **more: Any) -> None:
    """What the HPA and the Deployment controller write."""
    path = f"{APPS}/namespaces/ns/deployments/a"
    status = {"replicas": pods, **more}
    await api.put(path, {"spec": {**api.objects[path]["spec"], "replicas": replicas}, "status": status})


async def seconds_until(controller: Controller, true: Callable[[], object], at_most_seconds: float = 60.0) -> float:
    """How much time passes until something is true. Slowly, so that answers are not late by the clock of the test."""
    began = controller.clock.now()
    while not true() and controller.clock.now() - began < at_most_seconds:
        await controller.clock.advance(0.5)
        await asyncio.sleep(0.03)
    return controller.clock.now() - began


def condition_of(controller: Controller, kind: str) -> dict[str, Any]:
    return next((each for each in controller.status("a").get("conditions", ()) if each["type"] == kind), {})


def events(api: FakeApi) -> dict[str, str]:
    return {each["reason"]: each["message"] for path, each in api.objects.items() if path.startswith(EVENTS)}


async def test_balloons_make_way_within_twelve_seconds(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        await prepared(controller, api)
        # The window comes near: 5 replicas are decided, and the HPA follows a while later.
        await controller.until(lambda: controller.desired("a") == 5)
        await controller.clock.advance(7.0)
        await scale(api, 5, 3, conditions=[FAILURE])
        assert await seconds_until(controller, lambda: len(balloons(api)) < 2) <= AT_MOST_SECONDS
        await controller.until(lambda: "ReplicasRefused" in events(api))
        said = f"Replicas that are decided and cannot be created: 2 ({EXCEEDED})."
        assert events(api)["ReplicasRefused"] == said
        await controller.until(lambda: said in controller.status("a")["message"])
        await scale(api, 5, 5)
        await controller.clock.advance(31.0)
        await controller.until(lambda: said not in controller.status("a")["message"])


@pytest.mark.parametrize(("reason", "said"), [("FailedCreate", EXCEEDED), ("FailedDelete", None)])
async def test_pods_that_cannot_be_deleted_are_no_refusal(
    api: FakeApi, kube: Kube, reason: str, said: str | None
) -> None:
    await api.put(f"{APPS}/namespaces/ns/deployments/a", {"status": {"conditions": [{**FAILURE, "reason": reason}]}})
    target = Target("apps/v1", "Deployment", "a")
    assert await read_refusal(kube, Discovery(kube), "ns", target, overdue=False) == said


async def test_a_rollout_that_is_refused_its_surge_is_made_way_for(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        await prepared(controller, api)
        await scale(api, 3, 3, conditions=[FAILURE])
        await controller.clock.advance(61.0)
        await controller.until(lambda: len(balloons(api)) < 2)


@pytest.mark.parametrize(
    ("status", "listed", "goes"),
    [
        ({}, 3, True),
        ({"readyReplicas": 2}, 3, False),  # one after the other
        ({"currentRevision": "a", "updateRevision": "b"}, 3, False),  # replaces its pods
        ({}, 5, False),  # as of a kind whose count is that of its ready pods
    ],
    ids=["refused", "in order", "rolling", "not ready"],
)
async def test_a_stateful_set_reports_no_failure_but_lacks_pods(
    api: FakeApi, kube: Kube, status: dict[str, Any], listed: int, goes: bool
) -> None:
    kinds = {"resources": [{"name": "statefulsets", "kind": "StatefulSet", "namespaced": True}]}
    async with a_controller(api, kube) as controller:
        await controller.target("a", 3)
        template = api.objects[f"{APPS}/namespaces/ns/deployments/a"]["spec"]["template"]
        whole = {"kind": "StatefulSet", "metadata": {"name": "a", "namespace": "ns", "uid": "u"}}
        whole |= {"spec": {"template": template}, "status": {"replicas": 3, "readyReplicas": 3, **status}}

        def lacking(replicas: int) -> None:
            scaled = {"spec": {"replicas": replicas}, "status": {"replicas": 3, "selector": "app=a"}}
            api.standing[:] = [
                ("statefulsets/a/scale", answer(scaled)),
                ("statefulsets/a", answer(whole)),
                ("GET /apis/apps/v1", answer(kinds)),
            ]

        lacking(3)
        target = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "a"}
        await controller.policy("a", {**spec("a", maxPreparedNodes=2, schedules=[FAIR]), "target": target})
        await controller.until(lambda: len(balloons(api)) == 2)
        for path in balloons(api):
            about = api.objects[path]["spec"]["template"]["metadata"]
            run = {"metadata": about, "spec": {"nodeName": "n"}, "status": {"phase": "Running"}}
            await api.put(f"/api/v1/namespaces/ns/pods/{path.rsplit('/', 1)[1]}-x", run)
        lacking(5)
        for at in range(3, listed):
            pod = {"metadata": {"labels": {"app": "a"}}, "spec": {"nodeName": "n"}, "status": {"phase": "Running"}}
            await api.put(f"/api/v1/namespaces/ns/pods/a-{at}", pod)
        await controller.clock.advance(15.0)
        if goes:
            assert await seconds_until(controller, lambda: len(balloons(api)) < 2) <= AT_MOST_SECONDS
        else:
            await seconds_until(controller, lambda: len(balloons(api)) < 2, AT_MOST_SECONDS)
            assert len(balloons(api)) == 2


async def test_a_balloon_without_a_pod_goes_within_twelve_seconds_and_stands_in_the_status(
    api: FakeApi, kube: Kube
) -> None:
    async with a_controller(api, kube) as controller:
        await controller.target("a", 3)
        await controller.policy("a", spec("a", maxPreparedNodes=2, schedules=[FAIR]))
        await controller.until(lambda: len(balloons(api)) == 2)
        assert await seconds_until(controller, lambda: not balloons(api)) <= AT_MOST_SECONDS
        await controller.until(lambda: "BalloonFailed" in events(api))
        assert "got no pod and was let go" in events(api)["BalloonFailed"]
        await controller.until(lambda: condition_of(controller, "NodesPrepared"))
        condition = condition_of(controller, "NodesPrepared")
        assert "got no pod" in condition["message"]
        assert (condition["status"], condition["reason"]) == ("False", "NotAsPlanned")
        made = len([each for each in api.requests if each == f"POST {JOBS}"])
        await controller.clock.advance(45.0)
        assert len([each for each in api.requests if each == f"POST {JOBS}"]) == made
