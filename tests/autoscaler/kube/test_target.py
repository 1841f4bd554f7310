"""Finding a target's collection, its scale and its template."""

from typing import Any

import pytest

from autoscaler.kube.client import Kube
from autoscaler.kube.discovery import Discovery
from autoscaler.kube.errors import KubeError, NotFound, Rejected
from autoscaler.kube.scale import read_scale, read_template
from crds.workload import Target
from tests.support.fake_api import FakeApi, Fault, answer

CHAT = "/apis/apps/v1/namespaces/ns/deployments/chat"
TARGET = Target("apps/v1", "Deployment", "chat")


SPEC = {"replicas": 3, "selector": {"matchLabels": {"app": "chat"}}}


async def test_a_scale_is_read_and_the_kind_asked_for_once(api: FakeApi, kube: Kube) -> None:
    await api.put(CHAT, {"spec": SPEC, "status": {}})
    discovery = Discovery(kube)
    for _ in range(2):
        read = await read_scale(kube, discovery, "ns", TARGET)
        assert read.spec_replicas == 3
        assert read.selector.matches({"app": "chat"})
    assert api.requests.count("GET /apis/apps/v1") == 1


@pytest.mark.parametrize(
    ("status", "counted"),
    [
        ({"replicas": 4}, 4),
        ({}, None),
        ({"replicas": -1}, None),
        ({"replicas": 2**40}, None),
        ({"replicas": "4"}, None),
    ],
)
async def test_the_pods_that_the_target_counts_are_read_or_unknown(
    api: FakeApi, kube: Kube, status: dict[str, Any], counted: int | None
) -> None:
    scale = {"spec": {"replicas": 3}, "status": {"selector": "app=chat", **status}}
    api.faults.append((f"{CHAT}/scale", answer(scale)))
    assert (await read_scale(kube, Discovery(kube), "ns", TARGET)).status_replicas == counted


@pytest.mark.parametrize("replicas", [-1, "many", 1.5, True, None])
async def test_a_scale_without_a_number_of_pods_is_unknown_and_not_zero(
    api: FakeApi, kube: Kube, replicas: object
) -> None:
    scale = {"spec": {"replicas": replicas}, "status": {"selector": "app=chat"}}
    api.faults.append((f"{CHAT}/scale", answer(scale)))
    with pytest.raises(Rejected, match=r"spec\.replicas is not a number of pods"):
        await read_scale(kube, Discovery(kube), "ns", TARGET)


def serves(kind: str, plural: str, *, namespaced: bool = True) -> Fault:
    subresource = {"name": f"{plural}/scale", "kind": "Scale", "namespaced": namespaced}
    return answer({"resources": [subresource, {"name": plural, "kind": kind, "namespaced": namespaced}]})


async def test_the_core_group_has_its_own_path(api: FakeApi, kube: Kube) -> None:
    api.faults.append(("/api/v1", serves("ReplicationController", "replicationcontrollers")))
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
        (Target("new.io/v1", "Shape", "x"), Rejected, "is not namespaced"),
        (Target("apps/v1", "Deployment", "gone"), NotFound, "the target does not exist, or its kind has no /scale"),
    ],
    ids=lambda value: value.kind if isinstance(value, Target) else "",
)
async def test_a_wrong_target_is_reported(
    api: FakeApi, kube: Kube, target: Target, error: type[KubeError], said: str
) -> None:
    api.standing.append(("/apis/new.io/v1", serves("Shape", "shapes", namespaced=False)))
    with pytest.raises(error, match=said):
        await read_scale(kube, Discovery(kube), "ns", target)


