"""Which nodes are brought an image: those that the scheduler would take, from their first moment on."""

from typing import Any

import pytest

from autoscaler.actuators.landing import Placement, landing
from autoscaler.kube import trim
from tests.autoscaler.actuators.nodes import GPU, POOL, node
from tests.autoscaler.kube.workloads import TEMPLATE


def lands(template: dict[str, Any], *nodes: dict[str, Any]) -> list[str]:
    return [each["metadata"]["name"] for each in landing(map(trim.node, nodes), Placement.of(template))]


def with_spec(**spec: Any) -> dict[str, Any]:
    return {"spec": {**TEMPLATE["spec"], "nodeSelector": {}, **spec}}


def required(*terms: dict[str, Any]) -> dict[str, Any]:
    key = "requiredDuringSchedulingIgnoredDuringExecution"
    return with_spec(affinity={"nodeAffinity": {key: {"nodeSelectorTerms": list(terms)}}})


def term(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


def test_the_node_selector_decides() -> None:
    assert lands(TEMPLATE, node("a"), node("b", labels={"karpenter.sh/nodepool": "other"})) == ["a"]


@pytest.mark.parametrize(
    ("asked", "fits"),
    [
        (term("karpenter.sh/nodepool", "In", "gpu-l4", "x"), True),
        (term("karpenter.sh/nodepool", "In", "x"), False),
        (term("karpenter.sh/nodepool", "NotIn", "x"), True),
        (term("absent", "NotIn", "x"), True),
        (term("absent", "DoesNotExist"), True),
        (term("absent", "Exists"), False),
        (term("gpus", "Gt", "3"), True),
        (term("gpus", "Lt", "4"), False),
        (term("gpus", "Gt", "many"), False),
        (term("gpus", "Near", "4"), False),
        ({}, False),
        ({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]}, True),
        ({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["b"]}]}, False),
    ],
)
def test_required_affinity_decides(asked: dict[str, Any], fits: bool) -> None:
    there = node("a", labels={**POOL, "gpus": "4"})
    assert bool(lands(required(asked), there)) == fits
    assert lands(required(asked, term("gpus", "Exists")), there) == ["a"], "any term is enough"


@pytest.mark.parametrize(
    ("taint", "fits"),
    [
        ((GPU, "NoSchedule"), True),
        (("node.kubernetes.io/not-ready", "NoExecute"), True),
        (("karpenter.sh/unregistered", "NoExecute"), True),
        (("startup-taint.cluster-autoscaler.kubernetes.io/driver", "NoSchedule"), True),
        (("team", "NoSchedule"), False),
        (("team", "PreferNoSchedule"), True),
        (("karpenter.sh/disrupted", "NoSchedule"), False),
        (("node.kubernetes.io/unreachable", "NoExecute"), False),
        (("ToBeDeletedByClusterAutoscaler", "NoSchedule"), False),
    ],
)
def test_taints_decide_but_for_those_that_go_by_themselves(taint: tuple[str, str], fits: bool) -> None:
    assert bool(lands(TEMPLATE, node(taints=(taint,)))) == fits


def test_a_taint_that_the_template_tolerates_is_no_obstacle() -> None:
    for toleration in ({"operator": "Exists"}, {"key": "team", "operator": "Exists"}, {"key": "team", "value": ""}):
        assert lands(with_spec(tolerations=[toleration]), node(taints=(("team", "NoSchedule"),))) == ["n1"]
    other = {"key": "team", "value": "b", "effect": "NoSchedule"}
    assert lands(with_spec(tolerations=[other]), node(taints=(("team", "NoSchedule"),))) == []


def test_the_taint_of_the_device_itself_is_tolerated_by_admission() -> None:
    assert lands(with_spec(tolerations=[]), node(taints=((GPU, "NoSchedule"),))) == ["n1"]


def test_a_node_counts_before_its_gpu_can_be_allocated() -> None:
    by_type = node("new", gpus=None)
    assert lands(with_spec(), node("old"), by_type) == ["new", "old"], "another of its type has one"
    assert lands(with_spec(), by_type) == [], "nothing says that it will have one"
    assert lands(with_spec(), node(gpus=None, labels={"cloud.google.com/gke-accelerator": "nvidia-l4"})) == ["n1"]
    assert lands(with_spec(), node(gpus=None, taints=((GPU, "NoSchedule"),))) == ["n1"]


def test_a_node_with_too_few_gpus_does_not() -> None:
    engine = {**TEMPLATE["spec"]["containers"][0], "resources": {"limits": {GPU: "4"}}}
    assert lands(with_spec(containers=[engine]), node("one"), node("eight", gpus=8)) == ["eight"]


def test_a_node_that_takes_no_pods_does_not() -> None:
    leaving = node("leaving")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert lands(TEMPLATE, node("cordoned", unschedulable=True), leaving) == []


@pytest.mark.parametrize(
    "spec",
    [
        {"nodeSelector": ["a"]},
        {"affinity": "none"},
        {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [1]}}},
        {"tolerations": ["all"]},
        {"containers": [{"resources": {"limits": {GPU: "many"}}}]},
    ],
)
def test_what_cannot_be_read_is_said(spec: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"cannot be read|many|amounts"):
        Placement.of(with_spec(**spec))
