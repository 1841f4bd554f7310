"""What the simulated cluster does behind its API: the world as Kubernetes objects."""

import asyncio

import aiohttp
import pytest

from replay.sim.views import Ended, Phase
from tests.replay.simcluster.conftest import PORT, Running
from tests.replay.simcluster.fake_world import START
from tests.replay.simcluster.test_api import JOBS, PODS, a_job


async def _listens(address: str) -> bool:
    try:
        _, writer = await asyncio.open_connection(address, PORT)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


async def _pod(cluster: Running, name: str) -> tuple[str, dict[str, str], str | None]:
    pod = await cluster.get(f"{PODS}/{name}")
    conditions = {condition["type"]: condition["status"] for condition in pod["status"]["conditions"]}
    return pod["status"]["phase"], conditions, pod["status"].get("podIP")


async def test_a_replica_climbs_to_ready(cluster: Running) -> None:
    cluster.world.scale(2)
    cluster.pass_time(1)
    assert await _pod(cluster, "llm-1") == ("Pending", {"PodScheduled": "False"}, None)
    cluster.world.change("llm-1", scheduled_seconds=START + 2, node="node-1", phase=Phase.PULLING)
    cluster.pass_time(1)
    phase, conditions, address = await _pod(cluster, "llm-1")
    assert (phase, conditions["PodScheduled"], conditions["Ready"]) == ("Pending", "True", "False")
    assert address is not None
    cluster.world.change("llm-1", image_ready_seconds=START + 3, phase=Phase.LOADING)
    cluster.pass_time(1)
    assert (await _pod(cluster, "llm-1"))[0] == "Running"
    cluster.world.change("llm-1", started_seconds=START + 4, phase=Phase.WARMING)
    cluster.pass_time(1)
    assert not await _listens(address)
    cluster.world.change("llm-1", ready_seconds=START + 5, phase=Phase.SERVING)
    cluster.pass_time(1)
    assert (await _pod(cluster, "llm-1"))[1]["Ready"] == "True"
    assert await _listens(address)


async def test_a_draining_pod_is_ready_and_deleted(cluster: Running) -> None:
    cluster.world.change("llm-0", deleted_seconds=START + 1, phase=Phase.TERMINATING)
    cluster.pass_time(1)
    pod = await cluster.get(f"{PODS}/llm-0")
    assert pod["metadata"]["deletionTimestamp"]
    assert (await _pod(cluster, "llm-0"))[1]["Ready"] == "True"
    deployment = await cluster.get("/apis/apps/v1/namespaces/serving/deployments/llm")
    assert "replicas" not in deployment["status"]
    address = pod["status"]["podIP"]
    del cluster.world.views["llm-0"]
    cluster.pass_time(1)
    await cluster.get(f"{PODS}/llm-0", code=404)
    assert not await _listens(address)


async def test_a_kept_connection_ends_with_its_pod(cluster: Running) -> None:
    pod = await cluster.get(f"{PODS}/llm-0")
    url = f"http://{pod['status']['podIP']}:{PORT}/metrics"
    async with cluster.http.get(url) as response:
        assert "vllm:num_requests_running" in await response.text()
    cluster.world.views.clear()
    cluster.pass_time(1)
    with pytest.raises(aiohttp.ClientConnectionError):
        await cluster.http.get(url)


async def test_a_balloon_runs_and_meets_its_deadline(cluster: Running) -> None:
    await cluster.ask("POST", JOBS, a_job(activeDeadlineSeconds=100), code=201)
    name = "serving/balloon-0"
    assert cluster.world.held[name].deadline_seconds == START + 100
    cluster.world.change_balloon(name, node="node-1", scheduled_seconds=START + 1, running_seconds=START + 2)
    cluster.pass_time(2)
    [pod] = (await cluster.get(f"{PODS}?labelSelector=job-name%3Dballoon-0"))["items"]
    assert (pod["status"]["phase"], pod["spec"]["nodeName"]) == ("Running", "node-1")
    assert (await cluster.get(f"{JOBS}/balloon-0"))["status"]["ready"] == 1
    cluster.world.end_balloon(name, Ended.DEADLINE)
    cluster.pass_time(98)
    status = (await cluster.get(f"{JOBS}/balloon-0"))["status"]
    failed = {condition["type"]: condition["reason"] for condition in status["conditions"]}
    assert failed["Failed"] == "DeadlineExceeded"
    assert (await cluster.get(f"{PODS}?labelSelector=job-name"))["items"] == []
    cluster.pass_time(59)
    await cluster.get(f"{JOBS}/balloon-0")
    cluster.pass_time(1)
    await cluster.get(f"{JOBS}/balloon-0", code=404)
    assert not cluster.world.held


async def test_a_preempted_balloon_fails_without_retry(cluster: Running) -> None:
    await cluster.ask("POST", JOBS, a_job(), code=201)
    cluster.world.end_balloon("serving/balloon-0", Ended.PREEMPTED)
    cluster.pass_time(1)
    status = (await cluster.get(f"{JOBS}/balloon-0"))["status"]
    assert {condition["reason"] for condition in status["conditions"]} == {"BackoffLimitExceeded"}


async def test_a_watch_that_is_too_old_is_refused(cluster: Running) -> None:
    for i in range(70):  # the store keeps 64 changes
        cluster.world.change("llm-0", node=f"node-{i}")
        cluster.pass_time(1)
    url = f"{cluster.url}{PODS}?watch=1&resourceVersion=2"
    async with cluster.http.get(url) as response:
        event = await response.json(content_type=None)
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")


async def test_orphans_are_not_left_silently(cluster: Running) -> None:
    """By default a real API server leaves a Job's pod behind."""
    await cluster.ask("POST", JOBS, a_job(), code=201)
    status = await cluster.ask("DELETE", f"{JOBS}/balloon-0", code=400)
    assert "does not support propagationPolicy Orphan" in status["message"]
