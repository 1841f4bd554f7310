from contextlib import aclosing
from pathlib import Path

import pytest
import yaml

from autoscaler.kube import collection
from autoscaler.kube.client import Kube
from autoscaler.kube.errors import (
    Conflict,
    Forbidden,
    Gone,
    KubeError,
    NotConfigured,
    NotFound,
    Rejected,
    TimedOut,
    Unavailable,
)
from autoscaler.telemetry.metrics import REGISTRY
from tests.replay.simcluster.test_api import a_job
from tests.support.fake_api import (
    DROP,
    EMPTY,
    GONE,
    HANG,
    HTML,
    FakeApi,
    Fault,
    answer,
    connected,
    status,
    write_kubeconfig,
)

PODS = collection.pods("ns")


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        (
            status(404, "NotFound", 'pods "a" not found'),
            NotFound,
            'GET /api/v1/namespaces/ns/pods: 404 pods "a" not found',
        ),
        (status(401, "Unauthorized"), Forbidden, "401 Unauthorized"),
        (status(403, "Forbidden", "exceeded quota"), Forbidden, "403 exceeded quota"),
        (status(409, "AlreadyExists"), Conflict, "409"),
        (GONE, Gone, "too old resource version"),
        (status(422, "Invalid", "spec.x: Required"), Rejected, "422 spec.x: Required"),
        (status(429, "TooManyRequests"), Unavailable, "429"),
        (HTML, Unavailable, "500 '<html>"),
        (Fault(200, b"<html>login</html>", "text/html"), Unavailable, "not a JSON object but '<html>login</html>'"),
        (EMPTY, Unavailable, "not a JSON object but empty"),
        (Fault(200, b"[1]"), Unavailable, "not a JSON object but '[1]'"),
        (Fault(200, b"{}"), Unavailable, "the answer is not a list"),
        (DROP, Unavailable, "GET /api/v1/namespaces/ns/pods: "),
    ],
    ids=str,
)
async def test_every_refusal_is_one_of_ours(
    api: FakeApi, kube: Kube, fault: Fault, error: type[KubeError], said: str
) -> None:
    api.standing.append(("pods", fault))
    with pytest.raises(error) as raised:
        await kube.list_all(PODS)
    assert type(raised.value) is error
    assert said in str(raised.value)


async def test_what_is_refused_is_counted(api: FakeApi, kube: Kube) -> None:
    def counted() -> float:
        return REGISTRY.get_sample_value("outrider_kube_errors_total", {"kind": "Forbidden"}) or 0.0

    api.standing.append(("pods", status(403, "Forbidden")))
    before = counted()
    with pytest.raises(Forbidden):
        await kube.list_all(PODS)
    assert counted() == before + 1
    async with aclosing(kube.watch(PODS, "1", 60.0)) as lines:
        with pytest.raises(Forbidden):
            await anext(lines)
    assert counted() == before + 2


async def test_a_hanging_server_meets_the_deadline(api: FakeApi, tmp_path: Path) -> None:
    async with connected(api, tmp_path, timeout_seconds=0.05) as kube:
        api.standing.append(("pods", HANG))
        with pytest.raises(TimedOut, match=r"no answer within 0\.05 s"):
            await kube.get(PODS.path)
        with pytest.raises(TimedOut, match="no answer in time"):
            async with aclosing(kube.watch(PODS, "1", 60.0)) as lines:
                await anext(lines)


