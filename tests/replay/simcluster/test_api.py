"""The API over HTTP. Each test holds for a real API server with the same objects, where tests/e2e/test_contract.py runs it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import kubernetes
import kubernetes.watch
import pytest

from tests.replay.simcluster.conftest import Server

PODS = "/api/v1/namespaces/serving/pods"
JOBS = "/apis/batch/v1/namespaces/serving/jobs"
POLICIES = "/apis/outrider.dev/v1alpha1/namespaces/serving/scalingpolicies"
DEPLOYMENT = "/apis/apps/v1/namespaces/serving/deployments/llm"

PATIENCE_SECONDS = 30.0


def a_job(name: str = "balloon-0", **spec: Any) -> dict[str, Any]:
    gpu = {"nvidia.com/gpu": "1"}
    container = {"name": "hold", "image": "vllm:1", "resources": {"limits": gpu, "requests": {**gpu, "cpu": "500m"}}}
    nowhere = {"contract": "nowhere"}  # so that no cluster brings a node for it
    pod = {
        "restartPolicy": "Never",
        "containers": [container],
        "terminationGracePeriodSeconds": 1,
        "nodeSelector": nowhere,
    }
    template = {"metadata": {"labels": {"outrider.dev/policy": "llm"}}, "spec": pod}
    given = {"backoffLimit": 0, "activeDeadlineSeconds": 1800, "ttlSecondsAfterFinished": 60, "template": template}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "outrider"}},
        "spec": {**given, **spec},
    }


async def eventually(check: Callable[[], Awaitable[Any]]) -> Any:
    """The first true result of `check`: a real cluster's controllers take a moment to act."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (found := await check()):  # noqa: ASYNC110 - nothing signals it
            await asyncio.sleep(0.02)
    return found


async def pods_of_jobs(api: Server) -> list[Any]:
    found: list[Any] = (await api.get(f"{PODS}?labelSelector=job-name"))["items"]
    return found


async def test_discovery_gives_plural_kind_and_subresources(api: Server) -> None:
    found = await api.get("/apis/apps/v1")
    entries = {entry["name"]: entry for entry in found["resources"]}
    assert found["groupVersion"] == "apps/v1"
    assert entries["deployments"]["kind"] == "Deployment"
    assert entries["deployments/scale"]["kind"] == "Scale"
    assert {group["name"] for group in (await api.get("/apis"))["groups"]} >= {"apps", "batch", "outrider.dev"}
    assert "scpol" in (await api.get("/apis/outrider.dev/v1alpha1"))["resources"][0]["shortNames"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (f"{PODS}/absent", "NotFound"),
        ("/api/v1/namespaces/serving/absents", "NotFound"),
        (f"{DEPLOYMENT}/absent", "NotFound"),
    ],
)
async def test_absent_is_a_status(api: Server, path: str, reason: str) -> None:
    status = await api.get(path, code=404)
    assert (status["kind"], status["status"], status["reason"], status["code"]) == ("Status", "Failure", reason, 404)


async def test_an_absent_group_is_plain_text(api: Server) -> None:
    async with api.http.get(f"{api.url}/apis/absent.example/v1") as response:
        assert (response.status, response.content_type) == (404, "text/plain")
        assert await response.text() == "404 page not found\n"


async def test_not_found_names_the_object(api: Server) -> None:
    status = await api.get("/apis/apps/v1/namespaces/serving/deployments/absent", code=404)
    assert status["message"] == 'deployments.apps "absent" not found'
    assert status["details"] == {"name": "absent", "group": "apps", "kind": "deployments"}


async def test_verbs_that_are_not_served(api: Server) -> None:
    status = await api.ask("PUT", JOBS, {}, code=405)
    assert status["reason"] == "MethodNotAllowed"