async def test_a_kind_that_comes_later_is_found(api: FakeApi, kube: Kube) -> None:
    discovery = Discovery(kube)
    with pytest.raises(NotFound):
        await discovery.collection("new.io/v1", "Thing")
    api.standing.append(("/apis/new.io/v1", serves("Thing", "things")))
    assert (await discovery.collection("new.io/v1", "Thing")).plural == "things"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"selector": ""}, "is empty"),
        ({}, "is empty"),
        ({"selector": "a==b=c"}, "cannot read"),
        ({"selector": "a=b," * 5_000}, "has 20000 characters, more than the 16384 that are read"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_scale_without_a_selector_is_refused(
    api: FakeApi, kube: Kube, status: dict[str, Any], said: str
) -> None:
    """As a custom resource may have it."""
    api.standing.append((f"{CHAT}/scale", answer({"spec": {"replicas": 3}, "status": status})))
    with pytest.raises(Rejected, match=said):
        await read_scale(kube, Discovery(kube), "ns", TARGET)


NO_TEMPLATES: list[Any] = [
    None,
    {},
    "one-by-name",
    {"spec": "one-by-name"},
    {"spec": {"containers": []}},
    {"spec": {"containers": "vllm"}},
    {"spec": {"containers": ["vllm"]}},
    {"spec": {"containers": [{"name": "vllm"}], "initContainers": ["first"]}},
]


@pytest.mark.parametrize("spec", [{}, *({"template": each} for each in NO_TEMPLATES)])
async def test_a_target_without_a_template_is_reported(api: FakeApi, kube: Kube, spec: dict[str, Any]) -> None:
    await api.put(CHAT, {"spec": spec})
    with pytest.raises(Rejected, match=r"no spec\.template"):
        await read_template(kube, Discovery(kube), "ns", TARGET)


async def test_a_template_is_read(api: FakeApi, kube: Kube) -> None:
    template = {"spec": {"containers": [{"name": "vllm"}]}}
    await api.put(CHAT, {"spec": {"template": template}})
    assert await read_template(kube, Discovery(kube), "ns", TARGET) == template


LEADER, WORKER = ({"spec": {"containers": [{"name": name}]}} for name in ("leader", "worker"))
LWS = Target("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", "chat")
ROLLOUT = Target("argoproj.io/v1alpha1", "Rollout", "chat")


def serve(api: FakeApi, target: Target, spec: dict[str, Any]) -> None:
    """Serve a kind that the simulated cluster does not have."""
    plural = f"{target.kind.lower()}s"
    listed = {"resources": [{"name": plural, "kind": target.kind, "namespaced": True}]}
    api.standing.append((f"/apis/{target.api_version}/namespaces/ns/{plural}/{target.name}", answer({"spec": spec})))
    api.standing.append((f"/apis/{target.api_version}", answer(listed)))


@pytest.mark.parametrize(
    ("group", "found"),
    [
        ({"size": 1, "leaderTemplate": LEADER, "workerTemplate": WORKER}, LEADER),
        ({"size": 1, "workerTemplate": WORKER}, WORKER),
        ({"workerTemplate": WORKER}, WORKER),
    ],
)
async def test_the_template_of_a_group_of_one(api: FakeApi, kube: Kube, group: dict[str, Any], found: object) -> None:
    serve(api, LWS, {"leaderWorkerTemplate": group})
    assert await read_template(kube, Discovery(kube), "ns", LWS) == found


@pytest.mark.parametrize(
    ("group", "said"),
    [
        ({"size": 4, "workerTemplate": WORKER}, "each replica is a group of 4 pods"),
        ({"size": 1}, r"no spec\.leaderWorkerTemplate with containers"),
        ({}, r"no spec\.leaderWorkerTemplate with containers"),
    ],
)
async def test_a_group_without_a_template(api: FakeApi, kube: Kube, group: dict[str, Any], said: str) -> None:
    serve(api, LWS, {"leaderWorkerTemplate": group})
    with pytest.raises(Rejected, match=said):
        await read_template(kube, Discovery(kube), "ns", LWS)


async def test_the_template_of_a_rollout_and_of_the_workload_that_it_names(api: FakeApi, kube: Kube) -> None:
    serve(api, ROLLOUT, {"template": LEADER})
    assert await read_template(kube, Discovery(kube), "ns", ROLLOUT) == LEADER
    api.standing.clear()
    ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat"}
    serve(api, ROLLOUT, {"workloadRef": ref})
    await api.put(CHAT, {"spec": {"template": WORKER}})
    assert await read_template(kube, Discovery(kube), "ns", ROLLOUT) == WORKER
    api.standing.clear()
    serve(api, ROLLOUT, {"workloadRef": {**ref, "name": "gone"}})
    with pytest.raises(NotFound):
        await read_template(kube, Discovery(kube), "ns", ROLLOUT)
