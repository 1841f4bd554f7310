"""The controller under test as a user runs it: a process with only the permissions in `deploy/`."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.e2e.harness.api import Json
from tests.e2e.harness.cluster import DEPLOY, RATE, Cluster
from tests.e2e.harness.process import Process, free_port
from tests.e2e.harness.waiting import until

ACCOUNT, NAMESPACE = "outrider", "outrider-system"
POLLING_SECONDS, COOLDOWN_SECONDS = 10 // RATE, 30 // RATE


class Outrider:
    """One controller. `process` starts and stops it; its folder survives a restart, as a volume would."""

    def __init__(self, cluster: Cluster, folder: Path, namespace: str, settings: Mapping[str, object]) -> None:
        manifests = ("namespace", "serviceaccount", "rbac", "priorityclass", "components/admission/policies")
        cluster.api.apply(*(DEPLOY / f"{name}.yaml" for name in manifests))
        self.scaler_address = f"127.0.0.1:{free_port()}"
        self.web_url = f"http://127.0.0.1:{free_port()}"
        self.decisions = folder / "decisions"
        given = {
            "kubeconfig": cluster.kubeconfig_for(ACCOUNT, NAMESPACE),
            "namespace": namespace,
            "scaler_bind": self.scaler_address,
            "web_bind": self.web_url.removeprefix("http://"),
            "state_dir": folder / "state",
            "decision_log_dir": self.decisions,
            **settings,
        }
        environment = {f"OUTRIDER_{name.upper()}": str(value) for name, value in given.items() if value is not None}
        self.process = Process("outrider", [sys.executable, "-m", "autoscaler.cli", "run"], folder, environment)

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self.process.start()
        until(self._ready, 60, "the controller's /readyz")

    def _ready(self) -> bool:
        self.process.check()
        return requests.get(f"{self.web_url}/readyz", timeout=2).ok

    def metrics(self) -> str:
        """Its own /metrics."""
        return requests.get(f"{self.web_url}/metrics", timeout=5).text


def scaled_objects(policies: Json | list[Json], scaler_address: str, *arguments: str) -> list[dict[str, Any]]:
    """What `outrider scaledobject` prints for one or more policies, with every period at a fifth."""
    command = [sys.executable, "-m", "autoscaler.cli", "scaledobject", "-f", "-", "--scaler-address", scaler_address]
    text = yaml.safe_dump_all(policies if isinstance(policies, list) else [policies])
    done = subprocess.run([*command, *arguments], input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found = [one for one in yaml.safe_load_all(done.stdout) if one]
    for one in found:
        if one["kind"] == "ScaledObject":
            one["spec"].update(pollingInterval=POLLING_SECONDS, cooldownPeriod=COOLDOWN_SECONDS)
    return found
