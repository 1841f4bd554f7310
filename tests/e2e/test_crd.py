"""The CRD on a real API server: installed, defaulted, validated and refused just as `outrider check` says offline."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from crds.build import crd
from crds.kinds import GPU_POOL, KINDS, Kind
from crds.structural import defaulted
from tests.crds.verdicts import TABLES, Table, disagreement, reported
from tests.e2e.harness import Cluster, until
from tests.e2e.harness.api import ApiError, Json

STRICT = "fieldManager=kubectl&fieldValidation=Strict"  # as `kubectl apply` asks
COLUMNS = [
    "NAME",
    "MODE",
    "TARGET",
    "MIN",
    "MAX",
    "CURRENT",
    "DESIRED",
    "PREPARED",
    "READY",
    "DECIDED",
    "AGE",
]
GOOD: Json = {"path": "spec.minReplicas", "value": 2}
STATUS = {
    "observedGeneration": 1,
    "desiredReplicas": 11,
    "currentReplicas": 7,
    "preparedNodes": 2,
    "demandReplicas": "6.3",
    "waitingRequests": 14,
    "lastDecisionTime": "2026-11-21T15:00:00Z",
    "message": "11 replicas, for the forecast says so.",
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "reason": "TargetFound",
            "message": "The policy is valid and its target is found.",
            "lastTransitionTime": "2026-11-21T15:00:00Z",
        }
    ],
}


POOL_COLUMNS = ["NAME", "GPUS", "LIMIT", "REFUSED", "STANDBY", "OFFERING", "PER-HOUR", "TODAY", "READY", "AGE"]
POOL_STATUS = {
    "observedGeneration": 1,
    "heldGpus": 16,
    "refusedGpus": 2,
    "standby": "1/2",
    "offering": "on-demand",
    "offerings": [{"name": "on-demand", "nodes": 3, "inFlight": 1, "reason": "Asked"}],
    "workloads": [{"workload": "llm/chat", "member": "everyone", "granted": 9, "refused": 2, "reason": "PoolGPUs"}],
    "spend": {"usdPerHour": "62.4", "usdToday": "713.25", "forecastUsdToday": "1497", "day": "2026-11-21"},
    "message": "2 of 5 refused: the pool is at its limit of 16 GPUs.",
    "conditions": STATUS["conditions"],
}
POLICIES, POOLS = TABLES


def resources(kind: Kind[Any, Any], namespace: str) -> str:
    place = f"namespaces/{namespace}/" if kind.scope == "Namespaced" else ""
    return f"/apis/outrider.dev/v1alpha1/{place}{kind.plural}"


def policies(namespace: str) -> str:
    return resources(POLICIES.kind, namespace)


def policy(case: Json, namespace: str) -> Json:
    return POLICIES.resource(case, namespace)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_it_is_installed_without_a_complaint(cluster: Cluster, kind: Kind[Any, Any]) -> None:
    name = crd(kind)["metadata"]["name"]
    installed = cluster.api.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
    conditions = {each["type"]: each["status"] for each in installed["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}  # NonStructuralSchema would be a third


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.kind.name)
def test_verdicts_are_as_recorded_and_as_outrider_check_gives_them(
    cluster: Cluster, namespace: str, table: Table
) -> None:
    kind = table.kind
    schema = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    changed, disagreeing, says = [], [], []
    for case in table.cases:
        document = table.resource(case, namespace)
        try:
            stored = cluster.api.post(f"{resources(kind, namespace)}?dryRun=All&{STRICT}", document)
        except ApiError as error:
            says.append(_says(error))
        else:
            says.append([])
            if stored["spec"] != defaulted(document, schema)["spec"]:  # type: ignore[index]
                disagreeing.append(f"{case['path']} = {case['value']!r}: stored as {stored['spec']}")
        if says[-1] != case["says"]:
            changed.append(f"{case['path']} = {case['value']!r}: {says[-1]}, and recorded is {case['says']}")
        if difference := disagreement(kind, case, says[-1], reported(document)):
            disagreeing.append(difference)
    version = cluster.api.get("/version")["gitVersion"].removeprefix("v")
    refused = sum(map(bool, says))
    print(
        f"Kubernetes {version} takes {len(says) - refused} {kind.plural} and refuses {refused}, as outrider check does"
    )
    if os.environ.get("OUTRIDER_RECORD"):
        table.write(version, says)
    else:
        assert not changed, "\n".join(["record them anew, see tests/crds/verdicts.py:", *changed])
        assert version == table.recorded["kubernetes"]
    assert not disagreeing, "\n".join(disagreeing)


def _says(error: ApiError) -> list[str]:
    causes = [cause for cause in error.causes if cause.get("field") != "<nil>"]  # "some rules were not checked"
    return sorted(f"{cause['field']}: {cause['message']}" for cause in causes) or [error.text]


def test_kubectl_reports_the_mistake_with_our_message(cluster: Cluster, namespace: str) -> None:
    for path, value, refusal in (
        ("spec.signal", "GPUUtilization", "instead: Work, or Concurrency if the engine does not count tokens"),
        ("spec.minReplicas", 0, "so nothing would ever start the workload again; instead: 1 or more"),
        ("spec.maxReplica", 8, 'unknown field "spec.maxReplica"'),
    ):
        text = yaml.safe_dump(policy({"path": path, "value": value}, namespace))
        with pytest.raises(RuntimeError, match=refusal):
            cluster.kubectl("apply", "-f", "-", input=text)


def test_a_stored_policy_does_not_become_a_bad_one(cluster: Cluster, namespace: str) -> None:
    """No rule looks at what was before: a change is judged as a new policy is."""
    cluster.api.post(policies(namespace), policy(GOOD, namespace))
    place = f"{policies(namespace)}/chat"
    with pytest.raises(ApiError, match="minReplicas is above maxReplicas") as refused:
        cluster.api.patch(place, {"spec": {"maxReplicas": 1}})
    assert refused.value.status == 422
    changed = cluster.api.patch(place, {"spec": {"target": {"name": "another"}, "maxReplicas": 8}})
    assert (changed["spec"]["target"]["name"], changed["metadata"]["generation"]) == ("another", 2)


def test_status_is_written_through_its_subresource_alone(cluster: Cluster, namespace: str) -> None:
    place = f"{policies(namespace)}/chat"
    made = cluster.api.post(policies(namespace), {**policy(GOOD, namespace), "status": STATUS})
    assert "status" not in made
    assert "status" not in cluster.api.patch(place, {"status": STATUS})
    written = cluster.api.patch(f"{place}/status", {"status": STATUS, "spec": {"maxReplicas": 1}})
    assert (written["status"], written["spec"]) == (STATUS, made["spec"])
    assert written["metadata"]["generation"] == made["metadata"]["generation"]
    with pytest.raises(ApiError, match=r"status\.desiredReplicas"):
        cluster.api.patch(f"{place}/status", {"status": {"desiredReplicas": -1}})


def test_kubectl_get_reads_well(cluster: Cluster, namespace: str) -> None:
    cluster.api.post(policies(namespace), policy(GOOD, namespace))
    cluster.api.patch(f"{policies(namespace)}/chat/status", {"status": STATUS})
    [names, values] = _table(cluster.kubectl("get", "scpol", "-n", namespace))
    print(*("  ".join(f"{cell:<9}" for cell in row).rstrip() for row in (names, values)), sep="\n")
    shown = dict(zip(names, values, strict=True))
    assert all(shown.pop(name) for name in ("DECIDED", "AGE"))
    assert names == COLUMNS
    assert list(shown.values()) == ["chat", "Active", "chat-vllm", "2", "24", "7", "11", "2", "True"]
    wide = cluster.kubectl("get", "scpol", "-n", namespace, "-o", "wide")
    assert wide.splitlines()[0].split()[-3:] == ["DEMAND", "WAITING", "MESSAGE"]
    assert str(STATUS["message"]) in wide
    assert "scalingpolicy.outrider.dev/chat" in cluster.kubectl("get", "autoscaling", "-n", namespace)


def test_kubectl_get_gpupool_tells_the_story_in_a_line(cluster: Cluster, namespace: str) -> None:
    pool = POOLS.resource({"path": "metadata.name", "value": namespace})
    pool["spec"]["limits"] = {"gpus": 16}
    place = f"{resources(GPU_POOL, namespace)}/{namespace}"
    cluster.api.post(resources(GPU_POOL, namespace), pool)
    try:
        cluster.api.patch(f"{place}/status", {"status": POOL_STATUS})
        [names, values] = _table(cluster.kubectl("get", "gpupool", namespace))
        print(*("  ".join(f"{cell:<9}" for cell in row).rstrip() for row in (names, values)), sep="\n")
        assert names == POOL_COLUMNS
        assert values[:-1] == [namespace, "16", "16", "2", "1/2", "on-demand", "62.4", "713.25", "True"]
        wide = cluster.kubectl("get", "gpool", namespace, "-o", "wide")
        assert wide.splitlines()[0].split()[-3:] == ["OWNER", "FORECAST", "MESSAGE"]
        assert str(POOL_STATUS["message"]) in wide
    finally:
        cluster.api.delete(place)


def _table(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


OPENAPI = "/openapi/v3/apis/outrider.dev/v1alpha1"  # what kubectl and editors read
EXPLAINED: dict[str, tuple[str, ...]] = {
    "scpol": ("ScalingPolicy states the service level of an LLM workload", "spec <Object> -required-"),
    "scpol.spec": (
        "maxReplicas <integer> -required- Maximum number of replicas.",
        "target <Object> -required- The workload to scale:",
        "mode <string> enum: Active, Shadow Active: decisions are carried out. Shadow: decisions are only reported",
        "Work: arrivals weighted by their tokens. Concurrency: running and waiting requests. Default: Work.",
    ),
    "scpol.spec.slo": (
        "at least the share `attainment` of the requests waits no longer than `queueWait` before it runs.",
        "queueWait <string> How long a request may wait in the engine's queue, from 100ms to 1h. Default: 5s.",
        "on public traffic 99.9% costs 6 to 15% more than 99%, and 95% costs 3 to 10% less. Default: 99%.",
    ),
    "scpol.spec.engine": ("at a full batch; u means a millionth. Example: 200u.",),
    "scpol.spec.coldStart.node": ("p95 <string> -required- 95th percentile, from p50 to 1h. Example: 4m.",),
    "scpol.spec.schedules": (
        "end <string> -required- When the window closes, as HH:MM in local time, up to 24:00.",
        "Time zone by its name in the IANA database. Default: UTC.",
    ),
    "gpool": ("GPUPool is a number of GPUs of one model that the workloads of several teams share by rule.",),
    "gpool.spec": (
        "offerings <[]Object> -required- Ways to get nodes of one GPU model,",
        "members <[]Object> -required- Who may join, in order:",
        "owner <string> -required- Team that owns the pool. Example: ml-platform.",
    ),
    "gpool.spec.offerings": (
        "gpusPerNode <integer> -required- GPUs of each node.",
        "Reserved: paid for in any case. Spot: may be taken back at short notice.",
    ),
    "gpool.spec.limits": ("A replica with which the day would come to more is refused. Unset: no limit.",),
    "gpool.spec.standby": ("How long a node is kept after it was last needed, up to 24h. Default: 60s.",),
    "scpol.status": ("demandReplicas <Object> Demand in replicas. Absent while unknown.",),
}


@pytest.mark.parametrize("path", EXPLAINED)
def test_kubectl_explain_reads_well(cluster: Cluster, path: str) -> None:
    until(lambda: cluster.api.get_or_none(OPENAPI), 30, "the API server to publish the schema")
    explained = " ".join(cluster.kubectl("explain", path).split())
    assert [line for line in EXPLAINED[path] if line not in explained] == [], explained
    assert "<no description>" not in explained


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_member_is_explained(cluster: Cluster, kind: Kind[Any, Any]) -> None:
    document = until(lambda: cluster.api.get_or_none(OPENAPI), 30, "the API server to publish the schema")
    schema = document["components"]["schemas"][f"dev.outrider.v1alpha1.{kind.name}"]["properties"]
    members = [*_members("spec", schema["spec"]), *_members("status", schema["status"])]
    print(f"all {len(members)} members are explained")
    assert [path for path, member in members if not member.get("description")] == []


def _members(path: str, node: Json) -> Iterator[tuple[str, Json]]:
    inner = node.get("items", node)
    for name, member in inner.get("properties", {}).items():
        yield f"{path}.{name}", member
        yield from _members(f"{path}.{name}", member)
