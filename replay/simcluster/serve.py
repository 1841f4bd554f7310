"""The simulated cluster as a whole: starts its servers, advances time, stops."""

import asyncio
import tempfile
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from crds.files import PolicyDocument, PolicyFileError, PoolDocument
from crds.keda import Wiring, manifests
from replay.scenario.cluster import ClusterScenario
from replay.scenario.scenario import Scenario
from replay.sim.cluster import Cluster
from replay.sim.world import World
from replay.simcluster import past, pods, prometheus, tables
from replay.simcluster.api import Api
from replay.simcluster.clock import ScenarioClock
from replay.simcluster.controllers import Controllers, Shared
from replay.simcluster.keda import Keda
from replay.simcluster.lateness import Lateness
from replay.simcluster.network import PodNetwork
from replay.simcluster.policy import put_pool, stored, traffic
from replay.simcluster.replicas import Replicas
from replay.simcluster.resources import GPU_POOLS, SCALING_POLICIES, Json
from replay.simcluster.scaledobject import read
from replay.simcluster.server import Server
from replay.simcluster.state import snapshot, together
from replay.simcluster.store import Store

TICK_WALL_SECONDS = 0.05  # the most that the world lags behind the clock
START_WALL_SECONDS = 180.0  # in which a controller has to start; on a machine with a load of 15 it took over a minute
BEFORE_SECONDS = 600.0  # of scenario time, at the wall's rate, until then


@dataclass(frozen=True)
class Endpoints:
    """Where everything listens, and the file by which a controller shares the scenario's clock."""

    api_url: str
    kubeconfig_path: Path
    prometheus_url: str
    clock_file: Path


