"""Nodes, and what the kubelets report of image pulls."""

from dataclasses import replace
from typing import Any

import pytest

from crds.notation.timestamps import timestamp
from replay.sim.views import NodeView, Phase
from replay.simcluster.pulls import duration
from tests.replay.simcluster.conftest import Running
from tests.replay.simcluster.fake_world import START
from tests.replay.simcluster.test_api import PODS

NODES = "/api/v1/nodes"
LAUNCHED = NodeView("node-1", START, None, None, False, (), 1)
REGISTERED = replace(LAUNCHED, registered_seconds=START + 30)
READY = replace(REGISTERED, ready_seconds=START + 60)


async def _messages(cluster: Running, pod: str) -> list[str]:
    found = await cluster.get(f"/api/v1/namespaces/serving/events?fieldSelector=involvedObject.name%3D{pod}")
    return [each["message"].replace(each["message"].split('"')[1], "X") for each in found["items"]]


async def test_a_node_appears_as_it_registers_then_its_gpus_and_its_image(cluster: Running) -> None:
    cluster.world.machines = [LAUNCHED]
    cluster.pass_time(1)
    assert (await cluster.get(NODES))["items"] == []
    cluster.world.machines = [REGISTERED]
    cluster.pass_time(1)
    node = await cluster.get(f"{NODES}/node-1")
    assert node["metadata"]["creationTimestamp"] == timestamp(START + 30)
    assert "nvidia.com/gpu" not in node["status"]["allocatable"]
    cluster.world.machines = [READY]
    cluster.pass_time(1)
    node = await cluster.get(f"{NODES}/node-1")
    assert node["status"]["allocatable"]["nvidia.com/gpu"] == "1"
    assert node["status"]["images"] == []
    cluster.world.machines = [replace(READY, has_image=True, occupants=("llm-0",))]
    cluster.pass_time(1)
    [image] = (await cluster.get(f"{NODES}/node-1"))["status"]["images"]
    pod = await cluster.get(f"{PODS}/llm-0")
    assert image["names"] == [pod["spec"]["containers"][0]["image"]]
    cluster.world.machines = []
    cluster.pass_time(1)
    await cluster.get(f"{NODES}/node-1", code=404)


async def test_a_pull_is_reported_with_its_duration(cluster: Running) -> None:
    cluster.world.scale(2)
    cluster.world.change("llm-1", scheduled_seconds=START + 2, node="node-1", phase=Phase.PULLING)
    cluster.pass_time(2)
    assert await _messages(cluster, "llm-1") == ['Pulling image "X"']
    cluster.world.change("llm-1", image_ready_seconds=START + 232.5, phase=Phase.LOADING)
    cluster.pass_time(231)
    cluster.world.change("llm-1", started_seconds=START + 240, phase=Phase.WARMING)
    cluster.pass_time(10)
    assert (await _messages(cluster, "llm-1"))[1:] == [
        'Successfully pulled image "X" in 3m50.5s (3m50.5s including waiting). Image size: 9663676416 bytes.'
    ]
    conditions = (await cluster.get(f"{PODS}/llm-1"))["status"]["conditions"]
    [began] = [each for each in conditions if each["type"] == "PodReadyToStartContainers"]
    assert began["status"] == "True"


async def test_an_image_that_is_there_is_reported_as_present(cluster: Running) -> None:
    assert await _messages(cluster, "llm-0") == ['Container image "X" already present on machine']


@pytest.mark.parametrize("path", [NODES, f"{NODES}/none"])
async def test_nodes_have_no_namespace(cluster: Running, path: str) -> None:
    answer: Any = await cluster.get(path.replace("/nodes", "/namespaces/serving/nodes"), code=404)
    assert answer["code"] == 404


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (0.3, "300ms"),
        (1.0, "1s"),
        (4.25, "4.25s"),
        (65.0, "1m5s"),
        (244.9567, "4m4.956s"),
        (60.0, "1m0s"),
        (3602.5, "1h0m2.5s"),
    ],
)
def test_durations_are_as_go_prints_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