async def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    kube = await Kube.connect(write_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:9"))
    with pytest.raises(Unavailable, match="127"):
        await kube.get("/api/v1")
    await kube.close()


async def test_a_long_list_comes_page_by_page(api: FakeApi, kube: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoscaler.kube.client.PAGE_ITEMS", 2)
    for page in ({"continue": "one"}, {"continue": "two"}, {}):
        pods = [
            {"metadata": {"name": f"p{2 * len(api.faults)}"}},
            {"metadata": {"name": f"p{2 * len(api.faults) + 1}"}},
        ]
        api.faults.append(("pods", answer({"metadata": {"resourceVersion": "7", **page}, "items": pods})))
    found, version = await kube.list_all(PODS)
    assert [each["metadata"]["name"] for each in found] == ["p0", "p1", "p2", "p3", "p4", "p5"]
    assert version == "7"
    assert [each.partition("?")[2] for each in api.requests] == [
        "limit=2",
        "limit=2&continue=one",
        "limit=2&continue=two",
    ]


async def test_an_object_is_created_patched_and_deleted(api: FakeApi, kube: Kube) -> None:
    jobs, policies = collection.jobs("ns"), collection.policies("ns")
    made = await kube.create(jobs.path, a_job("j"))
    with pytest.raises(Conflict):
        await kube.create(jobs.path, a_job("j"))
    await api.put(policies.item("ns", "p"), {"status": {"a": 1, "b": 2}})
    patched = await kube.merge_patch(policies.item("ns", "p", "status"), {"status": {"a": None}})
    assert patched["status"] == {"b": 2}
    with pytest.raises(Conflict):
        await kube.delete(jobs.item("ns", "j"), uid="another")
    await kube.delete(jobs.item("ns", "j"), uid=made["metadata"]["uid"])
    assert api.bodies[-1]["propagationPolicy"] == "Background"
    with pytest.raises(NotFound):
        await kube.delete(jobs.item("ns", "j"), uid=made["metadata"]["uid"])


@pytest.mark.parametrize(("said", "may"), [({"allowed": True}, True), ({"allowed": False}, False), ({}, False)])
async def test_what_it_may_list_is_asked_of_the_server(
    said: dict[str, bool], may: bool, api: FakeApi, kube: Kube
) -> None:
    api.faults.append(("POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews", answer({"status": said})))
    assert await kube.may_list(collection.capacity_buffers("ours")) is may
    assert api.bodies[-1]["spec"]["resourceAttributes"] == {
        "group": "autoscaling.x-k8s.io",
        "resource": "capacitybuffers",
        "namespace": "ours",
        "verb": "list",
    }


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"half', "the connection ended in the middle of a line"),
        (b"x" * 300, "a line is longer than 200 bytes"),
    ],
)
async def test_a_watch_line_that_cannot_be_whole(
    api: FakeApi, kube: Kube, line: bytes, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autoscaler.kube.client.LINE_LIMIT_BYTES", 200)
    api.faults.append(("watch=", Fault(200, line)))
    async with aclosing(kube.watch(PODS, "100", 60.0)) as lines:
        with pytest.raises(Unavailable, match=said):
            await anext(lines)


async def test_the_token_is_sent_and_the_sender_named(api: FakeApi, kube: Kube) -> None:
    await kube.get("/api/v1/pods")
    assert api.headers[-1]["Authorization"] == "Bearer secret"
    assert api.headers[-1]["User-Agent"] == "outrider"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "does not exist"),
        ("", "it is not a kubeconfig"),
        ("[1, 2", "expected"),
        ("current-context: gone", "kubeconfig"),
        ("- a", "it is not a kubeconfig"),
    ],
    ids=["absent", "empty", "no YAML", "no context", "a list"],
)
async def test_a_bad_kubeconfig_is_named(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "config"
    if content is not None:
        path.write_text(content)
    with pytest.raises(KubeError, match=said) as raised:
        await Kube.connect(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


async def test_without_any_configuration_it_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr("kubernetes_asyncio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    with pytest.raises(KubeError, match="OUTRIDER_KUBECONFIG"):
        await Kube.connect()


async def test_a_context_other_than_the_current_one(tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:9")
    content = yaml.safe_load(path.read_text())
    name = content.pop("current-context")
    path.write_text(yaml.safe_dump(content))
    kube = await Kube.connect(path, context=name)
    await kube.close()
    with pytest.raises(NotConfigured, match="gone"):
        await Kube.connect(path, context="gone")