async def test_pods_by_label(api: Server) -> None:
    found = await api.get(f"{PODS}?labelSelector=app%3Dllm")
    assert found["kind"] == "PodList"
    assert int(found["metadata"]["resourceVersion"]) > 0
    [pod] = found["items"]
    assert "kind" not in pod
    assert pod["metadata"]["name"].startswith("llm-")
    ready = {c["type"]: c["status"] for c in pod["status"]["conditions"]}["Ready"]
    assert (pod["status"]["phase"], ready) == ("Running", "True")
    assert (await api.get(f"{PODS}?labelSelector=app%21%3Dllm"))["items"] == []
    assert (await api.get(f"{PODS}?labelSelector=app+in+(a,llm),!x"))["items"] == [pod]
    assert (await api.get(f"{PODS}?labelSelector=app+notin+(llm)"))["items"] == []
    assert (await api.get(f"{PODS}?fieldSelector=status.phase%3DPending"))["items"] == []
    assert (await api.get("/api/v1/namespaces/other/pods"))["items"] == []
    assert pod in (await api.get("/api/v1/pods"))["items"]


@pytest.mark.parametrize("query", ["labelSelector=a%3D%3D%3D", "labelSelector=a+in+b", "fieldSelector=spec.x%3D1"])
async def test_a_selector_that_cannot_be_read(api: Server, query: str) -> None:
    assert (await api.get(f"{PODS}?{query}", code=400))["reason"] == "BadRequest"


async def test_scale_reads_and_writes(api: Server) -> None:
    scale = await api.get(f"{DEPLOYMENT}/scale")
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert (scale["spec"]["replicas"], scale["status"]) == (1, {"replicas": 1, "selector": "app=llm"})
    patch = {"spec": {"replicas": 3}}
    answer = await api.ask("PATCH", f"{DEPLOYMENT}/scale", patch, kind="merge-patch+json")
    assert answer["spec"]["replicas"] == 3
    assert (await api.get(DEPLOYMENT))["spec"]["replicas"] == 3
    for replicas, field in ((-1, "spec.replicas"), ("3", "patch"), (True, "patch"), (1.5, "patch")):
        wrong = {"spec": {"replicas": replicas}}
        status = await api.ask("PATCH", f"{DEPLOYMENT}/scale", wrong, code=422, kind="merge-patch+json")
        assert (status["reason"], status["details"]["causes"][0]["field"]) == ("Invalid", field)
    await api.ask("PATCH", f"{DEPLOYMENT}/scale", {"spec": {"replicas": 0}}, kind="merge-patch+json")
    assert (await api.get(f"{DEPLOYMENT}/scale"))["spec"] == {}


