"""The simulated cluster as a whole: starts its servers, advances time, stops."""

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path

import yaml

from crds.files import PolicyDocument
from crds.keda import Wiring, manifests
from replay.scenario.scenario import Scenario
from replay.sim.world import World
from replay.simcluster import past, pods, prometheus
from replay.simcluster.api import Api
from replay.simcluster.clock import ScenarioClock
from replay.simcluster.controllers import Controllers
from replay.simcluster.keda import Keda
from replay.simcluster.network import PodNetwork
from replay.simcluster.policy import stored
from replay.simcluster.resources import SCALING_POLICIES, Json
from replay.simcluster.scaledobject import read
from replay.simcluster.server import Server
from replay.simcluster.state import snapshot
from replay.simcluster.store import Store

TICK_WALL_SECONDS = 0.05  # the most that the world lags behind the clock


@dataclass(frozen=True)
class Endpoints:
    """Where everything listens. The two epochs are the same moment, in scenario time and in Unix wall time."""

    api_url: str
    kubeconfig_path: Path
    prometheus_url: str
    scenario_epoch_seconds: float
    wall_epoch_seconds: float


class SimCluster:
    """One scenario, served. `start` starts the clock `lead_in_seconds` of scenario time before the scenario begins.

    The lead-in gives a controller time to start: the policy is applied when the scenario begins, and nothing changes before.

    `kubeconfig_path` is written by `start`; by default in a folder of its own that `stop` removes. `scaler_address` is
    where KEDA finds the scaler; without one it waits for `connect`. Raises PolicyFileError for a policy it cannot run.
    """

    def __init__(
        self,
        scenario: Scenario,
        policy: PolicyDocument,
        rate: float,
        *,
        api_port: int = 0,
        prometheus_port: int = 0,
        scaler_address: str | None = None,
        kubeconfig_path: Path | None = None,
        lead_in_seconds: float = 0.0,
    ) -> None:
        self._scenario = scenario
        self._end_seconds = scenario.start_seconds + scenario.duration_seconds
        self._rate = rate
        self._scaler_address = scaler_address
        self._kubeconfig_path = kubeconfig_path
        self._lead_in_seconds = lead_in_seconds
        self._policy, self.workload = stored(policy, scenario.start_seconds)
        name, namespace = self.workload.target.name, self.workload.namespace
        self.world = World(scenario, name)
        self._network = PodNetwork(self.workload.endpoint.port)
        self._store = Store()
        if not lead_in_seconds:
            self._store.put(SCALING_POLICIES, self._policy)
        self._clock: ScenarioClock | None = None
        self._controllers = Controllers(self.world, self._store, self._network, self.workload, self._now)
        labels = {"namespace": namespace, "pod": f"{name}-before", "job": f"{namespace}/{name}"}
        before = scenario.past
        known = [] if before is None else past.series(before, scenario.hardware, scenario.start_seconds, labels)
        self._prometheus = prometheus.Prometheus(known, namespace, name)
        self._controllers.scrape_every(prometheus.SCRAPE_SECONDS, self._scrape)
        api = Api(self._store, self._controllers, self.state)
        self._servers = (
            Server(api.application(), api_port),
            Server(prometheus.application(self._prometheus, self._now, self._controllers.sync), prometheus_port),
        )
        self._keda: Keda | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._failure: asyncio.Future[None] | None = None  # fails with the first task that fails
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    async def start(self) -> Endpoints:
        """Listen, write the kubeconfig, and start the clock. Raises OSError or NetworkError if a port is in use."""
        endpoint = self.workload.endpoint
        await self._network.start(
            pods.application(self._network, self._controllers, endpoint.path, self.workload.target.name)
        )
        api_url, prometheus_url = [await server.start() for server in self._servers]
        self._clock = ScenarioClock(self._rate, self._scenario.start_seconds - self._lead_in_seconds)
        self._failure = asyncio.get_running_loop().create_future()
        self._spawn(self._tick(self._clock))
        if self._lead_in_seconds:
            self._spawn(self._apply(self._clock))
        if self._scaler_address is not None:
            self.connect(self._scaler_address)
        return Endpoints(
            api_url,
            self._write_kubeconfig(api_url),
            prometheus_url,
            self._clock.scenario_epoch_seconds,
            self._clock.wall_epoch_seconds,
        )

    def connect(self, scaler_address: str) -> None:
        """Create the ScaledObject once the scaler listens: without a scaler, KEDA would retry less and less often."""
        if self._clock is None or self._keda is not None:
            raise RuntimeError("call connect once, after start")
        host, _, port = scaler_address.rpartition(":")
        if not host or not port.isdecimal():
            raise ValueError(f"the scaler's address must be HOST:PORT, not {scaler_address!r}")
        scaled_object = read(manifests(self.workload, Wiring(scaler_address))[-1])
        self._keda = Keda(scaled_object, self._controllers, self._clock, self._rate)
        self._keda.problem = f"no ScaledObject yet: nothing listens on {scaler_address}"
        self._spawn(self._follow(self._keda, self._clock, host, int(port)))

    async def _follow(self, keda: Keda, clock: ScenarioClock, host: str, port: int) -> None:
        while True:
            try:
                _, probe = await asyncio.open_connection(host, port)
            except OSError:
                await clock.sleep(TICK_WALL_SECONDS * self._rate)
            else:
                probe.close()
                return await keda.run()

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
        now = self._scenario.start_seconds if self._clock is None else self._clock.now()
        lead_in_seconds = max(0.0, self._scenario.start_seconds - now)
        return snapshot(self.world, self._scenario, None if self._keda is None else self._keda.problem, lead_in_seconds)

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
        samples = self._controllers.samples
        instances = {pod: f"{self._network.address(pod)}:{self._network.port}" for pod in samples}
        self._prometheus.scrape(at_seconds, samples, instances)

    async def _apply(self, clock: ScenarioClock) -> None:
        await clock.sleep(self._scenario.start_seconds - clock.now())
        self._store.put(SCALING_POLICIES, self._policy)

    async def _tick(self, clock: ScenarioClock) -> None:
        while True:
            self._controllers.sync()
            await clock.sleep(TICK_WALL_SECONDS * self._rate)

    def _write_kubeconfig(self, api_url: str) -> Path:
        path = self._kubeconfig_path
        if path is None:
            self._folder = tempfile.TemporaryDirectory(prefix="outrider-cluster-")
            path = Path(self._folder.name) / "kubeconfig"
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
        return path
