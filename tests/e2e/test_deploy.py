"""What is in deploy/ is taken by a real API server, and settles."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.e2e.harness import Cluster, until
from tests.e2e.harness.cluster import DEPLOY
from tests.e2e.harness.kustomize import values
from tests.e2e.harness.outrider import NAMESPACE

DEPLOYMENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/outrider"
EXAMPLES = sorted((DEPLOY / "examples").glob("*.yaml"))
GENERATED, BUDGET = "ConfigMap", "poddisruptionbudget.policy/outrider"


@pytest.fixture
def applied(cluster: Cluster) -> Iterator[str]:
    """What the README says, and what kubectl answers; what other tests need of it stays."""
    yield cluster.kubectl("apply", "-k", str(DEPLOY), "--warnings-as-errors")
    cluster.api.delete(DEPLOYMENT)


def test_all_of_it_applies_and_a_second_time_changes_nothing(cluster: Cluster, applied: str) -> None:
    named = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())["resources"]
    kinds = [one["kind"] for name in named for one in yaml.safe_load_all((DEPLOY / name).read_text())] + [GENERATED]
    print(applied.rstrip())
    assert sorted(line.split(".")[0].split("/")[0] for line in applied.splitlines()) == sorted(map(str.lower, kinds))
    again = cluster.kubectl("apply", "-k", str(DEPLOY), "--warnings-as-errors").splitlines()
    # kubectl sends a budget's selector again each time, since its type says to replace it
    assert [line for line in again if not line.endswith(" unchanged")] == [f"{BUDGET} configured"]
    [budget] = cluster.api.items(f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets")
    assert budget["metadata"]["generation"] == 1


@pytest.mark.usefixtures("applied")
def test_its_pod_is_admitted_where_only_restricted_pods_are(cluster: Cluster) -> None:
    """The stand-in says that it runs; what counts is that the API server made it, defaulted it and let it be scheduled."""
    namespace = cluster.api.get(f"/api/v1/namespaces/{NAMESPACE}")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    until(lambda: cluster.api.get(DEPLOYMENT)["status"].get("readyReplicas") == 1, 60, "the pod of the controller")
    [pod] = cluster.api.items(f"/api/v1/namespaces/{NAMESPACE}/pods", "app.kubernetes.io/name=outrider")
    assert pod["spec"]["serviceAccountName"] == "outrider"
    assert any(volume["name"].startswith("kube-api-access") for volume in pod["spec"]["volumes"])


@pytest.mark.usefixtures("applied")
def test_the_components_fit_together(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """All whose kinds are Kubernetes' own; tests/e2e/test_install.py has the others."""
    components = ("network-policies", "admission", "mtls", "decision-logs", "one-namespace")
    folder = values(tmp_path, components, namespace=namespace)
    answered = cluster.kubectl("apply", "-k", folder, "--warnings-as-errors", "--dry-run=server")
    print(answered.rstrip())
    for kind in (
        "role.rbac",
        "networkpolicy.networking",
        "validatingadmissionpolicy.admission",
        "persistentvolumeclaim",
    ):
        assert f"\n{kind}" in answered


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_the_examples_are_taken(cluster: Cluster, namespace: str, file: Path) -> None:
    [example] = yaml.safe_load_all(file.read_text())
    example["metadata"]["namespace"] = namespace
    said = cluster.kubectl("create", "-f", "-", "--dry-run=server", input=yaml.safe_dump(example))
    assert said.endswith("created (server dry run)\n")
