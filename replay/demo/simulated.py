"""The process of the simulated cluster. It ends with its scenario, or when the other end of its link closes."""

import asyncio
import os
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from replay.cluster_run import ClusterOutcome
from replay.driver import Outcome
from replay.scenario.documents import Served
from replay.scenario.scenario import Scenario

if TYPE_CHECKING:
    from replay.simcluster.serve import SimCluster

LOG = "cluster.log"
FRAME_WALL_SECONDS = 0.15
SLOWEST_SPEED = 1.0


@dataclass(frozen=True)
class Play:
    """What is played, and where its files go."""

    served: Served
    speed: float
    scaler_address: str
    folder: Path
    slowest_speed: float = SLOWEST_SPEED  # to which the clock may slow down while scrapes are late


@dataclass(frozen=True)
class NotReady:
    """The controller was not ready to decide after so many seconds of wall time."""

    after_seconds: float


def serve(play: Play, link: Connection) -> None:
    """Send the endpoints, a snapshot each frame, and the outcome: at the end, or so far when anything is received."""
    log = os.open(play.folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    asyncio.run(_serve(play, link))


async def _serve(play: Play, link: Connection) -> None:
    from replay.sim.cluster import Cluster  # noqa: PLC0415
    from replay.sim.world import World  # noqa: PLC0415
    from replay.simcluster.serve import START_WALL_SECONDS, SimCluster  # noqa: PLC0415 - slow; the parent needs `Play` only

    scenario = play.served.scenario
    first = World(scenario) if isinstance(scenario, Scenario) else Cluster(scenario)
    first.advance(scenario.start_seconds + 1.0)  # compiles now, not while the clock runs
    cluster = SimCluster(
        scenario,
        play.served.policies,
        play.speed,
        pool=play.served.pool,
        scaler_address=play.scaler_address,
        kubeconfig_path=play.folder / "kubeconfig",
        slowest_rate=min(play.speed, play.slowest_speed),
    )
    left = asyncio.Event()
    asyncio.get_running_loop().add_reader(link.fileno(), left.set)
    try:
        link.send(await cluster.start())
        run = asyncio.create_task(cluster.run())
        while not run.done() and not left.is_set():
            link.send(cluster.state())
            await asyncio.wait((run,), timeout=FRAME_WALL_SECONDS)
        if run.done():
            run.result()
        link.send(cluster.state())
        link.send(_outcome(cluster, play.served))
        run.cancel()
    except TimeoutError:
        link.send(NotReady(START_WALL_SECONDS))
    except BrokenPipeError:
        pass
    finally:
        await cluster.stop()


def _outcome(cluster: "SimCluster", served: Served) -> Outcome | ClusterOutcome:
    waits = {each.workload.target.name: each.workload.policy.queue_wait_seconds for each in served.policies}
    if cluster.cluster is None:
        return Outcome(cluster.world.score(), cluster.world.share_within(*waits.values()))
    score = cluster.cluster.score()
    reached = {name: cluster.cluster.workload(name).share_within(wait) for name, wait in waits.items()}
    return ClusterOutcome(score, {name: Outcome(each, reached[name]) for name, each in score.workloads})
