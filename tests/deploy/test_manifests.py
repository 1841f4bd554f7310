"""The manifests: they are what the API takes, and grant no more than is needed."""

import json
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from autoscaler.actuators.prepull import PRIORITY_CLASS
from crds.kinds import KINDS, SCALING_POLICY
from crds.workload import Workload

DEPLOY = Path(__file__).parents[2] / "deploy"
KUSTOMIZATIONS = sorted(DEPLOY.rglob("kustomization.yaml"))
MODELS: dict[str, Any] = {
    "ClusterRole": client.V1ClusterRole,
    "ClusterRoleBinding": client.V1ClusterRoleBinding,
    "CustomResourceDefinition": client.V1CustomResourceDefinition,
    "Deployment": client.V1Deployment,
    "Namespace": client.V1Namespace,
    "NetworkPolicy": client.V1NetworkPolicy,
    "PodDisruptionBudget": client.V1PodDisruptionBudget,
    "PriorityClass": client.V1PriorityClass,
    "Role": client.V1Role,
    "RoleBinding": client.V1RoleBinding,
    "Service": client.V1Service,
    "ServiceAccount": client.V1ServiceAccount,
    "ValidatingAdmissionPolicy": client.V1ValidatingAdmissionPolicy,
    "ValidatingAdmissionPolicyBinding": client.V1ValidatingAdmissionPolicyBinding,
}


@cache
def documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


def every(kind: str) -> list[dict[str, Any]]:
    found = (document for path in sorted(DEPLOY.rglob("*.yaml")) for document in documents(path))
    return [document for document in found if document["kind"] == kind]


def one(kind: str) -> dict[str, Any]:
    [found] = every(kind)
    return found


@pytest.mark.parametrize("kind", MODELS)
def test_the_api_knows_every_member(kind: str) -> None:
    manifests = every(kind)
    assert manifests
    for manifest in manifests:
        model = MODELS[kind].from_dict(manifest)
        assert missing(manifest, json.loads(model.to_json())) == []


def missing(manifest: Any, read: Any, path: str = "") -> list[str]:
    """What the model did not take over."""
    if isinstance(manifest, dict):
        return [
            lost
            for name, value in manifest.items()
            for lost in (
                missing(value, read[name], f"{path}.{name}")
                if isinstance(read, dict) and name in read
                else [f"{path}.{name}"]
            )
        ]
    if isinstance(manifest, list) and isinstance(read, list) and len(manifest) == len(read):
        return [lost for i, value in enumerate(manifest) for lost in missing(value, read[i], f"{path}[{i}]")]
    return [] if manifest == read else [path]


