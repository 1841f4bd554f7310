from typing import Any

import pytest

from autoscaler.actuators.footprint import footprint
from crds.notation.units import exact_quantity
from tests.autoscaler.actuators.templates import FABRIC, GPU, PAGES, TEMPLATES, Template


def container(requests: dict[str, str], limits: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    return {"resources": {"requests": requests, **({"limits": limits} if limits else {})}, **more}


GPU_LIMIT = {"nvidia.com/gpu": "1"}


@pytest.mark.parametrize(
    ("spec", "requests", "limits"),
    [
        ({"containers": [container({"cpu": "500m", "memory": "1Gi"})]}, {"cpu": "500m", "memory": "1Gi"}, {}),
        (
            {"containers": [container({}, {"cpu": "2", **GPU_LIMIT})]},
            {"cpu": "2", **GPU_LIMIT},
            {"cpu": "2", **GPU_LIMIT},
        ),
        (
            {"containers": [container({"cpu": "1500m"}, GPU_LIMIT), container({"cpu": "250m"}, {"cpu": "1"})]},
            {"cpu": "1750m", **GPU_LIMIT},
            GPU_LIMIT,
        ),
        (
            {"containers": [container({"cpu": "1"})], "initContainers": [container({"cpu": "4", "memory": "1k"})]},
            {"cpu": "4", "memory": "1000"},
            {},
        ),
        (
            {
                "containers": [container({"cpu": "1"}, {"cpu": "2"})],
                "initContainers": [container({"cpu": "1"}, {"cpu": "1"}, restartPolicy="Always")],
            },
            {"cpu": "2"},
            {"cpu": "3"},
        ),
        ({"containers": [{"name": "bare"}]}, {}, {}),
    ],
    ids=["as asked", "a limit is a request", "containers add up", "a large init", "a sidecar adds up", "nothing"],
)
def test_a_pods_footprint_is_what_the_scheduler_counts(
    spec: dict[str, Any], requests: dict[str, str], limits: dict[str, str]
) -> None:
    assert footprint(spec).resources == {"requests": requests, "limits": limits}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda each: each.what)
def test_the_sum_of_a_template_is_the_schedulers(template: Template) -> None:
    found = footprint(template.spec)
    assert found.requests == {name: exact_quantity(amount) for name, amount in template.requests.items()}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda each: each.what)
def test_a_container_with_a_templates_resources_is_valid(template: Template) -> None:
    """The API server's own rules for one container."""
    resources = footprint(template.spec).resources
    requests, limits = (
        {name: exact_quantity(amount) for name, amount in resources[kind].items()} for kind in ("requests", "limits")
    )
    assert all(requests[name] <= limit for name, limit in limits.items())
    whole = {name for name in requests if name in (GPU, FABRIC, PAGES)}
    assert {name: limits[name] for name in whole} == {name: requests[name] for name in whole}
    assert PAGES not in requests or {"cpu", "memory"} & set(requests)


def test_an_amount_beyond_the_api_servers_own_limit_is_cut() -> None:
    assert footprint({"containers": [container({"memory": "1e99"})]}).requests == {"memory": 2**63 - 1}


def test_gpus_alone_leave_a_pod_to_the_best_effort_class() -> None:
    assert footprint({"containers": [container({}, GPU_LIMIT)]}).best_effort
    assert not footprint({"containers": [container({"cpu": "1m"}, GPU_LIMIT)]}).best_effort
