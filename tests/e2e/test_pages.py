"""The kubectl commands of the README and of the migration page work on the real thing, and do to the replicas what the page says.

`outrider scaledobject` gets the address of a controller that runs as a process. Left out: `exec`, since no container runs.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.components import program
from tests.e2e.harness import Cluster, until
from tests.e2e.harness.clock import clock_settings
from tests.e2e.harness.outrider import Outrider
from tests.e2e.harness.target import Target
from tests.support.pages import README, ROOT, blocks, commands
from tests.support.reader import Reader

MIGRATION = ROOT / "docs" / "migration.md"
NAMESPACE = "llm"  # as on the pages
Type = Callable[[str], None]


@pytest.fixture(scope="module", autouse=True)
def workspace(cluster: Cluster) -> Iterator[None]:
    """The namespace of the pages."""
    cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    yield
    cluster.api.delete(f"/api/v1/namespaces/{NAMESPACE}")


@pytest.fixture
def controller(cluster: Cluster, tmp_path: Path, controllers: list[Outrider]) -> Outrider:
    folder = tmp_path / "controller"
    folder.mkdir()
    controllers.append(Outrider(cluster, folder, NAMESPACE, clock_settings(time.time())))
    return controllers[-1]


@pytest.fixture
def reader(cluster: Cluster, controller: Outrider, tmp_path: Path) -> Iterator[Reader]:
    outrider = ROOT / ".venv" / "bin" / "outrider"
    yield Reader(
        tmp_path,
        kubectl=f'exec "{program("kubectl")}" "--kubeconfig={cluster.kubeconfig}" "$@"',
        outrider=f'[ "$1" = scaledobject ] && set -- "$@" --scaler-address={controller.scaler_address}\nexec "{outrider}" "$@"',
    )
    cluster.kubectl("delete", "scaledobjects,scalingpolicies,hpa,deployments", "--all", "-n", NAMESPACE)


def test_the_readme(cluster: Cluster, reader: Reader) -> None:
    """From the install to the last look."""
    first = next(each for each in commands(README) if "apply -k" in each.text)
    for command in commands(README):
        if (
            command.line >= first.line
            and ("kubectl" in command.text or command.text.startswith("cp"))
            and " exec " not in command.text
        ):
            done = reader.types(command)
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
            print(f"$ {command.text}\n{done.stdout}")
    cluster.kubectl("delete", "deployment", "outrider", "-n", "outrider-system")


def test_the_migration_and_the_way_back(cluster: Cluster, controller: Outrider, reader: Reader) -> None:
    target = Target(cluster.api, NAMESPACE, "chat-vllm")
    target.create(replicas=4)
    controller.start()
    policy, transfer = (text for _, text in blocks(MIGRATION, "yaml"))
    (reader.folder / "chat.yaml").write_text(policy)

    def types(section: str, *parts: str) -> None:
        """Those commands of the section that have one of the parts; all of them without."""
        chosen = [each for each in commands(MIGRATION) if each.section.startswith(section)]
        chosen = [each for each in chosen if not parts or any(part in each.text for part in parts)]
        assert len(chosen) >= len(parts)
        for command in chosen:
            done = reader.types(command)
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
            print(f"$ {command.text}\n{done.stdout}{target.replicas} replicas")

    def hpa(name: str) -> dict[str, Any]:
        return (
            cluster.api.get_or_none(f"/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers/{name}")
            or {}
        )

    def asks(name: str, metric: str) -> bool:
        return metric in str(hpa(name).get("status", {}).get("currentMetrics"))

    def seen() -> bool:
        policy = cluster.api.get(f"/apis/outrider.dev/v1alpha1/namespaces/{NAMESPACE}/scalingpolicies/chat")
        return bool(policy.get("status", {}).get("currentReplicas") == target.replicas)

    ours = "s0-desired-replicas"
    types("1.")
    cluster.api.apply(cron(6))
    until(lambda: target.replicas == 6, 60, "what the old ScaledObject wants")
    uid = hpa("keda-hpa-chat")["metadata"]["uid"]
    types("2.", "get scaledobject chat", "sed", "outrider scaledobject")
    types("2.", "replace -f scaledobject.yaml")
    until(seen, 60, "what runs in the policy's status")
    types("2.", '"Active"', "-o wide")
    until(partial(asks, "keda-hpa-chat", ours), 60, "the HPA to follow Outrider")
    assert (target.replicas, hpa("keda-hpa-chat")["metadata"]["uid"]) == (6, uid)

    types("Pause", "paused-replicas=8")
    until(lambda: target.replicas == 8, 60, "the paused number")
    types("Pause", '"Shadow"', "paused-replicas-")
    until(seen, 60, "what runs in the policy's status")
    types("Pause", '"Active"')
    until(partial(asks, "keda-hpa-chat", ours), 60, "the HPA after the pause")
    assert target.replicas == 8

    types("2.", "replace -f old-scaledobject.yaml", '"Shadow"')
    until(partial(asks, "keda-hpa-chat", "s0-cron"), 60, "the HPA to follow the old trigger")
    assert target.replicas == 8  # the old ScaledObject has the usual window of 300 s

    cluster.kubectl("delete", "scaledobject", "chat", "-n", NAMESPACE)
    until(lambda: not hpa("keda-hpa-chat"), 60, "the end of KEDA's HPA")
    cluster.api.apply(an_hpa())
    types("3.", "get hpa", "sed", "outrider scaledobject")
    file = reader.folder / "scaledobject.yaml"
    document, added = yaml.safe_load(file.read_text()), yaml.safe_load(transfer)
    document["metadata"] |= added["metadata"]
    document["spec"]["advanced"]["horizontalPodAutoscalerConfig"] |= added["spec"]["advanced"][
        "horizontalPodAutoscalerConfig"
    ]
    file.write_text(yaml.safe_dump(document))
    uid = hpa("chat-vllm")["metadata"]["uid"]
    types("3.", "apply -f scaledobject.yaml")
    until(seen, 60, "what runs in the policy's status")
    types("3.", '"Active"', "-o wide")
    until(partial(asks, "chat-vllm", ours), 60, "the HPA to follow Outrider")
    assert (target.replicas, hpa("chat-vllm")["metadata"]["uid"]) == (8, uid)
    types("3.", "delete scaledobject", "wait", "apply -f old-hpa.yaml", '"Shadow"')
    assert hpa("chat-vllm")["spec"]["maxReplicas"] == 12
    assert "ownerReferences" not in hpa("chat-vllm")["metadata"]
    assert target.replicas == 8


def cron(replicas: int) -> dict[str, Any]:
    """A ScaledObject of before, with what must not stay."""
    trigger = {"timezone": "UTC", "start": "0 0 * * *", "end": "59 23 * * *", "desiredReplicas": str(replicas)}
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "chat", "namespace": NAMESPACE},
        "spec": {
            "scaleTargetRef": {"name": "chat-vllm"},
            "minReplicaCount": 2,
            "maxReplicaCount": 12,
            "fallback": {"failureThreshold": 3, "replicas": 4},
            "triggers": [{"type": "cron", "metadata": trigger}],
        },
    }


def an_hpa() -> dict[str, Any]:
    """An HPA of before, whose metric cannot be read here."""
    metric = {"metric": {"name": "vllm_num_requests_running"}, "target": {"type": "AverageValue", "averageValue": "40"}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "chat-vllm", "namespace": NAMESPACE},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat-vllm"},
            "minReplicas": 2,
            "maxReplicas": 12,
            "metrics": [{"type": "Pods", "pods": metric}],
        },
    }
