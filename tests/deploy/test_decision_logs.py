"""The component that keeps the decision logs on a volume: it patches what the Deployment has, and the logs fit the claim."""

from pathlib import Path
from typing import Any

import yaml
from kubernetes import client

from autoscaler.settings import DECISION_LOG_BYTES

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPONENT = DEPLOY / "components" / "decision-logs"
GIB = 2**30


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def gib(quantity: str) -> int:
    assert quantity.endswith("Gi")
    return int(quantity[:-2]) * GIB


def pod(deployment: Any) -> Any:
    return deployment["spec"]["template"]["spec"]


def test_the_patch_names_what_the_deployment_has() -> None:
    (patch,) = loaded(COMPONENT / "kustomization.yaml")["patches"]
    patched, deployed = pod(yaml.safe_load(patch["patch"])), pod(loaded(DEPLOY / "deployment.yaml"))
    for part in ("containers", "volumes"):
        assert {each["name"] for each in patched[part]} <= {each["name"] for each in deployed[part]}
    settings = {each["name"]: each["value"] for each in deployed["containers"][0]["env"]}
    (mount,) = (each for each in deployed["containers"][0]["volumeMounts"] if each["name"] == "state")
    assert settings["OUTRIDER_DECISION_LOG_DIR"].startswith(mount["mountPath"])
    assert settings["OUTRIDER_STATE_DIR"].startswith(mount["mountPath"])


def test_the_logs_fit_where_they_are_written() -> None:
    """A folder that outgrows its emptyDir costs the pod: the kubelet evicts it."""
    claim = loaded(COMPONENT / "claim.yaml")
    read: Any = client.V1PersistentVolumeClaim
    assert read.from_dict(claim).metadata.namespace == "outrider-system"
    (patch,) = loaded(COMPONENT / "kustomization.yaml")["patches"]
    patched = pod(yaml.safe_load(patch["patch"]))
    (setting,) = patched["containers"][0]["env"]
    assert setting["name"] == "OUTRIDER_DECISION_LOG_BYTES"
    assert int(setting["value"]) < 0.9 * gib(claim["spec"]["resources"]["requests"]["storage"])
    assert patched["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    (state,) = (each for each in pod(loaded(DEPLOY / "deployment.yaml"))["volumes"] if each["name"] == "state")
    assert 0.9 * gib(state["emptyDir"]["sizeLimit"]) > DECISION_LOG_BYTES