async def test_only_the_status_is_patched_through_status(api: Server) -> None:
    before = await api.get(f"{POLICIES}/llm")
    patch = {"status": {"desiredReplicas": 4, "message": "x"}, "spec": {"maxReplicas": 99}}
    after = await api.ask("PATCH", f"{POLICIES}/llm/status", patch, kind="merge-patch+json")
    assert after["spec"] == before["spec"]
    assert after["status"] == patch["status"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert int(after["metadata"]["resourceVersion"]) > int(before["metadata"]["resourceVersion"])
    gone = {"status": {"message": None}}
    after = await api.ask("PATCH", f"{POLICIES}/llm/status", gone, kind="merge-patch+json")
    assert after["status"] == {"desiredReplicas": 4}
    assert after in (await api.get("/apis/outrider.dev/v1alpha1/scalingpolicies"))["items"]


async def test_patches_keep_the_rules(api: Server) -> None:
    before = await api.get(f"{POLICIES}/llm")
    spec = {"spec": {"maxReplicas": 9}, "status": {"desiredReplicas": 1}}
    after = await api.ask("PATCH", f"{POLICIES}/llm", spec, kind="merge-patch+json")
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1
    assert "status" not in after
    stale = {"metadata": {"resourceVersion": before["metadata"]["resourceVersion"]}}
    status = await api.ask("PATCH", f"{POLICIES}/llm", stale, code=409, kind="merge-patch+json")
    assert status["reason"] == "Conflict"
    await api.ask("PATCH", f"{POLICIES}/llm/status", {}, code=415, kind="xml")


async def test_a_job_makes_a_pod(api: Server) -> None:
    job = await api.ask("POST", JOBS, a_job(), code=201)
    assert job["metadata"]["uid"]
    assert job["spec"]["template"]["metadata"]["labels"]["job-name"] == "balloon-0"
    [pod] = await eventually(lambda: pods_of_jobs(api))
    assert pod["metadata"]["labels"]["job-name"] == "balloon-0"
    assert pod["metadata"]["labels"]["outrider.dev/policy"] == "llm"
    [owner] = pod["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Job", "balloon-0", job["metadata"]["uid"])
    assert pod["status"]["phase"] == "Pending"
    status = await api.ask("POST", JOBS, a_job(), code=409)
    assert status["reason"] == "AlreadyExists"


def _without(body: dict[str, Any], *path: str) -> dict[str, Any]:
    *above, last = path
    inner: Any = body
    for step in above:
        inner = inner[step]
    del inner[last]
    return body


def _container(**changes: Any) -> dict[str, Any]:
    job = a_job()
    job["spec"]["template"]["spec"]["containers"][0].update(changes)
    return job


def _pod(**changes: Any) -> dict[str, Any]:
    job = a_job()
    job["spec"]["template"]["spec"].update(changes)
    return job


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (_without(a_job(), "metadata", "name"), "metadata.name"),
        (a_job("Not_a_Name"), "metadata.name"),
        (a_job("x" * 64), "spec.template.labels"),
        (a_job(activeDeadlineSeconds=-1), "spec.activeDeadlineSeconds"),
        (a_job(selector={"matchLabels": {"a": "b"}}), "spec.selector"),
        (_without(a_job(), "spec", "template", "spec", "restartPolicy"), "spec.template.spec.restartPolicy"),
        (_pod(restartPolicy="Always"), "spec.template.spec.restartPolicy"),
        (_pod(containers=[]), "spec.template.spec.containers"),
        (_pod(tolerations=[{"operator": "Equal"}]), "spec.template.spec.tolerations[0].operator"),
        (_pod(tolerations=[{"key": "a", "effect": "Never"}]), "spec.template.spec.tolerations[0].effect"),
        (_container(name="Hold It"), "spec.template.spec.containers[0].name"),
        (_container(image=""), "spec.template.spec.containers[0].image"),
        (
            _container(resources={"requests": {"nvidia.com/gpu": "1"}}),
            "spec.template.spec.containers[0].resources.limits",
        ),
        (
            _container(resources={"limits": {"nvidia.com/gpu": "500m"}}),
            "spec.template.spec.containers[0].resources.limits[nvidia.com/gpu]",
        ),
        (
            _container(resources={"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}),
            "spec.template.spec.containers[0].resources.requests",
        ),
    ],
)
async def test_a_job_that_cannot_be(api: Server, body: dict[str, Any], field: str) -> None:
    status = await api.ask("POST", JOBS, body, code=422)
    assert status["reason"] == "Invalid"
    assert field in [cause["field"] for cause in status["details"]["causes"]]


async def test_an_owner_must_be_whole(api: Server) -> None:
    job = a_job()
    job["metadata"]["ownerReferences"] = [
        {"apiVersion": "outrider.dev/v1alpha1", "kind": "ScalingPolicy", "name": "llm"}
    ]
    status = await api.ask("POST", JOBS, job, code=422)
    assert status["details"]["causes"][0]["field"] == "metadata.ownerReferences.uid"


@pytest.mark.parametrize(
    "body",
    [
        {**a_job(), "kind": "CronJob"},
        {**a_job(), "metadata": {"name": "a", "namespace": "other"}},
        a_job(backoffLimit="0"),
        _container(resources={"requests": {"memory": "16 GB"}}),
        [],
    ],
)
async def test_a_body_that_is_no_job(api: Server, body: Any) -> None:
    assert (await api.ask("POST", JOBS, body, code=400))["reason"] == "BadRequest"


async def test_deleting_a_job_takes_its_pod(api: Server) -> None:
    job = await api.ask("POST", JOBS, a_job(), code=201)
    wrong = {"propagationPolicy": "Background", "preconditions": {"uid": "another"}}
    assert (await api.ask("DELETE", f"{JOBS}/balloon-0", wrong, code=409))["reason"] == "Conflict"
    right = {"propagationPolicy": "Background", "preconditions": {"uid": job["metadata"]["uid"]}}
    assert (await api.ask("DELETE", f"{JOBS}/balloon-0", right))["status"] == "Success"

    async def gone() -> bool:
        return await pods_of_jobs(api) == []

    await eventually(gone)
    await api.ask("DELETE", f"{JOBS}/balloon-0", right, code=404)


async def test_what_a_policy_owns_goes_with_it(api: Server) -> None:
    policy = await api.get(f"{POLICIES}/llm")
    owner = {"apiVersion": policy["apiVersion"], "kind": policy["kind"], "name": "llm"}
    for name, uid in (("kept", policy["metadata"]["uid"]), ("stray", "of-an-older-one")):
        job = a_job(name)
        job["metadata"]["ownerReferences"] = [{**owner, "uid": uid}]
        await api.ask("POST", JOBS, job, code=201)
    await api.ask("POST", JOBS, a_job("free"), code=201)

    async def left() -> list[str]:
        return [job["metadata"]["name"] for job in (await api.get(JOBS))["items"]]

    async def free_and_kept() -> bool:
        return await left() == ["free", "kept"]

    async def free() -> bool:
        return await left() == ["free"]

    await eventually(free_and_kept)
    await api.ask("DELETE", f"{POLICIES}/llm")
    await eventually(free)


async def test_events_are_kept(api: Server) -> None:
    path = "/api/v1/namespaces/serving/events"
    regarding = {"kind": "ScalingPolicy", "namespace": "serving", "name": "llm"}
    event = {"metadata": {"generateName": "llm."}, "involvedObject": regarding, "reason": "Scaled", "message": "m"}
    stored = await api.ask("POST", path, event, code=201)
    assert stored["metadata"]["name"].startswith("llm.")
    found = [each for each in (await api.get(path))["items"] if each["involvedObject"]["kind"] == "ScalingPolicy"]
    assert [held["reason"] for held in found] == ["Scaled"]
    elsewhere = {**event, "involvedObject": {**regarding, "namespace": "other"}}
    await api.ask("POST", path, elsewhere, code=422)


async def test_events_are_found_by_what_they_are_about(api: Server) -> None:
    path = "/api/v1/namespaces/serving/events"
    for name, uid in (("one", "a"), ("two", "b")):
        about = {"kind": "Job", "namespace": "serving", "name": name, "uid": uid}
        await api.ask("POST", path, {"metadata": {"name": name}, "involvedObject": about, "message": name}, code=201)
    found = await api.get(f"{path}?fieldSelector=involvedObject.uid%3Db")
    assert [held["message"] for held in found["items"]] == ["two"]


@pytest.mark.parametrize(
    ("group", "plural", "kind", "namespaced"),
    [
        ("/api/v1", "nodes", "Node", False),
        ("/api/v1", "resourcequotas", "ResourceQuota", True),
        ("/apis/scheduling.k8s.io/v1", "priorityclasses", "PriorityClass", False),
    ],
)
async def test_what_is_only_read_is_listed(api: Server, group: str, plural: str, kind: str, namespaced: bool) -> None:
    found = await api.get(f"{group}/{'namespaces/serving/' if namespaced else ''}{plural}")
    assert (found["kind"], isinstance(found["items"], list)) == (f"{kind}List", True)
    entries = {entry["name"]: entry for entry in (await api.get(group))["resources"]}
    assert (entries[plural]["kind"], entries[plural]["namespaced"]) == (kind, namespaced)


class Watch:
    """A watch that is open."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def next(self) -> tuple[str, Any]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            line = await self._response.content.readline()
        assert line, "the watch ended"
        event = json.loads(line)
        return event["type"], event["object"]

    async def next_of(self, wanted: str) -> Any:
        """The object of the next event of a type; others before it are passed over."""
        while True:
            kind, found = await self.next()
            if kind == wanted:
                return found

    async def ends(self) -> bool:
        """Whether nothing comes any more but bookmarks, and then the end."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while line := await self._response.content.readline():
                if json.loads(line)["type"] != "BOOKMARK":
                    return False
        return True


async def _watch(api: Server, path: str) -> Watch:
    joined = "&" if "?" in path else "?"
    response = await api.http.get(f"{api.url}{path}{joined}watch=1")
    assert response.status == 200
    return Watch(response)


async def test_a_watch_goes_on_from_a_list(api: Server) -> None:
    version = (await api.get(JOBS))["metadata"]["resourceVersion"]
    watch = await _watch(api, f"{JOBS}?resourceVersion={version}")
    job = await api.ask("POST", JOBS, a_job(), code=201)
    kind, seen = await watch.next()
    assert (kind, seen["metadata"]["uid"], seen["kind"]) == ("ADDED", job["metadata"]["uid"], "Job")
    seen = await watch.next_of("MODIFIED")
    assert seen["status"]["active"] == 1
    await api.ask("DELETE", f"{JOBS}/balloon-0", {"propagationPolicy": "Background"})  # else its pod is orphaned
    last = await watch.next_of("DELETED")
    assert last["metadata"]["name"] == "balloon-0"
    assert int(last["metadata"]["resourceVersion"]) > int(seen["metadata"]["resourceVersion"])


async def test_a_watch_without_a_version_opens_with_what_is_there(api: Server) -> None:
    watch = await _watch(api, f"{PODS}?labelSelector=app%3Dllm")
    kind, pod = await watch.next()
    assert (kind, pod["metadata"]["labels"]["app"]) == ("ADDED", "llm")


async def test_a_watch_follows_its_selector_only(api: Server) -> None:
    version = (await api.get(PODS))["metadata"]["resourceVersion"]
    watch = await _watch(api, f"{PODS}?labelSelector=job-name&resourceVersion={version}")
    await api.ask("PATCH", f"{DEPLOYMENT}/scale", {"spec": {"replicas": 2}}, kind="merge-patch+json")
    await api.ask("POST", JOBS, a_job(), code=201)
    kind, pod = await watch.next()
    assert (kind, pod["metadata"]["labels"]["job-name"]) == ("ADDED", "balloon-0")


@pytest.mark.slow  # it waits four seconds, on a real API server as well
async def test_a_watch_ends_in_time_after_a_bookmark_of_what_it_did_not_show(api: Server) -> None:
    version = (await api.get(JOBS))["metadata"]["resourceVersion"]
    query = f"labelSelector=a%3Db&resourceVersion={version}&timeoutSeconds=4&allowWatchBookmarks=true"
    watch = await _watch(api, f"{JOBS}?{query}")
    job = await api.ask("POST", JOBS, a_job(), code=201)
    kind, bookmark = await watch.next()
    assert (kind, bookmark["kind"]) == ("BOOKMARK", "Job")
    assert int(bookmark["metadata"]["resourceVersion"]) >= int(job["metadata"]["resourceVersion"])
    assert await watch.ends()


async def test_a_list_from_the_future_gets_a_timeout(api: Server) -> None:
    version = int((await api.get(PODS))["metadata"]["resourceVersion"])
    status = await api.get(f"{PODS}?resourceVersion={version + 1_000_000}", code=504)
    assert status["reason"] == "Timeout"


@pytest.mark.slow  # its import takes a second
async def test_the_official_client_reads_every_object(api: Server) -> None:
    """Its models refuse an object that lacks a required field, and parse every time."""
    await api.ask("POST", JOBS, a_job(), code=201)
    await eventually(lambda: pods_of_jobs(api))

    def read() -> None:
        official: Any = kubernetes.client  # to its types every member may be None
        watch: Any = kubernetes.watch
        client = official.ApiClient(official.Configuration(host=api.url))
        core, batch = official.CoreV1Api(client), official.BatchV1Api(client)
        [balloon] = core.list_namespaced_pod("serving", label_selector="job-name").items
        [job] = batch.list_namespaced_job("serving").items
        assert balloon.metadata.owner_references[0].uid == job.metadata.uid
        assert job.spec.active_deadline_seconds == 1800
        apps = official.AppsV1Api(client)
        assert apps.read_namespaced_deployment("llm", "serving").spec.replicas == 1
        assert apps.patch_namespaced_deployment_scale("llm", "serving", {"spec": {"replicas": 2}}).spec.replicas == 2
        stream = watch.Watch().stream
        event = next(stream(core.list_namespaced_pod, "serving", label_selector="app=llm", timeout_seconds=1))
        assert event["type"] == "ADDED"
        assert event["object"].metadata.creation_timestamp is not None

    await asyncio.to_thread(read)
