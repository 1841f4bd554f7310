"""The admission policies on a real API server: it refuses every forged Job of Outrider's account, and admits every balloon.

Every other test's controller works under the same policies, since the harness applies them.
"""

from typing import Any

import pytest
import yaml

from autoscaler.actuators.manifest import BalloonSettings, balloon_job
from autoscaler.actuators.shapes import LONGEST_DEADLINE_SECONDS
from tests.autoscaler.actuators.forged import FORGERIES, forged
from tests.autoscaler.kube.workloads import TEMPLATE, workload
from tests.e2e.harness import Cluster, until
from tests.e2e.harness.cluster import DEPLOY
from tests.e2e.harness.outrider import ACCOUNT, NAMESPACE

WHO = f"--as=system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
NODE = {"key": "metadata.name", "operator": "In", "values": ["node-0"]}
TEMPLATES: dict[str, dict[str, Any]] = {
    "plain": TEMPLATE,
    "placed": {
        "spec": {
            **TEMPLATE["spec"],
            "affinity": {
                kind: {"requiredDuringSchedulingIgnoredDuringExecution": terms}
                for kind, terms in (
                    ("nodeAffinity", {"nodeSelectorTerms": [{"matchFields": [NODE]}]}),
                    ("podAntiAffinity", [{"topologyKey": "kubernetes.io/hostname", "namespaceSelector": {}}]),
                )
            },
            "tolerations": [{"operator": "Exists"}, {"key": "spot", "effect": "NoExecute", "tolerationSeconds": 9}],
            "imagePullSecrets": [{"name": "a"}, {"name": "b"}],
            "runtimeClassName": "nvidia",
            "schedulerName": "volcano",
            "priorityClassName": "high",
            "hostNetwork": True,
        }
    },
    "large": {
        "spec": {
            "containers": [
                {
                    "image": "a" * 200,
                    "resources": {"limits": {"nvidia.com/gpu": "1e3", "cpu": "0.1m", "memory": "1.5Ki"}},
                },
                {"image": "b", "resources": {"requests": {"memory": "7E", "ephemeral-storage": "1n"}}},
            ]
        }
    },
}
LONG_NAME = ".".join(["a-long-name"] * 20)


@pytest.fixture(scope="module")
def admission(cluster: Cluster) -> None:
    """The policies, and the account with its rights; enforced, which takes the API server a moment."""
    names = ("namespace", "serviceaccount", "rbac", "priorityclass", "components/admission/policies")
    cluster.api.apply(*(DEPLOY / f"{name}.yaml" for name in names))
    pod = {"restartPolicy": "Never", "containers": [{"name": "a", "image": "a"}]}
    bare = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}, "spec": {"template": {"spec": pod}}}
    until(lambda: "denied request" in tried(cluster, "create", bare), 30, "the admission policies to be enforced")


def balloon(
    namespace: str, template: dict[str, Any], deadline_seconds: int = 1800, name: str = "chat"
) -> dict[str, Any]:
    settings = BalloonSettings(10, deadline_seconds=deadline_seconds)
    return balloon_job(workload(name, namespace=namespace), template, 12, settings)


def tried(cluster: Cluster, verb: str, *objects: dict[str, Any]) -> str:
    """What the API server answers to Outrider's account; nothing is stored."""
    try:
        return cluster.kubectl(verb, "-f", "-", "--dry-run=server", WHO, input=yaml.safe_dump_all(objects))
    except RuntimeError as error:
        return str(error)


@pytest.mark.usefixtures("admission")
def test_forged_jobs_are_refused_and_balloons_admitted(cluster: Cluster, namespace: str) -> None:
    for what, job in forged(balloon(namespace, TEMPLATE)):
        _, denied, why = tried(cluster, "create", job).partition("denied request: ")
        print(f"{what}: {why.strip()}")
        assert denied, what
        assert FORGERIES[what][0].rpartition(".")[2] in why, "another fault than its own"
    for template in TEMPLATES.values():
        for deadline_seconds in (1, LONGEST_DEADLINE_SECONDS):
            made = balloon(namespace, template, deadline_seconds, LONG_NAME)
            assert "created" in tried(cluster, "create", made)


@pytest.mark.usefixtures("admission")
def test_only_balloons_are_deleted_and_no_other_account_is_concerned(cluster: Cluster, namespace: str) -> None:
    own, foreign = balloon(namespace, TEMPLATE), balloon(namespace, TEMPLATE)
    foreign["metadata"] |= {"name": "foreign", "labels": {"app": "chat"}}
    del own["metadata"]["ownerReferences"], foreign["metadata"]["ownerReferences"]  # there is no such policy
    cluster.api.apply(own, foreign)  # as the administrator, for whom these are Jobs like any
    assert "denied request" in tried(cluster, "delete", foreign)
    assert "deleted" in tried(cluster, "delete", own)


@pytest.mark.usefixtures("admission")
def test_the_api_server_finds_no_fault_in_the_expressions(cluster: Cluster) -> None:
    def checked() -> list[dict[str, Any]] | None:
        found = [each["status"] for each in cluster.api.items(POLICIES, "app.kubernetes.io/name=outrider")]
        return found if all("observedGeneration" in status for status in found) else None

    for status in until(checked, 30, "the types of the expressions to be checked"):
        assert status.get("typeChecking", {}).get("expressionWarnings", []) == []
