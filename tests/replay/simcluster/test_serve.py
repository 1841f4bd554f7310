"""The whole cluster with a real world behind it, met through the live client and by hand.

Two of them take half a second of wall time, 15 s of the scenario's: that time passes is what they show.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import aiohttp
import grpc
import numpy as np
import pytest

from autoscaler.clock import ScenarioClock
from autoscaler.kube.client import Kube
from autoscaler.kube.collection import Collection, jobs, pods, policies
from autoscaler.scaler.externalscaler_pb2_grpc import add_ExternalScalerServicer_to_server
from autoscaler.sources.vllm import parse
from crds.files import PolicyDocument, PolicyFileError, one_policy
from replay.scenario.scenario import L4_8B, Scenario
from replay.simcluster.network import BLOCKS, PodNetwork
from replay.simcluster.policy import stored
from replay.simcluster.serve import Endpoints, SimCluster
from replay.traces.trace import Requests
from tests.replay.simcluster.conftest import POLICY, PORT
from tests.replay.simcluster.fake_world import START
from tests.replay.simcluster.test_api import a_job
from tests.replay.simcluster.test_keda import FakeScaler

SCENARIO = Scenario(
    name="steady",
    start_seconds=START,
    duration_seconds=3600.0,
    requests=Requests(np.arange(0.0, 3600.0, 0.5), np.full(7200, 500), np.full(7200, 100)),
    past=None,
    hardware=L4_8B,
    seed=1,
    initial_replicas=2,
)


@pytest.fixture
async def served(policy: PolicyDocument) -> AsyncIterator[tuple[SimCluster, Endpoints]]:
    cluster = SimCluster(SCENARIO, policy, rate=30.0)
    yield cluster, await cluster.start()
    await cluster.stop()


async def _json(http: aiohttp.ClientSession, url: str) -> Any:
    async with http.get(url) as response:
        assert response.status == 200
        return await response.json()


async def test_the_live_client_finds_the_pods_and_scrapes_them(served: tuple[SimCluster, Endpoints]) -> None:
    cluster, endpoints = served
    kube = await Kube.connect(endpoints.kubeconfig_path)
    found, _ = await kube.list_all(pods("serving"))
    assert len(found) == 2
    assert len({pod["status"]["podIP"] for pod in found}) == 2
    async with aiohttp.ClientSession() as http:
        for pod in found:
            async with http.get(f"http://{pod['status']['podIP']}:{PORT}/metrics") as response:
                assert response.headers["Content-Type"].startswith("text/plain; version=")
                sample = parse(await response.read(), pod["metadata"]["name"], START)
            assert sample.started_seconds is not None
            assert sample.running is not None
        state = await _json(http, f"{endpoints.api_url}/demo/state")
        assert (state["replicas"]["Serving"], state["spec_replicas"]) == (2, 2)
        assert state.keys() == cluster.state().keys()
    await kube.close()


async def test_the_live_client_watches_a_job_that_it_made(served: tuple[SimCluster, Endpoints]) -> None:
    kube = await Kube.connect(served[1].kubeconfig_path)
    collection: Collection = jobs("serving")
    _, version = await kube.list_all(collection)
    async with asyncio.timeout(5), aclosing(kube.watch(collection, version, 10.0)) as lines:
        made = await kube.create(collection.path, a_job())
        assert b'"ADDED"' in await anext(lines)
        await kube.delete(collection.item("serving", "balloon-0"), made["metadata"]["uid"])
        async for line in lines:
            if b'"DELETED"' in line:
                break
    await kube.close()


async def test_time_passes_at_its_rate(served: tuple[SimCluster, Endpoints]) -> None:
    _, endpoints = served
    async with aiohttp.ClientSession() as http, asyncio.timeout(5):
        state = await _json(http, f"{endpoints.api_url}/demo/state")
        while state["elapsed_seconds"] < 16.0:
            state = await _json(http, f"{endpoints.api_url}/demo/state")
        answer = await _json(http, f"{endpoints.prometheus_url}/api/v1/query?query=sum(vllm:request_success_total)")
    assert state["requests_per_second"] == pytest.approx(2.0, rel=0.2)
    assert answer["data"]["result"]


async def test_two_clusters_side_by_side(policy: PolicyDocument, served: tuple[SimCluster, Endpoints]) -> None:
    other = SimCluster(SCENARIO, policy, rate=30.0)
    endpoints = await other.start()
    assert endpoints.api_url != served[1].api_url
    await other.stop()
    assert not endpoints.kubeconfig_path.exists()
    assert not endpoints.clock_file.exists()


async def test_the_scenario_begins_when_its_controller_is_ready(policy: PolicyDocument) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    cluster = SimCluster(SCENARIO, policy, rate=30.0, slowest_rate=1.0, scaler_address=address)
    endpoints = await cluster.start()
    clock = ScenarioClock(endpoints.clock_file)
    assert clock.now() < START - 500.0
    assert _waits(cluster) == ("the controller to start", 1.0, 0.0)
    kube = await Kube.connect(endpoints.kubeconfig_path)
    assert await kube.list_all(policies("serving")) == ([], ANY)
    server = grpc.aio.server()
    add_ExternalScalerServicer_to_server(FakeScaler(), server)
    server.add_insecure_port(address)
    await server.start()
    await _until(lambda: _waits(cluster)[0] == "the controller to read its history")
    assert START <= clock.now() < START + 10.0  # it goes on at the wall's rate
    status = {"status": {"message": "No decision yet."}}
    await kube.merge_patch(policies("serving").item("serving", "llm", "status"), status)
    await _until(lambda: _waits(cluster)[0] is None and cluster.state()["speed"] == pytest.approx(10.0))
    await kube.close()
    await server.stop(0)
    await cluster.stop()


def _waits(cluster: SimCluster) -> tuple[str | None, float, float]:
    state = cluster.state()
    return state["waits_for"], state["speed"], state["elapsed_seconds"]


async def _until(holds: Callable[[], bool]) -> None:
    """Let the sockets work until something holds."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110  # it hangs on sockets, which set no event
            await asyncio.sleep(0.001)


