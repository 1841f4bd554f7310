from typing import Any

import pytest

from autoscaler.actuators.footprint import footprint


def container(requests: dict[str, str], limits: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    return {"resources": {"requests": requests, **({"limits": limits} if limits else {})}, **more}


GPU = {"nvidia.com/gpu": "1"}


@pytest.mark.parametrize(
    ("spec", "requests", "limits"),
    [
        ({"containers": [container({"cpu": "500m", "memory": "1Gi"})]}, {"cpu": "500m", "memory": "1Gi"}, {}),
        ({"containers": [container({}, {"cpu": "2", **GPU})]}, {"cpu": "2", **GPU}, {"cpu": "2", **GPU}),
        (
            {"containers": [container({"cpu": "1500m"}, GPU), container({"cpu": "250m"}, {"cpu": "1"})]},
            {"cpu": "1750m", **GPU},
            GPU,
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
    assert footprint(spec) == {"requests": requests, "limits": limits}