def test_the_role_holds_exactly_what_the_controller_asks_for() -> None:
    granted = {
        (group, resource, verb)
        for rule in one("ClusterRole")["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    kinds = {
        ("outrider.dev", f"{kind.plural}{part}", verb)
        for kind in KINDS
        for part, verb in (("", "list"), ("", "watch"), ("/status", "patch"))
    }
    assert granted == kinds | {
        ("apps", "deployments", "get"),
        ("apps", "deployments/scale", "get"),
        ("", "pods", "list"),
        ("", "pods", "watch"),
        ("batch", "jobs", "list"),
        ("batch", "jobs", "watch"),
        ("batch", "jobs", "create"),
        ("batch", "jobs", "delete"),
        ("", "events", "create"),
        ("", "events", "list"),
        ("", "events", "watch"),
        ("", "nodes", "list"),
        ("", "nodes", "watch"),
        ("karpenter.sh", "nodeclaims", "list"),
        ("karpenter.sh", "nodeclaims", "watch"),
        ("", "resourcequotas", "list"),
        ("", "nodes", "list"),
        ("", "nodes", "watch"),
        ("", "namespaces", "get"),
        ("", "namespaces", "list"),
        ("", "namespaces", "watch"),
        ("serving.kserve.io", "localmodelcaches", "get"),
        ("scheduling.k8s.io", "priorityclasses", "list"),
    }


def test_the_role_is_bound_to_the_pods_account() -> None:
    [subject] = one("ClusterRoleBinding")["subjects"]
    account, pod = one("ServiceAccount")["metadata"], one("Deployment")["spec"]["template"]["spec"]
    assert (subject["name"], subject["namespace"]) == (account["name"], account["namespace"])
    assert one("ClusterRoleBinding")["roleRef"]["name"] == one("ClusterRole")["metadata"]["name"]
    assert pod["serviceAccountName"] == account["name"]


def test_the_role_for_buffers_is_in_its_own_namespace_and_bound_to_the_pods_account() -> None:
    role, binding = one("Role"), one("RoleBinding")
    granted = {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    assert granted == {("podtemplates", "get"), *(("capacitybuffers", verb) for verb in ("get", "list", "patch"))}
    account = one("ServiceAccount")["metadata"]
    assert {each["metadata"]["namespace"] for each in (role, binding)} == {account["namespace"]}
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    [subject] = binding["subjects"]
    assert (subject["name"], subject["namespace"]) == (account["name"], account["namespace"])


def test_the_pod_is_restricted() -> None:
    pod = one("Deployment")["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["requests"]
    assert container["resources"]["limits"]["memory"]


def test_only_one_decides() -> None:
    spec = one("Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_ports_probes_and_service_meet() -> None:
    template = one("Deployment")["spec"]["template"]
    [container] = template["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": 6000, "http": 8080}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert container["startupProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    service = one("Service")["spec"]
    assert {port["targetPort"]: port["port"] for port in service["ports"]} == ports
    assert service["selector"] == template["metadata"]["labels"]
    assert one("ServiceMonitor")["spec"]["endpoints"][0]["port"] == "http"


def test_the_settings_are_real() -> None:
    from autoscaler.settings import PREFIX, Settings

    [container] = one("Deployment")["spec"]["template"]["spec"]["containers"]
    names = [variable["name"] for variable in container["env"]]
    names += re.findall(r"^(?:# )?(OUTRIDER_\w+)=", (DEPLOY / "settings.env").read_text(encoding="utf-8"), re.MULTILINE)
    assert "OUTRIDER_PROMETHEUS_URL" in names
    assert all(name.removeprefix(PREFIX).lower() in Settings.model_fields for name in names)
    mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
    assert all(variable["value"].startswith(tuple(mounts)) for variable in container["env"])


def test_nothing_turns_grpc_reflection_on() -> None:
    manifests = [path for path in DEPLOY.rglob("*") if path.suffix in (".yaml", ".env")]
    assert [path for path in manifests if "reflection" in path.read_text(encoding="utf-8").lower()] == []


def test_balloons_give_way_to_everything() -> None:
    from autoscaler.settings import Settings

    priority, fetches = every("PriorityClass")
    assert fetches["metadata"]["name"] == PRIORITY_CLASS
    assert fetches["value"] <= -(2**25), "Karpenter counts a node with more as in use"
    assert priority["metadata"]["name"] == Settings.model_fields["priority_class"].default
    assert (priority["value"], priority["preemptionPolicy"]) == (-5, "Never")
    assert fetches["preemptionPolicy"] == "Never"
    assert not [each for each in (priority, fetches) if "globalDefault" in each], (
        "the API server drops a false, so every apply would change it"
    )


@pytest.mark.parametrize("path", KUSTOMIZATIONS, ids=lambda path: path.parent.name)
def test_a_kustomization_names_every_file_beside_it(path: Path) -> None:
    named = set(documents(path)[0].get("resources", []))
    patched = {patch["path"] for patch in documents(path)[0].get("patches", []) if "path" in patch}
    assert named | patched == {file.name for file in path.parent.glob("*.*") if file.suffix in (".yaml", ".json")} - {
        path.name
    }


def test_the_image_is_named_in_one_place() -> None:
    [image] = one("Kustomization")["images"]
    [container] = one("Deployment")["spec"]["template"]["spec"]["containers"]
    assert (container["image"], image["name"]) == ("outrider", "outrider")
    version = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert image["newTag"] == version


def test_every_object_has_the_label_by_which_all_of_them_are_found() -> None:
    kinds = {document["kind"] for path in DEPLOY.rglob("*.yaml") for document in documents(path)}
    for kind in kinds - {"Kustomization", "Component", *(each.name for each in KINDS)}:
        for found in every(kind):
            assert found["metadata"]["labels"]["app.kubernetes.io/name"] == "outrider", kind


def test_the_budget_lets_a_node_be_drained() -> None:
    spec = one("PodDisruptionBudget")["spec"]
    assert (spec["maxUnavailable"], "minAvailable" in spec) == (1, False)
    assert spec["selector"] == one("Deployment")["spec"]["selector"]


def test_a_useful_policy_is_under_ten_lines() -> None:
    path = DEPLOY / "examples" / "scalingpolicy.yaml"
    assert isinstance(SCALING_POLICY.resolve(documents(path)[0]), Workload)
    spec = path.read_text(encoding="utf-8").partition("spec:\n")[2]
    assert len(spec.splitlines()) < 10


def test_the_full_example_uses_every_field() -> None:
    from crds.v1alpha1.scalingpolicy import Spec

    [document] = documents(DEPLOY / "examples" / "scalingpolicy-full.yaml")
    assert isinstance(SCALING_POLICY.resolve(document), Workload)
    assert set(document["spec"]) == {field.alias for field in Spec.model_fields.values()}


def test_the_example_of_a_pool_uses_every_field_and_the_policies_beside_it_may_join() -> None:
    from crds.files import inspect_files
    from crds.v1alpha1.gpupool import Limits, Member, Offering, Spec

    [document] = documents(DEPLOY / "examples" / "gpupool.yaml")
    spec = document["spec"]
    assert set(spec) == {field.alias for field in Spec.model_fields.values()}
    for model, written in ((Offering, spec["offerings"]), (Member, spec["members"]), (Limits, [spec["limits"]])):
        assert {name for each in written for name in each} == {field.alias for field in model.model_fields.values()}
    found = inspect_files([str(DEPLOY / "examples")]).resources
    assert [line for each in found for line in (*each.lines(), *each.warned())] == []


def test_the_image_runs_as_the_pods_user() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    pod = one("Deployment")["spec"]["template"]["spec"]["securityContext"]
    assert f"USER {pod['runAsUser']}:{pod['runAsGroup']}" in text
    assert "--require-hashes" in text