def test_addresses_are_handed_round() -> None:
    network = PodNetwork(PORT)
    first = network.address("a")
    assert first.startswith(str(BLOCKS.network_address).rsplit(".", 2)[0])
    assert network.address("a") == first
    network.release("a")
    assert network.address("b") != first
    network._held.close()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "policy.yaml: expected exactly one ScalingPolicy, found 0"),
        (f"{POLICY}---{POLICY.replace('name: llm', 'name: other')}", "found 2"),
        (f"{POLICY}---{POLICY}", "policy.yaml:14: metadata.name: "),
        (
            POLICY.replace("maxReplicas: 8", "maxReplicas: -8"),
            "policy.yaml:10: spec.maxReplicas: -8: below the minimum of 1; instead: ",
        ),
        (POLICY.replace("name: llm}", "name: llm, kind: StatefulSet}"), "Deployments only"),
        (POLICY.replace("metrics: {", "metrics: {scheme: https, "), "http only"),
        ("a: [", "policy.yaml:1: not valid YAML at column 5"),
    ],
)
def test_a_policy_that_cannot_be_served(policy_file: Path, text: str, why: str) -> None:
    policy_file.write_text(text)
    with pytest.raises(PolicyFileError, match=why):
        stored(one_policy(str(policy_file)), START)


async def test_keda_scales_the_world_once_the_scaler_listens(served: tuple[SimCluster, Endpoints]) -> None:
    cluster, _ = served
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    cluster.connect(address)
    assert "nothing listens" in cluster.state()["keda_problem"]
    scaler = FakeScaler()
    scaler.set_answer(4)
    server = grpc.aio.server()
    add_ExternalScalerServicer_to_server(scaler, server)
    server.add_insecure_port(address)
    await server.start()
    async with asyncio.timeout(10):
        while cluster.state()["spec_replicas"] != 4:  # noqa: ASYNC110  # one sync of the HPA is half a second
            await asyncio.sleep(0.02)
    assert cluster.state()["keda_problem"] is None
    await server.stop(0)


async def test_watches_end_cleanly_with_the_server(policy: PolicyDocument) -> None:
    cluster = SimCluster(SCENARIO, policy, rate=30.0)
    endpoints = await cluster.start()
    async with aiohttp.ClientSession() as http:
        response = await http.get(f"{endpoints.api_url}/api/v1/pods?watch=1")
        await response.content.readline()
        await cluster.stop()
        assert (await response.content.read()).count(b"ADDED") == 1  # of two pods; then the end, not an error


async def test_a_run_ends_with_its_scenario(policy: PolicyDocument) -> None:
    cluster = SimCluster(replace(SCENARIO, duration_seconds=6.0), policy, rate=30.0)
    await cluster.start()
    async with asyncio.timeout(5):
        await cluster.run()
    assert cluster.state()["elapsed_seconds"] == 6.0
    await cluster.stop()


async def test_a_run_reports_what_broke_it(policy: PolicyDocument, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = SimCluster(SCENARIO, policy, rate=30.0)
    await cluster.start()

    def broken(to_seconds: float) -> None:
        raise RuntimeError("the world is broken")

    monkeypatch.setattr(cluster.world, "advance", broken)
    async with asyncio.timeout(5):
        with pytest.raises(RuntimeError, match="the world is broken"):
            await cluster.run()
    monkeypatch.undo()
    await cluster.stop()
