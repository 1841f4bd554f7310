"""What is in deploy/ is taken by a real API server, settles, and its alerts fire when they should."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.components import program
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
    """KWOK says that it runs; what counts is that the API server made it, defaulted it and let it be scheduled."""
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


# -- alerts: Prometheus' own tool evaluates them; none needs the cluster

STALE, UNKNOWN = "OutriderDecisionStale", "OutriderSignalUnknown"
CASES: dict[str, tuple[dict[str, str], str, dict[str, str]]] = {
    # series in promtool's notation, a sample each minute; when one looks; which alerts fire then, and how severe
    "all is well": (
        {'up{job="outrider"}': "1x20", 'outrider_decision_age_seconds{policy="a/b"}': "3x20"},
        "10m",
        {},
    ),
    "it is gone": ({'up{job="outrider"}': "1x2 0x20"}, "10m", {"OutriderDown": "critical"}),
    "it was never there": ({}, "10m", {"OutriderDown": "critical"}),
    "it is gone for a moment": ({'up{job="outrider"}': "1x2 0x1 1x20"}, "4m", {}),
    "it does not decide": (
        {'up{job="outrider"}': "1x20", 'outrider_decision_age_seconds{policy="a/b"}': "0+60x20"},
        "4m",
        {STALE: "critical"},
    ),
    "it does not see": (
        {'up{job="outrider"}': "1x20", 'outrider_signal_unknown{policy="a/b"}': "1x20"},
        "6m",
        {UNKNOWN: "warning"},
    ),
}


@pytest.fixture(scope="module")
def rules(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The groups of the PrometheusRule as Prometheus reads them."""
    del cluster  # only so that promtool is built
    found = yaml.safe_load((DEPLOY / "components" / "prometheus-operator" / "prometheusrule.yaml").read_text())["spec"]
    path = tmp_path_factory.mktemp("rules") / "rules.yaml"
    path.write_text(yaml.safe_dump(found))
    return path


def test_promtool_finds_no_fault_in_the_alerts(rules: Path) -> None:
    said = promtool("check", "rules", "--lint=all", "--lint-fatal", str(rules))
    print(said.strip())
    assert "3 rules found" in said


@pytest.mark.parametrize("case", CASES)
def test_an_alert_fires_when_it_should(rules: Path, case: str) -> None:
    series, at, fires = CASES[case]
    samples = [{"labels": f'{{alertname="{name}", severity="{kind}"}}', "value": 1} for name, kind in fires.items()]
    expression = 'count by (alertname, severity) (ALERTS{alertstate="firing"})'
    one: dict[str, Any] = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": expression, "eval_time": at, "exp_samples": samples}],
    }
    path = rules.with_name("case.yaml")
    path.write_text(yaml.safe_dump({"rule_files": [str(rules)], "evaluation_interval": "15s", "tests": [one]}))
    assert "SUCCESS" in promtool("test", "rules", str(path))


def promtool(*arguments: str) -> str:
    done = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
