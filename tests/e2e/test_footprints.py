"""A balloon holds exactly a replica's place: for each template, the real scheduler on nodes that just fit and just do not."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from autoscaler.actuators.manifest import BalloonSettings, balloon_job
from autoscaler.kube.objects import metadata
from crds.notation.units import exact_quantity
from tests.autoscaler.actuators.templates import OVERHEAD, PAGES, RUNTIME_CLASS, TEMPLATES, Template
from tests.autoscaler.kube.workloads import WORKLOAD
from tests.e2e.harness import Cluster, until
from tests.e2e.harness.api import Json
from tests.e2e.harness.cluster import DEPLOY

NODE_LABEL = "outrider.test/node"  # on a node: its name; no NodePool offers it, so that Karpenter brings none
KIND_LABEL = "outrider.test/footprints"
SMALLEST = {"cpu": Decimal("0.001"), PAGES: Decimal(2 * 2**20)}  # what a node can have less; of others, 1


@pytest.fixture
def nodes(cluster: Cluster, namespace: str) -> Iterator[str]:
    """A label selector of nodes that go after the test, and the classes that their pods name."""
    sandbox = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": RUNTIME_CLASS}}
    cluster.api.apply({**sandbox, "handler": "sandbox", "overhead": {"podFixed": OVERHEAD}})
    cluster.api.apply(DEPLOY / "priorityclass.yaml")
    until(lambda: cluster.api.get_or_none(f"/api/v1/namespaces/{namespace}/serviceaccounts/default"), 20, "the account")
    yield f"{KIND_LABEL}={namespace}"
    cluster.api.delete(f"/api/v1/namespaces/{namespace}/pods", {"gracePeriodSeconds": 0})
    cluster.api.delete(f"/api/v1/nodes?labelSelector={KIND_LABEL}%3D{namespace}")
    cluster.api.delete(f"/apis/node.k8s.io/v1/runtimeclasses/{RUNTIME_CLASS}")


def test_a_balloon_fits_where_its_replica_fits_and_nowhere_else(cluster: Cluster, namespace: str, nodes: str) -> None:
    """Each node has exactly the sum, or the smallest unit of one resource less."""
    fits: set[str] = set()
    lacks: dict[str, str] = {}  # by pod: the resource that its node is short of
    for at, template in enumerate(TEMPLATES):
        total = whole(template)
        pods = {"replica": template.spec, "balloon": balloon(template)}
        for kind, spec in pods.items():
            name = f"fp-{at}-{kind}"
            add(cluster, namespace, nodes, name, total, {name: spec})
            fits.add(name)
        for index, resource in enumerate(sorted(total)):
            short = total | {resource: total[resource] - SMALLEST.get(resource, Decimal(1))}
            both = {f"fp-{at}-less-{index}-{kind}": spec for kind, spec in pods.items()}
            add(cluster, namespace, nodes, f"fp-{at}-less-{index}", short, both)
            lacks |= dict.fromkeys(both, resource)

    def decided() -> dict[str, Json]:
        found = {metadata(pod)["name"]: scheduled(pod) for pod in listed(cluster, namespace)}
        return found if len(found) == len(fits) + len(lacks) and all(found.values()) else {}

    found = until(decided, 90, "the scheduler to have tried every pod")
    wrong = {name: found[name]["message"] for name in fits if found[name]["status"] != "True"}
    for name, resource in lacks.items():
        if found[name]["status"] != "False" or f"Insufficient {resource}" not in found[name]["message"]:
            wrong[name] = found[name].get("message", "it was scheduled")
    assert wrong == {}, [template.what for template in TEMPLATES]
    print(f"{len(TEMPLATES)} templates: {len(fits)} pods fit exactly, {len(lacks)} do not with one unit less")


def whole(template: Template) -> dict[str, Decimal]:
    """What the scheduler counts for a pod."""
    overhead = {name: exact_quantity(amount) for name, amount in template.overhead.items()}
    asked = {name: exact_quantity(amount) for name, amount in template.requests.items()}
    return {name: amount + overhead.get(name, Decimal(0)) for name, amount in asked.items()}


def balloon(template: Template) -> Json:
    """The pod of a balloon that is made from the template."""
    made = balloon_job(WORKLOAD, {"spec": template.spec}, 0, BalloonSettings(10))
    spec: Json = made["spec"]["template"]["spec"]
    return spec


def add(
    cluster: Cluster, namespace: str, selector: str, node: str, allocatable: dict[str, Decimal], pods: dict[str, Json]
) -> None:
    """A node, and pods that can only be on it."""
    kind, _, value = selector.partition("=")
    node = f"{node}-{namespace[-5:]}"
    has = {name: f"{amount:f}" for name, amount in allocatable.items()} | {"pods": "9"}
    ready = [{"type": "Ready", "status": "True"}]
    about: dict[str, Any] = {"name": node, "labels": {NODE_LABEL: node, kind: value}}
    status = {"allocatable": has, "capacity": has, "conditions": ready}
    cluster.api.post("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": about, "status": status})
    for name, spec in pods.items():
        only = {"nodeSelector": {NODE_LABEL: node}, "tolerations": [{"operator": "Exists"}]}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {**spec, **only}}
        cluster.api.post(f"/api/v1/namespaces/{namespace}/pods", body)


def listed(cluster: Cluster, namespace: str) -> list[Json]:
    return cluster.api.items(f"/api/v1/namespaces/{namespace}/pods")


def scheduled(pod: Json) -> Json:
    """The condition PodScheduled; empty before the scheduler has tried."""
    found = [each for each in pod["status"].get("conditions") or () if each["type"] == "PodScheduled"]
    return found[0] if found else {}