class SimCluster:
    """One scenario, served, `rate` times as fast as the wall. One of several workloads has a policy for each, in order.

    With a `slowest_rate` the scenario belongs to one controller, at `scaler_address`. It begins once that is ready to decide:
    scenario time stands before the start until the scaler listens, and goes at the wall's rate until the policy has a status.
    Then it runs as fast as the controller's scrapes keep up with, between the two rates.

    `kubeconfig_path`, with the clock file beside it, is written by `start`; by default in a folder of its own that `stop`
    removes. `scaler_address` is where KEDA finds the scaler; without one it waits for `connect`. Raises PolicyFileError for a
    policy it cannot run.
    """

    def __init__(
        self,
        scenario: Scenario | ClusterScenario,
        policy: PolicyDocument | Sequence[PolicyDocument],
        rate: float,
        *,
        pool: PoolDocument | None = None,
        api_port: int = 0,
        prometheus_port: int = 0,
        scaler_address: str | None = None,
        kubeconfig_path: Path | None = None,
        slowest_rate: float | None = None,
    ) -> None:
        self._scenario = scenario
        self._end_seconds = scenario.start_seconds + scenario.duration_seconds
        self._rate = rate
        self._scaler_address = scaler_address
        self._kubeconfig_path = kubeconfig_path
        self._waits = slowest_rate is not None
        self._lateness = Lateness(rate, slowest_rate or rate)
        self._waits_for: str | None = "the controller to start" if self._waits else None
        given = (policy,) if isinstance(policy, PolicyDocument) else tuple(policy)
        found = [stored(each, scenario.start_seconds) for each in given]
        self._policies, self.workloads = [raw for raw, _ in found], tuple(workload for _, workload in found)
        self.workload = self.workloads[0]
        if {(each.endpoint.ports, each.endpoint.path) for each in self.workloads} != {
            (self.workload.endpoint.ports, self.workload.endpoint.path)
        }:
            raise PolicyFileError(
                f"{given[0].where}: spec.metrics: simulated pods have one port and path, the same for all"
            )
        self._network = PodNetwork(self.workload.endpoint.ports[0])
        self._store = Store()
        self.cluster = Cluster(scenario) if isinstance(scenario, ClusterScenario) else None
        self._traffic = traffic(scenario, self.workload.target.name)
        worlds = [
            World(each, name) if self.cluster is None else self.cluster.workload(name) for name, each in self._traffic
        ]
        self.world = worlds[0]
        self._members = [
            Replicas(world, self._store, self._network, workload)
            for world, workload in zip(worlds, self.workloads, strict=True)
        ]
        if not self._waits:
            for raw in self._policies:
                self._store.put(SCALING_POLICIES, raw)
        shared = None
        if self.cluster is not None and isinstance(scenario, ClusterScenario):
            labels = {} if pool is None else {each.name: each.node_selector for each in pool.pool.offerings}
            shared = Shared(self.cluster, labels)
            put_pool(self._store, scenario, pool)
        self._clock: ScenarioClock | None = None
        self._controllers = Controllers(self._members, self._store, self._network, self._now, shared)
        self._prometheus: list[prometheus.Prometheus] = []
        for workload, (_, each) in zip(self.workloads, self._traffic, strict=True):
            name, namespace = workload.target.name, workload.namespace
            seen = {"namespace": namespace, "pod": f"{name}-5d4f8b7c6-x2lqz", "job": f"{namespace}/{name}"}
            known = [] if each.past is None else past.series(each.past, each.hardware, each.start_seconds, seen)
            beside = self._prometheus[0] if self._prometheus else None
            self._prometheus.append(prometheus.Prometheus(known, namespace, name, beside))
        self._controllers.scrape_every(prometheus.SCRAPE_SECONDS, self._scrape)
        api = Api(self._store, self._controllers, self.state)
        self._servers = (
            Server(api.application(), api_port),
            Server(prometheus.application(self._prometheus[0], self._now, self._controllers.sync), prometheus_port),
        )
        self._keda: list[Keda] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._failure: asyncio.Future[None] | None = None  # fails with the first task that fails
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    async def start(self) -> Endpoints:
        """Listen, write the kubeconfig, and start the clock. Raises OSError or NetworkError if a port is in use."""
        endpoint = self.workload.endpoint
        await self._network.start(pods.application(self._network, self._controllers, endpoint.path, self._scraped))
        api_url, prometheus_url = [await server.start() for server in self._servers]
        kubeconfig = self._kubeconfig_path or self._own_folder() / "kubeconfig"
        self._write_kubeconfig(kubeconfig, api_url)
        clock_file = kubeconfig.with_name(f"{kubeconfig.name}.clock")
        start_seconds = self._scenario.start_seconds
        if self._waits:
            self._clock = ScenarioClock(clock_file, start_seconds - BEFORE_SECONDS, 1.0)
        else:
            self._clock = ScenarioClock(clock_file, start_seconds, self._rate)
        self._failure = asyncio.get_running_loop().create_future()
        self._spawn(self._tick(self._clock))
        if self._scaler_address is not None:
            self.connect(self._scaler_address)
        return Endpoints(api_url, kubeconfig, prometheus_url, clock_file)

    def connect(self, scaler_address: str) -> None:
        """Create the ScaledObjects once the scaler listens: without a scaler, KEDA would retry less and less often."""
        if self._clock is None or self._keda:
            raise RuntimeError("call connect once, after start")
        host, _, port = scaler_address.rpartition(":")
        if not host or not port.isdecimal():
            raise ValueError(f"the scaler's address must be HOST:PORT, not {scaler_address!r}")
        for member in self._members:
            scaled_object = read(manifests(member.workload, Wiring(scaler_address))[-1])
            keda = Keda(scaled_object, member, self._clock, self._rate)
            keda.problem = f"no ScaledObject yet: nothing listens on {scaler_address}"
            self._keda.append(keda)
        self._spawn(self._follow(self._clock, host, int(port)))

    async def _follow(self, clock: ScenarioClock, host: str, port: int) -> None:
        async with asyncio.timeout(START_WALL_SECONDS if self._waits else None):
            await self._listening(clock, host, port)
            if self._waits:
                await self._ready(clock)
        async with asyncio.TaskGroup() as group:
            for keda in self._keda:
                group.create_task(keda.run())

    async def _listening(self, clock: ScenarioClock, host: str, port: int) -> None:
        while True:
            try:
                _, probe = await asyncio.open_connection(host, port)
            except OSError:
                await clock.pause(TICK_WALL_SECONDS)
            else:
                probe.close()
                return

    async def _ready(self, clock: ScenarioClock) -> None:
        """Begin the scenario with the policies' creation; at the wall's rate until the controller has written each status."""
        clock.leap(self._scenario.start_seconds)
        self._waits_for = "the controller to read its history"
        created = [self._store.put(SCALING_POLICIES, raw)["metadata"] for raw in self._policies]
        while not all(self._has_status(each["namespace"], each["name"]) for each in created):
            await self._store.wait()
        self._waits_for = None

    def _has_status(self, namespace: str, name: str) -> bool:
        return bool((self._store.get(SCALING_POLICIES, namespace, name) or {}).get("status"))

    async def run(self) -> None:
        """Wait until the scenario is over. Raises the error that stopped the cluster before that."""
        if self._clock is None or self._failure is None:
            raise RuntimeError("call run after start")
        over = asyncio.create_task(self._clock.sleep(self._end_seconds - self._clock.now()))
        try:
            await asyncio.wait([over, self._failure], return_when=asyncio.FIRST_COMPLETED)
            if self._failure.done():
                self._failure.result()
        finally:
            over.cancel()
        self._controllers.sync()

    async def stop(self) -> None:
        """Close everything; `world` stays readable."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._failure is not None:
            self._failure.cancel()
        for server in self._servers:
            await server.stop()
        await self._network.stop()
        if self._folder is not None:
            self._folder.cleanup()

    def state(self) -> Json:
        """The cluster's state for display; the API serves it at /demo/state."""
        self._controllers.sync()
        problems = [each.problem for each in self._keda if each.problem is not None]
        each_alone = [
            snapshot(member.world, scenario, problems[0] if problems else None)
            for member, (_, scenario) in zip(self._members, self._traffic, strict=True)
        ]
        shown = each_alone[0] if self.cluster is None else together(self.cluster, self._scenario.name, each_alone)
        return {
            **shown,
            "pools": self._pools(),
            "speed": self._rate if self._clock is None else self._clock.rate,
            "waits_for": self._waits_for,
            "missed_scrapes_share": self._lateness.missed_share(self._now()),
        }

    def _pools(self) -> list[dict[str, object]]:
        """The pools as `kubectl get gpupool` shows them."""
        pools = list(self._store.objects(GPU_POOLS))
        shown = tables.table(GPU_POOLS, {"items": pools, "metadata": {"resourceVersion": ""}}, self._now())
        columns = [(each["name"], not each["priority"]) for each in shown["columnDefinitions"]]
        return [
            {name: cell for (name, narrow), cell in zip(columns, row["cells"], strict=True) if narrow}
            for row in shown["rows"]
        ]

    def _now(self) -> float:
        """The world's time, which stops before the scenario's start and after its end."""
        if self._clock is None:
            return self._scenario.start_seconds
        return min(max(self._clock.now(), self._scenario.start_seconds), self._end_seconds)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and self._failure is not None and not self._failure.done():
            self._failure.set_exception(error)

    def _scrape(self, at_seconds: float) -> None:
        for member, scraped in zip(self._members, self._prometheus, strict=True):
            instances = {pod: f"{self._network.address(pod)}:{self._network.port}" for pod in member.samples}
            scraped.scrape(at_seconds, member.samples, instances)

    def _scraped(self, pod: str) -> None:
        if self._clock is not None:
            self._lateness.scraped(pod, self._now(), self._clock.rate)

    async def _tick(self, clock: ScenarioClock) -> None:
        while True:
            self._controllers.sync()
            self._lateness.look(self._controllers.samples.keys(), self._now(), clock.rate)
            if self._waits_for is None:
                clock.run(self._lateness.rate, self._lateness.limit_seconds)
            else:
                clock.run(1.0)
            await clock.pause(TICK_WALL_SECONDS)

    def _own_folder(self) -> Path:
        self._folder = tempfile.TemporaryDirectory(prefix="outrider-cluster-")
        return Path(self._folder.name)

    def _write_kubeconfig(self, path: Path, api_url: str) -> None:
        name = "outrider-simulated"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": api_url}}],
            "users": [{"name": name, "user": {}}],
            "contexts": [
                {"name": name, "context": {"cluster": name, "user": name, "namespace": self.workload.namespace}}
            ],
            "current-context": name,
        }
        path.write_text(yaml.safe_dump(config))
