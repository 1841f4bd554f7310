"""How many balloons quotas leave room for, beside all replicas that may still be decided."""

from decimal import Decimal
from typing import Any

import pytest

from autoscaler.actuators.footprint import footprint
from autoscaler.actuators.quotas import JOBS, Counted, Need, Room, counted, room

GPU = "requests.nvidia.com/gpu"
SPEC: dict[str, Any] = {
    "containers": [{"resources": {"requests": {"cpu": "6", "memory": "24Gi"}, "limits": {"nvidia.com/gpu": "1"}}}]
}
ALONE = {"containers": [{"resources": {"limits": {"nvidia.com/gpu": "1"}}}]}


def quota(used: dict[str, str], hard: dict[str, str], **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "gpu"}, "spec": {"hard": hard, **spec}, "status": {"hard": hard, "used": used}}


def pod(spec: dict[str, Any] = SPEC, priority_class: str = "", jobs: int = 0) -> Counted:
    return counted(footprint(spec), spec, priority_class, jobs=jobs)


def need(most: int, replicas: int, balloons: int = 0, spec: dict[str, Any] = SPEC, priority_class: str = "") -> Need:
    return Need(pod(spec, priority_class), pod(spec, "outrider-balloon", jobs=1), most, replicas, balloons, balloons)


@pytest.mark.parametrize(
    ("used", "own", "others", "most"),
    [
        (6, need(8, 6), [], 0),  # 6 serve, and 2 more may come at any moment
        (8, need(8, 6, balloons=2), [], 0),
        (6, need(6, 6), [], 2),
        (8, need(6, 6, balloons=2), [], 2),
        (7, need(6, 6), [], 1),  # one GPU is someone else's
        (6, need(4, 6), [], 2),  # more than the maximum run
        (2, need(20, 2), [], 0),
        (4, need(3, 2), [need(4, 2)], 1),
        (5, need(3, 2), [need(4, 2, balloons=1)], 0),
        (0, need(2, 2), [], 6),  # its count lags behind the pods
    ],
)
def test_what_is_left_of_eight_gpus(used: int, own: Need, others: list[Need], most: int) -> None:
    assert room([quota({GPU: str(used)}, {GPU: "8"})], own, others).most == most


@pytest.mark.parametrize(
    ("name", "hard", "used", "most"),
    [
        ("pods", "10", "6", 2),
        ("count/pods", "9", "6", 1),
        ("requests.cpu", "60", "36", 2),
        ("cpu", "59500m", "36", 1),
        ("requests.memory", "240Gi", "144Gi", 2),
        ("memory", "200Gi", "144Gi", 0),
        (JOBS, "3", "2", 1),
        ("limits.cpu", "1", "0", None),  # neither has a limit
        ("services", "0", "0", None),
        ("requests.amd.com/gpu", "0", "0", None),
    ],
)
def test_every_resource_that_a_pod_or_its_job_takes_is_counted(
    name: str, hard: str, used: str, most: int | None
) -> None:
    assert room([quota({name: used}, {name: hard})], need(8, 6), []).most == most


def test_the_tightest_quota_counts_and_says_why() -> None:
    found = room([quota({"pods": "6"}, {"pods": "99"}), quota({GPU: "7"}, {GPU: "8"})], need(6, 6), [])
    assert found.most == 1
    assert found.why == (
        "fewer nodes are prepared than planned: of 8 requests.nvidia.com/gpu in ResourceQuota gpu, replicas up to maxReplicas "
        "need 6 and others use 1, so balloons are limited to 1"
    )


def scope(name: str, operator: str = "Exists", *values: str) -> dict[str, Any]:
    return {"scopeSelector": {"matchExpressions": [{"scopeName": name, "operator": operator, "values": list(values)}]}}


