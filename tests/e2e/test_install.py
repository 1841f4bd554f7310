"""docs/install.md on a cluster of its own, command by command: it installs, and the uninstall leaves nothing and scales nothing.

The page's values are used as they are. What differs: the controller is a process, since no node runs containers, so the
ScaledObject has its address and no TLS; and stand-ins serve the kinds of the Prometheus Operator and of cert-manager.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import build
from tests.e2e.components import program
from tests.e2e.harness import Cluster, until
from tests.e2e.harness.cluster import DEPLOY, RATE
from tests.e2e.harness.outrider import NAMESPACE, Outrider
from tests.e2e.harness.workload import Workload, window
from tests.support import pages
from tests.support.network import admitted

PAGE = DEPLOY.parent / "docs" / "install.md"
AHEAD_SECONDS = 480.0  # within the lead without the image on a node, not within the other: so a node, not a replica
LABELS = ("app.kubernetes.io/name=outrider", "app.kubernetes.io/managed-by=outrider")
MONITORING, CERTIFICATES = "monitoring.coreos.com", "cert-manager.io"
OPERATORS = (
    ("ServiceMonitor", MONITORING, "Namespaced"),
    ("PrometheusRule", MONITORING, "Namespaced"),
    ("Certificate", CERTIFICATES, "Namespaced"),
    ("ClusterIssuer", CERTIFICATES, "Cluster"),
)
OTHERS = ("cert-manager", "monitoring", "llm")  # namespaces that are there before
WITHOUT_STORE = ("componentstatuses", "external.metrics.k8s.io")  # these list what they cannot name


def commands(section: str) -> list[str]:
    """The commands of a section, in order."""
    return [command.text for command in pages.commands(PAGE) if command.section == section]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One that has nothing of Outrider yet, since no other test may lose its CRD."""
    build.main()
    with Cluster(tmp_path_factory.mktemp("install")) as own:
        own.api.delete("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/scalingpolicies.outrider.dev")
        own.api.apply(*(stand_in(*kind) for kind in OPERATORS))
        own.api.apply(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in OTHERS))
        yield own


def stand_in(kind: str, group: str, scope: str) -> dict[str, Any]:
    """A CRD that takes any object of this kind."""
    plural = f"{kind.lower()}s"
    anything = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"kind": kind, "plural": plural},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": anything}],
        },
    }


@pytest.fixture
def shell(cluster: Cluster, tmp_path: Path) -> Callable[[str], str]:
    """Runs a command of the page where its values are written, and returns what it prints."""
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    (tmp_path / "my-cluster").mkdir()
    (_, values), *_ = pages.blocks(PAGE, "yaml")
    (tmp_path / "my-cluster" / "kustomization.yaml").write_text(values)
    path = f"{program('kubectl').parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "KUBECONFIG": str(cluster.kubeconfig)}

    def run(command: str) -> str:
        line = ["bash", "-euo", "pipefail", "-c", command]
        done = subprocess.run(
            line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=180
        )
        print(f"$ {command}\n{done.stdout}{done.stderr}", end="")
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        return done.stdout

    return run


def test_what_the_page_installs_goes_without_a_trace(
    cluster: Cluster, shell: Callable[[str], str], tmp_path: Path, controllers: list[Outrider]
) -> None:
    image, *_, rollout = [shell(command) for command in commands("4. Apply")]
    assert image.strip() == "image: registry.example.com/outrider:0.1.0"
    assert "successfully rolled out" in rollout
    [pod] = cluster.api.items(f"/api/v1/namespaces/{NAMESPACE}/pods")
    [container] = pod["spec"]["containers"]
    settings = cluster.api.get(
        f"/api/v1/namespaces/{NAMESPACE}/configmaps/{container['envFrom'][0]['configMapRef']['name']}"
    )
    assert settings["data"]["OUTRIDER_PROMETHEUS_URL"].startswith("http://")
    assert container["resources"]["requests"] == {"cpu": "1", "memory": "1Gi"}
    assert [name for name in ("keda", *OTHERS) if reaches(cluster, name, pod, 6000)] == ["keda"]
    assert [name for name in ("keda", *OTHERS) if reaches(cluster, name, pod, 8080)] == ["monitoring"]

    workload = served(cluster, tmp_path, controllers)
    cluster.api.apply(*only_watched("beside"))
    before = workload.scale()
    assert before == (1, 1)

    *steps, remaining = commands("Uninstall")
    assert steps[-1].startswith("kubectl delete -k")
    for command in steps:
        if command is steps[-1]:
            controllers[0].process.stop()  # its pod ends here
        shell(command)
        assert workload.scale() == before, command
    until(lambda: not cluster.api.items("/apis/autoscaling/v2/horizontalpodautoscalers"), 30, "the HPA to go")
    assert shell(remaining) == ""
    until(lambda: not left(shell), 30, "all objects with Outrider's labels to go")
    assert "outrider" not in shell("kubectl api-resources -o name")
    assert shell("kubectl -n llm get scaledobject -o name").split() == ["scaledobject.keda.sh/beside"]
    assert NAMESPACE not in shell("kubectl get namespaces -o name")
    assert (workload.scale(), workload.ready()) == (before, 1)


def reaches(cluster: Cluster, namespace: str, pod: dict[str, Any], port: int) -> bool:
    """Whether the NetworkPolicies that were applied let a pod of that namespace in."""
    policies = cluster.api.items(f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/networkpolicies")
    return admitted(policies, pod, port, cluster.api.get(f"/api/v1/namespaces/{namespace}"), {})


def served(cluster: Cluster, folder: Path, controllers: list[Outrider]) -> Workload:
    """A workload that Outrider and KEDA scale, with a balloon beside it."""
    workload = Workload(
        cluster, "llm", "chat-vllm", policy_spec={"profile": "8b-h100", "maxReplicas": 3, "maxPreparedNodes": 1}
    )
    workload.deploy(1)
    workload.steady(0.3)
    (folder / "outrider").mkdir()
    controllers.append(Outrider(cluster, folder / "outrider", "llm", workload.clock))
    controllers[0].start()
    workload.scaled_by(controllers[0])
    now = workload.epoch_seconds + (time.time() - workload.epoch_seconds) * RATE
    workload.policy["spec"] |= {"schedules": [window(now + AHEAD_SECONDS, 2)]}
    cluster.api.apply(workload.policy)
    until(lambda: cluster.api.items("/apis/batch/v1/jobs", LABELS[1]), 60, "a balloon")
    return workload


def only_watched(name: str) -> list[dict[str, Any]]:
    """A policy in mode Shadow beside the user's own ScaledObject of the same name, as docs/migration.md has it."""
    policy = {"mode": "Shadow", "target": {"name": name}, "maxReplicas": 3}
    trigger = {"timezone": "UTC", "start": "0 0 * * *", "end": "59 23 * * *", "desiredReplicas": "2"}
    own = {"scaleTargetRef": {"name": name}, "triggers": [{"type": "cron", "metadata": trigger}]}
    metadata = {"name": name, "namespace": "llm"}
    return [
        {"apiVersion": "outrider.dev/v1alpha1", "kind": "ScalingPolicy", "metadata": metadata, "spec": policy},
        {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": metadata, "spec": own},
    ]


def left(shell: Callable[[str], str]) -> list[str]:
    """Every object, of any kind, that has one of the labels."""
    kinds = ",".join(
        kind for kind in shell("kubectl api-resources --verbs=list -o name").split() if not kind.endswith(WITHOUT_STORE)
    )
    return [name for label in LABELS for name in shell(f"kubectl get {kinds} -A -o name -l {label}").split()]
