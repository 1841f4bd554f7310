"""Whether pods of a template can land on an offering's nodes, by what the pool states of them."""

from typing import Any

import pytest

from crds.pool import OfferingAt, Taint
from crds.pool_landing import obstacle

SPOT = OfferingAt("spot", {"pool": "spot", "gpu": "h100"}, (Taint("nvidia.com/gpu", "present", "NoSchedule"),))
ASKS = {"containers": [{"resources": {"limits": {"nvidia.com/gpu": 1}}}]}


def affinity(*terms: list[dict[str, Any]]) -> dict[str, Any]:
    required = {"nodeSelectorTerms": [{"matchExpressions": term} for term in terms]}
    return {**ASKS, "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}


def on(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": list(values)}


def tolerating(**toleration: str) -> dict[str, Any]:
    return {"tolerations": [toleration]}


@pytest.mark.parametrize(
    "spec",
    [
        ASKS,
        {"containers": [{"resources": {"requests": {"nvidia.com/gpu": 1}}}]},
        {**ASKS, "nodeSelector": {"pool": "spot", "zone": "a"}},
        affinity([on("pool", "In", "spot", "on-demand")]),
        affinity([on("pool", "In", "on-demand")], [on("gpu", "Exists")]),
        affinity([on("pool", "NotIn", "on-demand")], []),
        affinity([on("zone", "In", "a"), on("cores", "Gt", "8")]),
        tolerating(operator="Exists"),
        tolerating(key="nvidia.com/gpu", operator="Exists"),
        tolerating(key="nvidia.com/gpu", value="present", effect="NoSchedule"),
    ],
)
def test_nothing_is_in_the_way(spec: dict[str, Any]) -> None:
    assert obstacle(spec, SPOT) is None


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({**ASKS, "nodeSelector": {"pool": "b"}}, "their nodeSelector wants pool=b, and its nodes have spot"),
        (affinity([on("pool", "In", "b")]), "their node affinity excludes its nodes"),
        (affinity([on("pool", "In", "b")], [on("gpu", "DoesNotExist")]), "their node affinity excludes its nodes"),
        ({}, "they do not tolerate its taint nvidia.com/gpu=present:NoSchedule"),
        (tolerating(key="nvidia.com/gpu"), "they do not tolerate its taint nvidia.com/gpu=present:NoSchedule"),
        (
            tolerating(key="nvidia.com/gpu", operator="Exists", effect="NoExecute"),
            "they do not tolerate its taint nvidia.com/gpu=present:NoSchedule",
        ),
    ],
)
def test_what_is_in_the_way_is_named(spec: dict[str, Any], why: str) -> None:
    assert obstacle(spec, SPOT) == why


def test_a_preference_keeps_nobody_away() -> None:
    assert obstacle({}, OfferingAt("spot", {}, (Taint("a", "", "PreferNoSchedule"),))) is None