@pytest.mark.parametrize(
    ("spec", "scoped", "most"),
    [
        (SPEC, scope("PriorityClass", "In", "outrider-balloon"), 1),  # of balloons alone
        (SPEC, scope("PriorityClass", "In", "high"), None),
        (SPEC, scope("PriorityClass", "In", "high", "outrider-balloon"), 0),  # replicas need it as well
        (SPEC, scope("PriorityClass", "NotIn", "high"), 1),
        (SPEC, scope("PriorityClass", "DoesNotExist"), None),
        (SPEC, scope("PriorityClass"), 0),
        (SPEC, {"scopes": ["Terminating"]}, None),
        (SPEC, {"scopes": ["NotTerminating"]}, 0),
        (SPEC, {"scopes": ["BestEffort"]}, None),
        (SPEC, {"scopes": ["NotBestEffort"]}, 0),
        (ALONE, {"scopes": ["BestEffort"]}, 0),
        (ALONE, {"scopes": ["NotBestEffort"]}, None),
        (SPEC, {"scopes": ["CrossNamespacePodAffinity"]}, None),
        (SPEC, {"scopes": ["OneOfTomorrow"]}, 0),
        (SPEC, {"scopes": ["NotTerminating"], **scope("PriorityClass", "In", "outrider-balloon")}, 1),
    ],
)
def test_a_scope_chooses_pods(spec: dict[str, Any], scoped: dict[str, Any], most: int | None) -> None:
    given = quota({"pods": "0"}, {"pods": "1"}, **scoped)
    assert room([given], need(1, 0, spec=spec, priority_class="high"), []).most == most


@pytest.mark.parametrize("kind", ["podAffinity", "podAntiAffinity"])
@pytest.mark.parametrize("preferred", [True, False])
def test_affinity_to_other_namespaces_is_scoped(kind: str, preferred: bool) -> None:
    term: dict[str, Any] = {"namespaceSelector": {}}
    rules: dict[str, Any] = (
        {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term}]}
        if preferred
        else {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    )
    spec = {**SPEC, "affinity": {kind: rules}}
    scoped = quota({"pods": "0"}, {"pods": "1"}, scopes=["CrossNamespacePodAffinity"])
    assert room([scoped], need(1, 0, spec=spec), []).most == 0


def test_a_quota_that_nobody_has_counted_leaves_no_room() -> None:
    new = {"metadata": {"name": "new"}, "spec": {"hard": {"pods": "9"}}}
    assert room([new], need(1, 0), []) == Room(0, "ResourceQuota new has not been counted yet")


def test_a_quota_that_is_being_raised_counts_once_it_is_admitted_by() -> None:
    raised = quota({"pods": "0"}, {"pods": "9"}) | {"status": {"hard": {"pods": "2"}, "used": {"pods": "0"}}}
    assert room([raised], need(1, 0), []).most == 1


def test_amounts_are_by_the_quotas_own_names() -> None:
    spec = {"containers": [{"resources": {"limits": {"cpu": "2", "hugepages-2Mi": "4Mi", "ephemeral-storage": "1Gi"}}}]}
    one, storage, pages = Decimal(1), Decimal(2**30), Decimal(4 * 2**20)
    assert pod(spec).amounts == {
        "pods": one,
        "count/pods": one,
        "cpu": 2,
        "requests.cpu": 2,
        "limits.cpu": 2,
        "hugepages-2Mi": pages,
        "requests.hugepages-2Mi": pages,
        "ephemeral-storage": storage,
        "requests.ephemeral-storage": storage,
        "limits.ephemeral-storage": storage,
    }


def test_amounts_beyond_all_sense_are_no_failure() -> None:
    """As an API may have them that is not Kubernetes' own."""
    tiny = {"containers": [{"resources": {"limits": {"cpu": "1n"}}}]}
    own = need(2**31, 0, spec=tiny)
    assert room([quota({"cpu": "0"}, {"cpu": "9" * 40})], own, []).most
    assert room([quota({"cpu": "0"}, {"cpu": "8"})], own, [need(2**31, 0, spec=SPEC)]).most == 0
