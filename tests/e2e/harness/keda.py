"""KEDA's operator and metrics adapter, and how the API server finds the adapter."""

from pathlib import Path
from typing import Any

from tests.e2e.components import program
from tests.e2e.harness.process import Process, free_port

GROUP = "external.metrics.k8s.io"
API_SERVICE = f"/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.{GROUP}"


def operator(folder: Path, kubeconfig: Path, certificates: Path, metrics_port: int) -> Process:
    """The operator; it serves its metrics to the adapter."""
    command = [
        str(program("keda-operator")),
        f"--cert-dir={certificates}",
        f"--metrics-bind-address=127.0.0.1:{free_port()}",
        f"--health-probe-bind-address=127.0.0.1:{free_port()}",
        f"--metrics-service-bind-address=127.0.0.1:{metrics_port}",
        "--kube-api-qps=100",
        "--kube-api-burst=200",
    ]
    environment = {
        "KUBECONFIG": str(kubeconfig),
        "WATCH_NAMESPACE": "",
        "KEDA_CLUSTER_OBJECT_NAMESPACE": "keda",
        "POD_NAMESPACE": "keda",
        "POD_NAME": "keda-operator",
    }
    return Process("keda-operator", command, folder, environment)


def adapter(
    folder: Path, kubeconfig: Path, certificates: Path, authority: Path, metrics_port: int, secure_port: int
) -> Process:
    """The adapter: the server behind external.metrics.k8s.io."""
    command = [
        str(program("keda-adapter")),
        *(f"--{name}-kubeconfig={kubeconfig}" for name in ("lister", "authentication", "authorization")),
        f"--secure-port={secure_port}",
        f"--tls-cert-file={certificates / 'tls.crt'}",
        f"--tls-private-key-file={certificates / 'tls.key'}",
        f"--client-ca-file={authority}",
        f"--cert-dir={certificates}",
        f"--metrics-service-address=127.0.0.1:{metrics_port}",
        "--metrics-service-grpc-authority=localhost",
        f"--port={free_port()}",
    ]
    return Process("keda-adapter", command, folder, {"KUBECONFIG": str(kubeconfig), "WATCH_NAMESPACE": ""})


def registration(secure_port: int) -> list[dict[str, Any]]:
    """The namespace, a Service that points to loopback, and the APIService for it."""
    name = "keda-metrics-apiserver"
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "keda"}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": "keda"},
            "spec": {"type": "ExternalName", "externalName": "localhost"},
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": f"v1beta1.{GROUP}"},
            "spec": {
                "group": GROUP,
                "version": "v1beta1",
                "service": {"name": name, "namespace": "keda", "port": secure_port},
                "insecureSkipTLSVerify": True,
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
            },
        },
    ]


def available(api_service: dict[str, Any]) -> bool:
    """Whether the API server reaches the adapter."""
    conditions = api_service.get("status", {}).get("conditions", [])
    return any(each["type"] == "Available" and each["status"] == "True" for each in conditions)
