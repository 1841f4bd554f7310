"""What the stand-in does with images, GPUs that come late, weights and compile caches."""

from typing import Any

import pytest

from autoscaler.kube.objects import condition
from tests.e2e.standin.status import Json
from tests.standin.cluster import IMAGE, LLM, Rig, spec

MODEL = "registry.example/model:8b"
SLEEP = ("sleep", "3600")


def allocatable(rig: Rig, name: str) -> Any:
    return rig.kube.objects[f"/api/v1/nodes/{name}"]["status"].get("allocatable", {}).get("nvidia.com/gpu")


def listed(rig: Rig, name: str) -> list[str]:
    """The images in the node's status."""
    found = rig.kube.objects[f"/api/v1/nodes/{name}"]["status"].get("images", [])
    return [each["names"][0] for each in found]


def waiting(rig: Rig, name: str) -> str:
    """Why the first container waits."""
    state: Json = rig.pod(name)["status"]["containerStatuses"][0]["state"]
    return str(state["waiting"]["reason"])


async def test_gpus_come_some_time_after_registration(rig: Rig) -> None:
    await rig.node("n2", gpus=0, annotations={"gpu-seconds": "3", "gpus": "2"})
    await rig.later(2.9)
    assert allocatable(rig, "n2") is None
    await rig.later(0.2)
    assert allocatable(rig, "n2") == "2"


async def test_a_pre_pull_needs_no_gpu_and_the_replica_finds_the_image(rig: Rig) -> None:
    await rig.put()
    await rig.bind("first")  # from which the stand-in knows the workload's image
    await rig.node("n2", gpus=0, annotations={"gpu-seconds": "5", "gpus": "1"})
    await rig.bind("pull", "n2", app="pull", gpus=0, command=SLEEP, restartPolicy="Never")
    assert rig.reasons("pull") == ["Pulling"]
    assert condition(rig.pod("pull"), "PodReadyToStartContainers") is not None
    await rig.later(4)
    assert rig.stage("pull") == "Ready"
    assert listed(rig, "n2") == [IMAGE]
    await rig.later(1)
    await rig.bind("a", "n2")
    assert rig.messages("a")[0] == f'Container image "{IMAGE}" already present on machine'
    await rig.later(5)
    assert rig.stage("a") == "Ready"
    node = (await rig.report())["nodes"]["n2"]
    assert node["gpu_ready"] - node["created"] == 5


async def test_images_of_one_node_are_pulled_one_at_a_time(rig: Rig) -> None:
    await rig.put(spec(images={MODEL: 60}))
    await rig.bind("model", app="other", image=MODEL, gpus=0)
    await rig.later(1)
    await rig.bind("a")
    await rig.later(59 + 3.9)
    assert rig.stage("a") == "Pending"
    await rig.later(0.2)
    assert rig.stage("a") == "Running"
    assert " in 1m0s (1m0s including waiting)" in rig.messages("model")[1]
    assert " in 4s (1m3s including waiting)" in rig.messages("a")[1]


async def test_a_node_may_pull_several_at_a_time(rig: Rig) -> None:
    await rig.put(spec(images={MODEL: 60}))
    await rig.node("n2", annotations={"parallel-pulls": "2"})
    await rig.bind("model", "n2", app="other", image=MODEL, gpus=0)
    await rig.bind("a", "n2")
    await rig.later(4)
    assert rig.stage("a") == "Running"


async def test_a_pause_container_pulls_what_it_mounts(rig: Rig) -> None:
    await rig.put(spec(images={MODEL: 6}))
    await rig.bind("first", "n1")
    await rig.node("n2")
    volumes = [{"name": f"v{i}", "image": {"reference": image}} for i, image in enumerate((IMAGE, MODEL))]
    pause = "registry.k8s.io/pause:3.10"
    await rig.bind("pull", "n2", app="pull", image=pause, gpus=0, volumes=volumes, restartPolicy="Never")
    await rig.later(4 + 6 + 0.5)
    assert rig.stage("pull") == "Ready"
    assert listed(rig, "n2") == [IMAGE, MODEL, pause]
    of_volumes = [each for each in rig.kube.events if "fieldPath" not in each["involvedObject"]]
    assert [each["reason"] for each in of_volumes] == ["Pulling", "Pulled", "Pulling", "Pulled"]
    await rig.later(3600)
    assert rig.stage("pull") == "Ready"


