"""A simulated API server with a fake world behind it."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest

from crds.files import PolicyDocument, one_policy
from crds.workload import Workload
from replay.sim.world import World
from replay.simcluster import pods
from replay.simcluster import server as servers
from replay.simcluster.api import Api
from replay.simcluster.controllers import Controllers
from replay.simcluster.network import PodNetwork
from replay.simcluster.policy import stored
from replay.simcluster.replicas import Replicas
from replay.simcluster.resources import SCALING_POLICIES
from replay.simcluster.store import Store
from tests.replay.simcluster.fake_world import START, FakeWorld

PORT = 18765
POLICY = f"""
apiVersion: outrider.dev/v1alpha1
kind: ScalingPolicy
metadata:
  name: llm
  namespace: serving
spec:
  target: {{name: llm}}
  profile: 8b-l4
  maxReplicas: 8
  maxPreparedNodes: 2
  metrics: {{port: {PORT}}}
"""


@dataclass
class Server:
    """An API server by its URL: ours, or a real one."""

    url: str
    http: aiohttp.ClientSession

    async def get(self, path: str, code: int = 200) -> Any:
        return await self.ask("GET", path, code=code)

    async def ask(self, method: str, path: str, body: Any = None, *, code: int = 200, kind: str = "json") -> Any:
        headers = {"Content-Type": f"application/{kind}"}
        data = None if body is None else json.dumps(body)
        async with self.http.request(method, self.url + path, data=data, headers=headers) as response:
            answer = await response.json()
            assert response.status == code, answer
            return answer


@dataclass
class Running(Server):
    """The simulated server, and what is behind it for a test to change."""

    world: FakeWorld
    store: Store
    controllers: Controllers
    network: PodNetwork
    workload: Workload
    now: float = START

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.controllers.sync()


@pytest.fixture
def policy_file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return path


@pytest.fixture
def policy(policy_file: Path) -> PolicyDocument:
    return one_policy(str(policy_file))


@pytest.fixture
async def cluster(policy: PolicyDocument) -> AsyncIterator[Running]:
    held, workload = stored(policy, START)
    world = FakeWorld()
    store = Store(history=64)
    network = PodNetwork(workload.endpoint.ports[0])
    store.put(SCALING_POLICIES, held)
    running: Running | None = None
    replicas = Replicas(cast(World, world), store, network, workload)
    controllers = Controllers([replicas], store, network, lambda: START if running is None else running.now)
    await network.start(pods.application(network, controllers, "/metrics", lambda _pod: None))
    server = servers.Server(Api(store, controllers, lambda: {"replicas": 1}).application(), 0)
    url = await server.start()
    async with aiohttp.ClientSession() as http:
        running = Running(url, http, world, store, controllers, network, workload)
        yield running
    await server.stop()
    await network.stop()


@pytest.fixture
def api(cluster: Running) -> Server:
    """The API under contract. tests/e2e/test_contract.py puts a real one in its place."""
    return cluster
