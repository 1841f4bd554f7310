"""The process of the simulated cluster. It ends with its scenario, or when the other end of its link closes."""

import asyncio
import os
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from crds.files import PolicyDocument
from replay.scenario.scenario import Scenario

LOG = "cluster.log"
FRAME_WALL_SECONDS = 0.15
LEAD_IN_WALL_SECONDS = 10.0  # time for the controller to start, mostly imports


@dataclass(frozen=True)
class Play:
    """What is played, and where its files go."""

    scenario: Scenario
    policy: PolicyDocument
    speed: float
    queue_wait_seconds: float  # of the SLO
    scaler_address: str
    folder: Path


def serve(play: Play, link: Connection) -> None:
    """Send the endpoints, a snapshot each frame, and the outcome at the end."""
    log = os.open(play.folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    asyncio.run(_serve(play, link))


async def _serve(play: Play, link: Connection) -> None:
    from replay.driver import Outcome  # noqa: PLC0415
    from replay.sim.world import World  # noqa: PLC0415
    from replay.simcluster.serve import SimCluster  # noqa: PLC0415 - slow to import, and the parent needs only `Play`

    scenario = play.scenario
    World(scenario).advance(scenario.start_seconds + 1.0)  # compiles now, not while the clock runs
    cluster = SimCluster(
        scenario,
        play.policy,
        play.speed,
        scaler_address=play.scaler_address,
        kubeconfig_path=play.folder / "kubeconfig",
        lead_in_seconds=LEAD_IN_WALL_SECONDS * play.speed,
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
            reached = cluster.world.share_within(play.queue_wait_seconds)
            link.send(Outcome(cluster.world.score(), reached))
        run.cancel()
    except BrokenPipeError:
        pass
    finally:
        await cluster.stop()
