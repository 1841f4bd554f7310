"""The admission policies on a real API server: it refuses every forged Job of Outrider's account, and admits every balloon.

Every other test's controller works under the same policies, since the harness applies them.
"""

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml

from autoscaler.actuators.fetching import FetchSettings
from autoscaler.actuators.manifest import BalloonSettings, balloon_job
from autoscaler.actuators.prepull import fetch_job
from autoscaler.actuators.shapes import LONGEST_DEADLINE_SECONDS
from autoscaler.actuators.standby.manifest import HoldSettings, standby_job
from autoscaler.actuators.wishes import wish
from crds.workload import Prefetch, Weights, WeightsMethod
from tests.autoscaler.actuators.forged import FORGERIES, forged
from tests.autoscaler.actuators.nodes import node
from tests.autoscaler.kube.workloads import TEMPLATE, workload
from tests.e2e.harness import Cluster, until
from tests.e2e.harness.cluster import DEPLOY
from tests.e2e.harness.outrider import ACCOUNT, NAMESPACE
from tests.support.standby_pools import a_gpu_pool, offering

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


def fetches(namespace: str) -> dict[str, dict[str, Any]]:
    """A Job of each form of a fetch."""
    copied = Prefetch("aws", ("aws", "s3", "sync"), "hf", "reader", "/mnt/models/chat", 10**12)
    of = replace(
        workload("chat", namespace=namespace), pre_pull=True, weights=Weights(WeightsMethod.PREFETCH, prefetch=copied)
    )
    wanted = wish(of, TEMPLATE, 1.0, FetchSettings(prefetches=True))
    found = {each.form: each for contents in wanted.contents.values() for each in contents}
    return {form.value: fetch_job(of, content, node("n1")) for form, content in found.items()}


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
def test_fetches_are_admitted_by_their_form_and_nothing_like_them(cluster: Cluster, namespace: str) -> None:
    """Image volumes are not in every version of the API server, and then no node of it has a Job with one."""
    pulls = fetches(namespace)
    weights = pulls.pop("weights")
    assert "created" in tried(cluster, "create", pulls["image"])
    mounted = tried(cluster, "create", pulls["image-volume"])
    assert "created" in mounted or "must specify a volume type" in mounted
    for what, job in forged(pulls["image"]):
        _, denied, why = tried(cluster, "create", job).partition("denied request: ")
        print(f"{what}: {why.strip()}")
        assert denied or what == "a named node", what
    unknown = pulls["image"]
    unknown["metadata"]["labels"]["outrider.dev/fetch"] = "other"
    assert "must be one of" in tried(cluster, "create", unknown)
    assert "only with the component prefetch" in tried(cluster, "create", weights)


@pytest.mark.usefixtures("admission")
def test_the_component_prefetch_admits_folders_of_caches_alone(cluster: Cluster, namespace: str) -> None:
    name = f"{POLICIES}/outrider-prefetch"
    [patch] = json.loads((DEPLOY / "components" / "prefetch" / "admission.json").read_text())
    closed = cluster.api.get(name)["spec"]["validations"]
    cluster.api.patch(name, {"spec": {"validations": patch["value"]}})
    try:
        weights = fetches(namespace)["weights"]
        until(lambda: "created" in tried(cluster, "create", weights), 30, "weights to be admitted")
        for path in ("/", "/etc", "/mnt", "/mnt/../etc", "/var/lib/kubelet"):
            weights["spec"]["template"]["spec"]["volumes"][0]["hostPath"]["path"] = path
            assert "created" not in tried(cluster, "create", weights), path
        for what, job in forged(fetches(namespace)["weights"]):
            refused = "created" not in tried(cluster, "create", job)
            assert refused or what in ("a named node", "arguments", "environment", "root"), what
    finally:
        cluster.api.patch(name, {"spec": {"validations": closed}})


@pytest.mark.usefixtures("admission")
def test_standby_nodes_are_admitted_in_outriders_namespace_and_nothing_like_them(
    cluster: Cluster, namespace: str
) -> None:
    pool = a_gpu_pool("h100", offering(taints=[{"key": "team", "value": "a"}]))
    made = standby_job(pool, pool.offerings[0], 0, HoldSettings(NAMESPACE))
    assert "created" in tried(cluster, "create", made)
    for what, job in forged(made):
        _, denied, why = tried(cluster, "create", job).partition("denied request: ")
        print(f"{what}: {why.strip()}")
        assert denied, what
    elsewhere = standby_job(pool, pool.offerings[0], 0, HoldSettings(namespace))
    assert "denied request" in tried(cluster, "create", elsewhere)


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
