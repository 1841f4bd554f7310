"""Finding a target's collection, its scale and its template."""

from typing import Any

import pytest

from autoscaler.kube.client import Kube
from autoscaler.kube.discovery import Discovery
from autoscaler.kube.errors import KubeError, NotFound, Rejected
from autoscaler.kube.scale import read_scale, read_template
from crds.workload import Target
from tests.support.fake_api import FakeApi

CHAT = "/apis/apps/v1/namespaces/ns/deployments/chat"
TARGET = Target("apps/v1", "Deployment", "chat")


@pytest.fixture
async def served(api: FakeApi) -> FakeApi:
    resources = [
        {"name": "deployments/scale", "kind": "Scale", "namespaced": True},
        {"name": "deployments/status", "kind": "Deployment", "namespaced": True},
        {"name": "deployments", "kind": "Deployment", "namespaced": True},
        {"name": "shapes", "kind": "Shape", "namespaced": False},
    ]
    await api.put("/apis/apps/v1", {"resources": resources})
    await api.put("/api/v1", {"resources": [{"name": "replicationcontrollers", "kind": "ReplicationController"}]})
    return api


async def scale(api: FakeApi, selector: str | None = "app=chat") -> None:
    status = {} if selector is None else {"selector": selector}
    await api.put(f"{CHAT}/scale", {"spec": {"replicas": 3}, "status": status})


async def test_a_scale_is_read_and_the_kind_asked_for_once(served: FakeApi, kube: Kube) -> None:
    await scale(served)
    discovery = Discovery(kube)
    for _ in range(2):
        read = await read_scale(kube, discovery, "ns", TARGET)
        assert read.spec_replicas == 3
        assert read.selector.matches({"app": "chat"})
    assert served.requests.count("GET /apis/apps/v1") == 1


async def test_the_core_group_has_its_own_path(served: FakeApi, kube: Kube) -> None:
    found = await Discovery(kube).collection("v1", "ReplicationController")
    assert found.item("ns", "x", "scale") == "/api/v1/namespaces/ns/replicationcontrollers/x/scale"


@pytest.mark.parametrize(
    ("target", "error", "said"),
    [
        (
            Target("apps/v1", "Sharp", "x"),
            NotFound,
            "the cluster has no kind Sharp in apps/v1: check apiVersion and kind",
        ),
        (Target("not.there/v1", "Deployment", "x"), NotFound, "404"),
        (Target("apps/v1", "Shape", "x"), Rejected, "is not namespaced"),
        (Target("apps/v1", "Deployment", "gone"), NotFound, "the target does not exist, or its kind cannot be scaled"),
    ],
    ids=lambda value: value.kind if isinstance(value, Target) else "",
)
async def test_a_wrong_target_is_told(
    served: FakeApi, kube: Kube, target: Target, error: type[KubeError], said: str
) -> None:
    with pytest.raises(error, match=said):
        await read_scale(kube, Discovery(kube), "ns", target)


async def test_a_kind_that_comes_later_is_found(served: FakeApi, kube: Kube) -> None:
    discovery = Discovery(kube)
    with pytest.raises(NotFound):
        await discovery.collection("new.io/v1", "Thing")
    await served.put("/apis/new.io/v1", {"resources": [{"name": "things", "kind": "Thing"}]})
    assert (await discovery.collection("new.io/v1", "Thing")).plural == "things"


@pytest.mark.parametrize(("selector", "said"), [("", "is empty"), (None, "is empty"), ("a==b=c", "cannot read")])
async def test_a_scale_without_a_selector_is_refused(
    served: FakeApi, kube: Kube, selector: str | None, said: str
) -> None:
    await scale(served, selector)
    with pytest.raises(Rejected, match=said):
        await read_scale(kube, Discovery(kube), "ns", TARGET)


@pytest.mark.parametrize("spec", [{}, {"template": {}}, {"template": {"spec": {"containers": []}}}])
async def test_a_target_without_a_template_is_told(served: FakeApi, kube: Kube, spec: dict[str, Any]) -> None:
    await served.put(CHAT, {"spec": spec})
    with pytest.raises(Rejected, match=r"no spec\.template"):
        await read_template(kube, Discovery(kube), "ns", TARGET)


async def test_a_template_is_read(served: FakeApi, kube: Kube) -> None:
    template = {"spec": {"containers": [{"name": "vllm"}]}}
    await served.put(CHAT, {"spec": {"template": template}})
    assert await read_template(kube, Discovery(kube), "ns", TARGET) == template
