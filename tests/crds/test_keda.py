"""The ScaledObject: every field that decides where the HPA lands."""

from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from autoscaler.commands.scaledobject import command
from crds.keda import kubernetes_version

ADDRESS = "outrider.outrider-system.svc:6000"
EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"


@pytest.fixture
def scaledobject(capsys: Any) -> Any:
    """Runs the command as its flags would, gives what it printed; fails where it ends with an error."""

    def run(name: str | None = None, **options: Any) -> str:
        names = ("file", "namespace", "target", "kind", "api_version", "min_replicas", "max_replicas", "tls")
        given: dict[str, Any] = dict.fromkeys(names)
        given |= {"scaler_address": ADDRESS, "kubernetes_version": "1.35"}
        command(name, **(given | options))
        return str(capsys.readouterr().out)

    return run


def test_the_whole_object(scaledobject: Any) -> None:
    limits = {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "tolerance": "0"}
    assert yaml.safe_load(scaledobject("chat", namespace="llm", target="chat-vllm", min_replicas=2, max_replicas=24)) == {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "chat", "namespace": "llm"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat-vllm"},
            "minReplicaCount": 2,
            "maxReplicaCount": 24,
            "pollingInterval": 10,
            "cooldownPeriod": 30,
            "advanced": {
                "horizontalPodAutoscalerConfig": {
                    "behavior": {
                        "scaleUp": limits | {"policies": [{"type": "Pods", "value": 10_000, "periodSeconds": 1}]},
                        "scaleDown": limits | {"policies": [{"type": "Percent", "value": 100, "periodSeconds": 1}]},
                    }
                }
            },
            "triggers": [
                {
                    "type": "external-push",
                    "metricType": "AverageValue",
                    "metadata": {"scalerAddress": ADDRESS, "policy": "chat"},
                }
            ],
        },
    }  # fmt: skip


def test_the_policies_of_a_file(scaledobject: Any) -> None:
    from_file = yaml.safe_load(scaledobject(file=str(EXAMPLES / "scalingpolicy.yaml")))
    from_flags = yaml.safe_load(scaledobject("chat", namespace="llm", target="chat-vllm", max_replicas=24))
    assert from_file == from_flags
    full = str(EXAMPLES / "scalingpolicy-full.yaml")
    assert yaml.safe_load(scaledobject(file=full, namespace="test"))["metadata"]["namespace"] == "test"


def test_tls_adds_a_trigger_authentication(scaledobject: Any) -> None:
    authentication, scaled = yaml.safe_load_all(scaledobject("chat", max_replicas=8, tls="keda-cert"))
    assert authentication["kind"] == "TriggerAuthentication"
    assert {it["parameter"]: (it["name"], it["key"]) for it in authentication["spec"]["secretTargetRef"]} == {
        "caCert": ("keda-cert", "ca.crt"),
        "tlsClientCert": ("keda-cert", "tls.crt"),
        "tlsClientKey": ("keda-cert", "tls.key"),
    }
    assert scaled["spec"]["triggers"][0]["authenticationRef"] == {"name": authentication["metadata"]["name"]}


@pytest.mark.parametrize(
    ("version", "remark"),
    [
        (None, "needs Kubernetes 1.35"),
        ("1.32", "1.32 ignores an HPA's own tolerance, so"),
        ("v1.34.2-eks-1", "unless the feature gate HPAConfigurableTolerance is on"),
        ("1.35", ""),
        ("v1.36.3", ""),
    ],
)
def test_a_cluster_that_drops_tolerance_is_mentioned(scaledobject: Any, version: str | None, remark: str) -> None:
    printed = scaledobject("chat", max_replicas=8, kubernetes_version=version)
    comments = " ".join(line.removeprefix("# ") for line in printed.splitlines() if line.startswith("#"))
    assert remark in comments
    assert bool(comments) == bool(remark)
    made = yaml.safe_load(printed)
    assert made["kind"] == "ScaledObject"
    shaped = made["spec"]["triggers"][0]["metadata"].get("hpaTolerance")
    assert shaped == ("0.1" if version in ("1.32", "v1.34.2-eks-1") else None)


def test_a_shadow_policy_is_mentioned(scaledobject: Any) -> None:
    assert "# The policy is in mode Shadow" in scaledobject(file=str(EXAMPLES / "scalingpolicy-full.yaml"))


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        (None, {}, "give the NAME of a policy, or -f FILE"),
        ("chat", {}, "write --max 8"),
        ("chat", {"max_replicas": 8, "min_replicas": 0}, "--min 0: with zero pods there is no signal of demand"),
        ("chat", {"max_replicas": 8, "min_replicas": 9}, "--min 9: minReplicas is above maxReplicas"),
        ("chat", {"max_replicas": 8, "kind": "DaemonSet"}, "--kind DaemonSet: apps/v1 has no such kind"),
        ("Chat", {"max_replicas": 8, "target": "a"}, "NAME Chat: not a DNS name"),
        ("x" * 55, {"max_replicas": 8, "target": "a"}, "at most 54 characters"),
        ("chat", {"max_replicas": 8, "kubernetes_version": "latest"}, "not a Kubernetes version: 'latest'"),
        (None, {"file": "nowhere.yaml"}, "nowhere.yaml:1: file: cannot be read"),
        (None, {"file": str(EXAMPLES / "scalingpolicy.yaml"), "max_replicas": 3}, "leave out --target"),
        ("other", {"file": str(EXAMPLES / "scalingpolicy.yaml")}, "no ScalingPolicy named other"),
    ],
)
def test_bad_input_ends_with_two(
    scaledobject: Any, capsys: Any, name: str | None, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(typer.Exit) as end:
        scaledobject(name, **options)
    printed = capsys.readouterr()
    assert end.value.exit_code == 2
    assert printed.out == ""
    assert says in printed.err


def test_versions() -> None:
    assert kubernetes_version("1.33") == (1, 33)
    assert kubernetes_version("v1.31.0-gke.100") == (1, 31)
    for text in ("", "1", "v1.x", "one"):
        with pytest.raises(ValueError, match="not a Kubernetes version"):
            kubernetes_version(text)
