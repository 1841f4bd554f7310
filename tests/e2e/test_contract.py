"""The contract of the demo's small Kubernetes, held by the real one: the same tests, on the namespace that they name."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
import requests
import yaml

from tests.e2e.components import program
from tests.e2e.harness import Cluster, until
from tests.e2e.harness.api import Api, Json
from tests.e2e.harness.process import Process, free_port
from tests.replay.simcluster.conftest import POLICY, Server
from tests.replay.simcluster.test_api import *  # noqa: F403 - they are the tests
from tests.replay.simcluster.test_api import DEPLOYMENT, JOBS, PODS, POLICIES
from tests.replay.simcluster.test_api_tables import *  # noqa: F403

NAMESPACE = "/api/v1/namespaces/serving"
EVENTS = f"{NAMESPACE}/events"
TAINT = {"key": "contract", "effect": "NoSchedule"}  # no other test's pod comes here
NODE: Json = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "contract", "annotations": {"kwok.x-k8s.io/node": "fake"}},
    "spec": {"taints": [TAINT]},
}
NODE_PATH = "/api/v1/nodes/contract"
LABELS = {"app": "llm"}
SERVED: Json = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "llm", "namespace": "serving"},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": LABELS},
        "template": {
            "metadata": {"labels": LABELS},
            "spec": {"containers": [{"name": "vllm", "image": "vllm:1"}], "tolerations": [TAINT]},
        },
    },
}


@pytest.fixture(scope="module")
def proxy(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`kubectl proxy`, since the tests bring no credentials."""
    port = free_port()
    command: list[str | Path] = [program("kubectl"), f"--kubeconfig={cluster.kubeconfig}", "proxy", f"--port={port}"]
    process = Process("kubectl-proxy", command, tmp_path_factory.mktemp("proxy"))
    process.start()
    url = f"http://127.0.0.1:{port}"
    until(lambda: requests.get(f"{url}/version", timeout=2).ok, 30, "kubectl proxy")
    yield url
    process.stop()


@pytest.fixture(scope="module")
def serving(cluster: Cluster) -> Iterator[Api]:
    """The namespace and a node for its replicas."""
    cluster.api.delete(NAMESPACE)  # a test run that was killed leaves it
    until(lambda: cluster.api.get_or_none(NAMESPACE) is None, 60, "the namespace of another run to be gone")
    cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "serving"}}, NODE)
    yield cluster.api
    cluster.api.delete(DEPLOYMENT)
    cluster.api.delete(JOBS, {"propagationPolicy": "Background"})
    until(lambda: not cluster.api.get(PODS)["items"], 30, "no pods")  # the stand-in ends them while it has their node
    cluster.api.delete(NAMESPACE)
    cluster.api.delete(NODE_PATH)


@pytest.fixture
async def api(serving: Api, proxy: str) -> AsyncIterator[Server]:
    """As each test wants it: one ready replica, the policy as new, and nothing else."""
    serving.delete(f"{POLICIES}/llm")
    serving.delete(JOBS, {"propagationPolicy": "Background"})
    serving.delete(EVENTS)
    serving.apply(SERVED)
    serving.post(POLICIES, yaml.safe_load(POLICY))
    until(lambda: _as_new(serving), 30, "one ready replica alone")
    async with aiohttp.ClientSession() as http:
        yield Server(proxy, http)


def _as_new(serving: Api) -> bool:
    [*pods] = serving.get(PODS)["items"]
    conditions = [each for pod in pods for each in pod["status"].get("conditions", ())]
    ready = [each for each in conditions if (each["type"], each["status"]) == ("Ready", "True")]
    status = serving.get(DEPLOYMENT)["status"]
    settled = status.get("replicas") == status.get("readyReplicas") == 1
    return len(pods) == len(ready) == 1 and settled and not serving.get(JOBS)["items"]
