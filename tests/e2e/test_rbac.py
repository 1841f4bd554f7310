"""The controller as it is deployed, for all namespaces or for one, with a token that has the RBAC in deploy/ and nothing else."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
import yaml

from autoscaler.app import ONE_NAMESPACE
from autoscaler.kube.objects import deleting, metadata
from tests.e2e.harness import Cluster, until
from tests.e2e.harness.api import Json
from tests.e2e.harness.cluster import DEPLOY, RATE
from tests.e2e.harness.kustomize import values
from tests.e2e.harness.outrider import ACCOUNT, NAMESPACE, Outrider
from tests.e2e.harness.workload import Workload, window

WHO = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
AHEAD_SECONDS = 480.0  # 8b-h100 leads by 740 s without the image on a node, by 126 s with it: so a node, not a replica


@pytest.fixture
def workload(cluster: Cluster, namespace: str) -> Iterator[Workload]:
    policy = {"profile": "8b-h100", "maxReplicas": 3, "maxPreparedNodes": 1}
    found = Workload(cluster, namespace, policy_spec=policy)
    yield found
    found.delete()


def test_the_role_is_enough(
    cluster: Cluster, namespace: str, workload: Workload, outrider: Callable[..., Outrider]
) -> None:
    """In all namespaces."""
    until(
        lambda: not lingering(cluster),
        60,
        "the policies of other tests to go: no Event can be written in their namespaces",
    )
    works_unrefused(cluster, workload, outrider(namespace=None, **workload.clock))


def test_the_role_of_one_namespace_is_enough(
    cluster: Cluster, namespace: str, workload: Workload, outrider: Callable[..., Outrider], tmp_path: Path
) -> None:
    """The same with a Role instead, as kustomize makes it; without OUTRIDER_NAMESPACE the controller waits and says why."""
    narrow = one_namespace(cluster, namespace, tmp_path)
    controller = outrider(kubeconfig=narrow, **workload.clock)
    assert ONE_NAMESPACE in controller.process.log.read_text()
    works_unrefused(cluster, workload, controller)
    with pytest.raises(RuntimeError, match="Forbidden"):
        cluster.kubectl("get", "pods", "-n", NAMESPACE, f"--kubeconfig={narrow}")

    controller.process.stop()
    lost = Outrider(cluster, tmp_path, namespace, {"kubeconfig": narrow, "namespace": None})
    lost.process.start()
    try:
        until(lambda: "403" in requests.get(f"{lost.web_url}/readyz", timeout=2).text, 30, "the reason in /readyz")
        lost.process.check()
    finally:
        lost.process.stop()


def one_namespace(cluster: Cluster, namespace: str, folder: Path) -> Path:
    """The kubeconfig of an account of its own that has what the component one-namespace gives, and nothing else."""
    built = values(folder, ["one-namespace"], namespace=namespace)
    made = {one["kind"]: one for one in yaml.safe_load_all(cluster.kubectl("kustomize", built))}
    assert not {"ClusterRole", "ClusterRoleBinding"} & set(made)
    assert made["ConfigMap"]["data"]["OUTRIDER_NAMESPACE"] == namespace
    account = {**made["ServiceAccount"], "metadata": {"name": "outrider-narrow", "namespace": NAMESPACE}}
    made["RoleBinding"]["subjects"][0]["name"] = (
        "outrider-narrow"  # the other has rights in all namespaces from other tests
    )
    cluster.api.apply(DEPLOY / "namespace.yaml", account, made["Role"], made["RoleBinding"])
    return cluster.kubeconfig_for("outrider-narrow", NAMESPACE)


def works_unrefused(cluster: Cluster, workload: Workload, controller: Outrider) -> None:
    """Policies, pods, scale, template, status, Events, balloons made and swept: and no call is refused."""
    namespace = workload.namespace
    workload.deploy(1)
    workload.steady(0.3)
    cluster.api.apply(workload.policy)
    until(lambda: "demandReplicas" in workload.status(), 60, "the status with a demand, which only pods report")
    assert workload.status()["currentReplicas"] == 1

    began = time.monotonic()
    now = workload.epoch_seconds + (time.time() - workload.epoch_seconds) * RATE
    workload.policy["spec"] |= {"schedules": [window(now + AHEAD_SECONDS, 2)]}
    cluster.api.apply(workload.policy)
    [job] = until(lambda: jobs(cluster, namespace), 60, "a balloon")
    made_seconds = time.monotonic() - began
    assert job["metadata"]["ownerReferences"][0]["name"] == workload.name

    began = time.monotonic()
    workload.policy["spec"] |= {"mode": "Shadow"}
    cluster.api.apply(workload.policy)
    until(lambda: not jobs(cluster, namespace), 60, "the controller to sweep it in mode Shadow")
    print(f"balloon made in {made_seconds:.1f} s and swept in {time.monotonic() - began:.1f} s")

    until(lambda: "PreparingNode" in events(cluster, namespace), 30, "the Event of the balloon on the policy")
    failed = [line for line in controller.metrics().splitlines() if line.startswith("outrider_kube_errors_total{")]
    assert not any("Forbidden" in line for line in failed), failed
    assert "orbidden" not in controller.process.log.read_text()
    print(f"no call refused; Events: {', '.join(sorted(events(cluster, namespace)))}")


@pytest.mark.usefixtures("account")
def test_kubectl_lists_just_the_rights_that_are_written(cluster: Cluster) -> None:
    granted = set()
    for line in cluster.kubectl("auth", "can-i", "--list", f"--as={WHO}").splitlines()[1:]:
        resource, _, rest = line.partition(" ")
        if resource and not resource.startswith("selfsubject"):  # what any account may ask about itself
            granted |= {(resource, verb) for verb in rest.rpartition("[")[2].rstrip("]").split()}
    [role] = [one for one in yaml.safe_load_all((DEPLOY / "rbac.yaml").read_text()) if one["kind"] == "ClusterRole"]
    assert granted == {
        (_kubectl_name(group, resource), verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    print(f"{len(granted)} rights, as written")


def _kubectl_name(group: str, resource: str) -> str:
    """`deployments.apps/scale`, as kubectl writes it."""
    plural, slash, sub = resource.partition("/")
    return f"{plural}{'.' * bool(group)}{group}{slash}{sub}"


REFUSED = (
    ("get", "", "secrets"),
    ("list", "", "configmaps"),
    ("patch", "", "nodes"),
    ("get", "", "nodes/proxy"),
    ("delete", "", "pods"),
    ("create", "", "pods/exec"),
    ("patch", "apps", "deployments"),
    ("patch", "apps", "deployments/scale"),
    ("update", "outrider.dev", "scalingpolicies"),
    ("delete", "outrider.dev", "scalingpolicies"),
    ("patch", "autoscaling", "horizontalpodautoscalers"),
    ("create", "rbac.authorization.k8s.io", "clusterrolebindings"),
    ("impersonate", "", "users"),
)
GRANTED = (("list", "", "pods"), ("get", "apps", "deployments/scale"), ("create", "batch", "jobs"))


@pytest.mark.usefixtures("account")
def test_what_it_may_not_do(cluster: Cluster) -> None:
    """Of nodes it only reads what they are and when they came."""
    assert [right for right in REFUSED if may(cluster, *right)] == []
    assert all(may(cluster, *right) for right in GRANTED)


def may(cluster: Cluster, verb: str, group: str, resource: str) -> bool:
    """What `kubectl auth can-i` asks, in all namespaces."""
    plural, _, subresource = resource.partition("/")
    asked = {"verb": verb, "group": group, "resource": plural, "subresource": subresource}
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}", "system:authenticated"]
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
    spec = {"user": WHO, "groups": groups, "resourceAttributes": asked}
    answer = cluster.api.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", {**review, "spec": spec})
    return bool(answer["status"]["allowed"])


@pytest.mark.usefixtures("account")
def test_its_token_reads_no_secret(cluster: Cluster) -> None:
    config = cluster.kubeconfig_for(ACCOUNT, NAMESPACE)
    with pytest.raises(RuntimeError, match="Forbidden"):
        cluster.kubectl("get", "secrets", "-A", f"--kubeconfig={config}")


@pytest.fixture(scope="module")
def account(cluster: Cluster) -> None:
    """The account and its rights, applied."""
    cluster.api.apply(*(DEPLOY / f"{name}.yaml" for name in ("namespace", "serviceaccount", "rbac")))


def lingering(cluster: Cluster) -> list[Json]:
    """Policies in namespaces that are being deleted."""
    leaving = {metadata(each)["name"] for each in cluster.api.items("/api/v1/namespaces") if deleting(each)}
    policies = cluster.api.items("/apis/outrider.dev/v1alpha1/scalingpolicies")
    return [each for each in policies if metadata(each)["namespace"] in leaving]


def jobs(cluster: Cluster, namespace: str) -> list[Json]:
    return cluster.api.items(f"/apis/batch/v1/namespaces/{namespace}/jobs")


def events(cluster: Cluster, namespace: str) -> set[str]:
    """Reasons of the Events on policies."""
    found = cluster.api.get(f"/api/v1/namespaces/{namespace}/events")["items"]
    return {each["reason"] for each in found if each["involvedObject"]["kind"] == "ScalingPolicy"}
