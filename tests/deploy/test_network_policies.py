"""The NetworkPolicies, evaluated against what is deployed: KEDA reaches the scaler, Prometheus the metrics, and nobody else."""

import re
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.deploy.test_install_page import PAGE, VALUES
from tests.deploy.test_manifests import every, one
from tests.support.network import admitted, selects

SCALER, METRICS = 6000, 8080
KEDA, MONITORING = "keda", "monitoring"


def namespace(name: str) -> dict[str, Any]:
    """A namespace as the API server labels each one."""
    return {"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}}}


def pod() -> dict[str, Any]:
    """The controller's pod, as its Deployment makes it."""
    template = one("Deployment")["spec"]["template"]
    return {**template, "metadata": {**template["metadata"], "namespace": one("Deployment")["metadata"]["namespace"]}}


@pytest.mark.parametrize(
    ("where", "port", "reached"),
    [
        (KEDA, SCALER, True),
        (KEDA, METRICS, False),
        (MONITORING, METRICS, True),
        (MONITORING, SCALER, False),
        ("outrider-system", SCALER, False),
        ("llm", SCALER, False),
        ("llm", METRICS, False),
        (KEDA, 22, False),
    ],
)
def test_who_reaches_what(where: str, port: int, reached: bool) -> None:
    for labels in ({}, {"app": "keda-operator"}, pod()["metadata"]["labels"]):
        assert admitted(every("NetworkPolicy"), pod(), port, namespace(where), labels) is reached


def test_every_port_of_the_pod_has_its_policy_and_no_other() -> None:
    [container] = pod()["spec"]["containers"]
    opened = [port["port"] for policy in every("NetworkPolicy") for port in policy["spec"]["ingress"][0]["ports"]]
    assert sorted(opened) == sorted(port["containerPort"] for port in container["ports"])
    for policy in every("NetworkPolicy"):
        assert policy["spec"]["policyTypes"] == ["Ingress"], "the API server, pods and Prometheus must be reached"
        assert policy["metadata"]["namespace"] == pod()["metadata"]["namespace"]
        assert selects(policy["spec"]["podSelector"], pod()["metadata"]["labels"])


def test_the_page_installs_keda_and_prometheus_where_the_policies_let_them_in() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert re.findall(r"helm install keda .*--namespace (\S+)", text) == [KEDA]
    [url] = re.findall(r"OUTRIDER_PROMETHEUS_URL=(\S+)", str(VALUES["configMapGenerator"][0]["literals"][0]))
    host = urlsplit(url).hostname
    assert host is not None
    assert host.split(".")[1] == MONITORING
