"""The ScaledObject: every field that decides where the HPA lands."""

from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from autoscaler.cli import app
from autoscaler.commands.scaledobject import command
from crds.keda import kubernetes_version

ADDRESS = "outrider.outrider-system.svc:6000"
EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"


@pytest.fixture
def printed(capsys: Any) -> Any:
    """Runs the command as its flags would, gives its output and its warnings; fails where it ends with an error."""

    def run(name: str | None = None, **options: Any) -> tuple[str, str]:
        names = ("file", "namespace", "target", "kind", "api_version", "min_replicas", "max_replicas", "tls")
        given: dict[str, Any] = dict.fromkeys(names)
        given |= {"scaler_address": ADDRESS, "kubernetes_version": "1.35"}
        command(name, **(given | options))
        streams = capsys.readouterr()
        return streams.out, streams.err

    return run


@pytest.fixture
def scaledobject(printed: Any) -> Any:
    """The same, but gives the output alone."""
    return lambda *names, **options: printed(*names, **options)[0]


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
def test_a_cluster_that_drops_tolerance_is_mentioned(printed: Any, version: str | None, remark: str) -> None:
    out, err = printed("chat", max_replicas=8, kubernetes_version=version)
    assert "#" not in out
    assert err.startswith("outrider scaledobject: warning: " if remark else "")
    assert remark in err
    assert bool(err) == bool(remark)
    made = yaml.safe_load(out)
    assert made["kind"] == "ScaledObject"
    shaped = made["spec"]["triggers"][0]["metadata"].get("hpaTolerance")
    assert shaped == ("0.1" if version in ("1.32", "v1.34.2-eks-1") else None)


def test_a_shadow_policy_is_mentioned(printed: Any) -> None:
    assert "warning: llm/assistant-70b is in mode Shadow" in printed(file=str(EXAMPLES / "scalingpolicy-full.yaml"))[1]


def test_a_folder_gives_the_objects_of_all_its_policies(printed: Any) -> None:
    out, err = printed(file=str(EXAMPLES), kubernetes_version=None)
    assert [made["metadata"]["name"] for made in yaml.safe_load_all(out)] == ["assistant-70b", "chat"]
    assert err.count("needs Kubernetes 1.35") == 1


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        (None, {}, "give the NAME of a policy, or -f FILE"),
        ("chat", {}, "write --max 8"),
        ("chat", {"max_replicas": 8, "min_replicas": 0}, "--min 0: with zero pods there is no signal of demand"),
        ("chat", {"max_replicas": 8, "min_replicas": 9}, "--min 9: minReplicas is above maxReplicas"),
        ("chat", {"max_replicas": 8, "kind": "DaemonSet"}, "--kind DaemonSet: it has no /scale subresource"),
        ("Chat", {"max_replicas": 8, "target": "a"}, "NAME Chat: not a DNS name"),
        ("x" * 55, {"max_replicas": 8, "target": "a"}, "at most 54 characters"),
        ("chat", {"max_replicas": 8, "kubernetes_version": "latest"}, "not a Kubernetes version: 'latest'"),
        (None, {"file": "nowhere.yaml"}, "nowhere.yaml: cannot be read: No such file"),
        (None, {"file": str(EXAMPLES / "scalingpolicy.yaml"), "max_replicas": 3}, "leave out --target"),
        ("other", {"file": str(EXAMPLES / "scalingpolicy.yaml")}, "has no ScalingPolicy named other, only chat"),
        (None, {"file": str(EXAMPLES.parent / "namespace.yaml")}, "namespace.yaml has no ScalingPolicy"),
    ],
)
def test_bad_input_ends_with_two(
    scaledobject: Any, capsys: Any, name: str | None, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(typer.Exit) as end:
        scaledobject(name, **options)
    streams = capsys.readouterr()
    assert end.value.exit_code == 2
    assert streams.out == ""
    assert says in streams.err


def test_the_shell_completes_the_kinds_of_a_target() -> None:
    environment = {
        "COMP_WORDS": "outrider scaledobject --kind S",
        "COMP_CWORD": "3",
        "_OUTRIDER_COMPLETE": "complete_bash",
    }
    assert CliRunner().invoke(app, [], env=environment).output.split() == ["StatefulSet"]


def test_versions() -> None:
    assert kubernetes_version("1.33") == (1, 33)
    assert kubernetes_version("v1.31.0-gke.100") == (1, 31)
    for text in ("", "1", "v1.x", "one"):
        with pytest.raises(ValueError, match="not a Kubernetes version"):
            kubernetes_version(text)
