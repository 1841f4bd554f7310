"""The component mtls: what it mounts is what the settings name, and what cert-manager and the page put into the Secrets."""

import inspect
from pathlib import PurePosixPath

import yaml

from autoscaler.commands.scaledobject import command
from autoscaler.settings import PREFIX, Settings
from crds.keda import Wiring, manifests
from tests.autoscaler.kube.workloads import WORKLOAD
from tests.deploy.test_install_page import CERTIFICATE as CLIENT
from tests.deploy.test_install_page import PAGE
from tests.deploy.test_manifests import DEPLOY, documents, every, one
from tests.support.pages import commands

[PATCH] = documents(DEPLOY / "components" / "mtls" / "kustomization.yaml")[0]["patches"]
POD = yaml.safe_load(PATCH["patch"])["spec"]["template"]["spec"]
KEYS = {"ca.crt", "tls.crt", "tls.key"}  # of a Secret that cert-manager writes


def test_the_settings_name_files_that_are_mounted() -> None:
    [container], [volume] = POD["containers"], POD["volumes"]
    assert container["name"] in {each["name"] for each in one("Deployment")["spec"]["template"]["spec"]["containers"]}
    [mount] = container["volumeMounts"]
    assert (mount["name"], mount["readOnly"]) == (volume["name"], True)
    paths = {each["name"].removeprefix(PREFIX).lower(): PurePosixPath(each["value"]) for each in container["env"]}
    assert set(paths) == {name for name in Settings.model_fields if name.startswith("tls_")}
    assert {str(path.parent) for path in paths.values()} == {mount["mountPath"]}
    assert {path.name for path in paths.values()} == KEYS


def test_the_pods_user_can_read_the_key() -> None:
    [volume] = POD["volumes"]
    assert volume["secret"]["defaultMode"] == 0o440
    assert one("Deployment")["spec"]["template"]["spec"]["securityContext"]["fsGroup"]


def test_cert_manager_issues_what_is_mounted() -> None:
    found = {each["metadata"]["name"]: each for each in every("Certificate")}
    [volume] = POD["volumes"]
    server = found["outrider-server"]
    assert server["spec"]["secretName"] == volume["secret"]["secretName"]
    assert server["metadata"]["namespace"] == one("Deployment")["metadata"]["namespace"]
    service = one("Service")["metadata"]
    assert server["spec"]["dnsNames"] == [f"{service['name']}.{service['namespace']}.svc"]
    assert inspect.signature(command).parameters["scaler_address"].default == f"{server['spec']['dnsNames'][0]}:6000"
    assert (server["spec"]["usages"], CLIENT["spec"]["usages"]) == (["server auth"], ["client auth"])


def test_each_certificate_has_an_issuer_that_exists() -> None:
    issuers = {each["metadata"]["name"]: each["spec"] for each in every("ClusterIssuer")}
    for certificate in (*every("Certificate"), CLIENT):
        assert certificate["spec"]["issuerRef"]["kind"] == "ClusterIssuer"
        assert certificate["spec"]["issuerRef"]["name"] in issuers
    [authority] = [each for each in every("Certificate") if each["spec"].get("isCA")]
    assert issuers["outrider"] == {"ca": {"secretName": authority["spec"]["secretName"]}}
    assert {issuer["spec"]["issuerRef"]["name"] for issuer in every("Certificate")} == set(issuers)


def test_keda_shows_what_the_page_lets_cert_manager_issue() -> None:
    [typed] = [each.text for each in commands(PAGE) if "outrider scaledobject" in each.text]
    secret = typed.partition("--tls ")[2].split()[0]
    assert secret == CLIENT["spec"]["secretName"]
    authentication, scaled = manifests(WORKLOAD, Wiring("here:6000", secret))
    references = authentication["spec"]["secretTargetRef"]
    assert {each["key"] for each in references} == KEYS
    assert {each["name"] for each in references} == {secret}
    assert scaled["spec"]["triggers"][0]["authenticationRef"]["name"] == authentication["metadata"]["name"]