async def test_a_baked_image_is_there_from_the_beginning(rig: Rig) -> None:
    await rig.put()
    await rig.node("n2", annotations={"images": IMAGE})
    assert listed(rig, "n2") == [IMAGE]
    await rig.bind("a", "n2")
    assert rig.stage("a") == "Running"


@pytest.mark.parametrize(("fault", "message"), [("denied", "pull access denied"), ("disk full", "no space left")])
async def test_a_pull_that_fails_is_tried_again(rig: Rig, fault: str, message: str) -> None:
    await rig.put()
    await rig.control.put(f"{LLM}/faults", json={"pulls": fault})
    await rig.bind("a")
    assert rig.reasons("a") == ["Pulling", "Failed", "Failed", "BackOff", "Failed"]
    assert message in rig.messages("a")[1]
    assert waiting(rig, "a") == "ImagePullBackOff"
    await rig.later(10)
    assert rig.reasons("a").count("Pulling") == 2
    await rig.control.put(f"{LLM}/faults", json={"pulls": "ok"})
    await rig.later(20)  # the back-off has doubled
    assert rig.stage("a") == "Pending"
    await rig.later(4)
    assert rig.stage("a") == "Running"


async def test_a_prefetch_job_brings_the_weights_and_ends(rig: Rig) -> None:
    await rig.put(spec(prefetch_selector={"app": "prefetch"}, weights_seconds=20))
    await rig.bind("prefetch", app="prefetch", image="fetcher", gpus=0, restartPolicy="Never")
    await rig.later(0.5 + 19.9)
    assert rig.stage("prefetch") == "Ready"
    await rig.later(0.2)
    assert rig.stage("prefetch") == "Succeeded"
    await rig.bind("a")
    await rig.later(4 + 3)
    assert rig.stage("a") == "Ready"


async def test_image_and_weights_slow_one_another_while_both_are_fetched(rig: Rig) -> None:
    await rig.put(spec(prefetch_selector={"app": "prefetch"}, image_seconds=230, weights_seconds=60))
    await rig.bind("other", app="other", image="fetcher", gpus=0)
    await rig.later(0.5)
    await rig.bind("prefetch", app="prefetch", image="fetcher", gpus=0, restartPolicy="Never")
    await rig.bind("a")
    await rig.later(68.9)
    assert rig.stage("prefetch") == "Ready"
    await rig.later(0.2)
    assert rig.stage("prefetch") == "Succeeded"
    await rig.later(239 - 69.1 - 0.1)  # 60 s of the image's 230 took 69 s
    assert rig.stage("a") == "Pending"
    await rig.later(0.2)
    assert rig.stage("a") == "Running"


async def test_a_job_that_does_nothing_else_ends_once_it_has_its_image(rig: Rig) -> None:
    await rig.bind("job", app="job", image="job", gpus=0, restartPolicy="Never", command=("true",))
    await rig.later(0.5)
    assert rig.stage("job") == "Succeeded"


@pytest.mark.parametrize(("where", "second_node_seconds"), [("node", 4 + 2 + 3), ("shared", 4 + 2 + 1)])
async def test_a_compile_cache_shortens_the_warm_up_where_it_has_the_graphs(
    rig: Rig, where: str, second_node_seconds: float
) -> None:
    await rig.put(spec(cached_warmup_seconds=1, compile_cache=where))
    await rig.bind("a")
    await rig.later(9)
    await rig.bind("b")
    await rig.later(1)
    assert rig.stage("b") == "Ready"
    await rig.node("n2")
    await rig.bind("c", "n2")
    await rig.later(second_node_seconds - 0.1)
    assert rig.stage("c") == "Running"
    await rig.later(0.2)
    assert rig.stage("c") == "Ready"
    await rig.bind("d", image=f"{IMAGE}-patched")  # a new image compiles anew
    await rig.later(4 + 2.9)
    assert rig.stage("d") == "Running"
