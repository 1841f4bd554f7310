"""Stands in for the kubelets and the vLLM engines of a cluster's GPU pods, until SIGTERM."""

import argparse
import asyncio
import signal
from pathlib import Path

import structlog
from aiohttp import web

from autoscaler.clock import WallClock
from autoscaler.telemetry import logs
from tests.e2e.standin import traffic
from tests.e2e.standin.control import Control
from tests.e2e.standin.fleet import Fleet
from tests.e2e.standin.kubelet import Kubelet
from tests.e2e.standin.kubelet_client import Client
from tests.e2e.standin.metrics import Pages
from tests.e2e.standin.spec import ServiceSpec
from tests.e2e.standin.workloads import Workloads

RETRY_RATE = 5.0  # retries come sooner than the controller's while the API server is away


class RetryClock(WallClock):
    """Sleeps a fifth as long."""

    async def sleep(self, seconds: float) -> None:
        """As `WallClock`."""
        await super().sleep(seconds / RETRY_RATE)


log = structlog.get_logger("standin")


async def main(kubeconfig: Path, host: str, port: int) -> None:
    """Run until SIGTERM or SIGINT. Raises whatever went wrong."""
    clock = WallClock()
    _compile()
    client = await Client.connect(kubeconfig)
    workloads = Workloads(clock, Pages(clock), kubeconfig.with_name("standin-workloads.jsonl"))
    await workloads.restore()
    kubelet = Kubelet(client, clock, workloads, RetryClock())
    runner = web.AppRunner(Control(workloads, kubelet, clock).application(), access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    log.info("listening", control=f"http://{host}:{port}")
    work = asyncio.create_task(kubelet.run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        log.info("stopped")
    finally:
        await runner.cleanup()
        await workloads.close()
        await client.close()


def _compile() -> None:
    """Compile the serving kernel now: later it would stall the loop for seconds."""
    body = {"selector": {"a": "b"}, "port": 1, "image_seconds": 0, "weights_seconds": 0, "warmup_seconds": 0}
    steady = {"requests_per_second": 1, "prompt_tokens": 1, "output_tokens": 2}
    spec = ServiceSpec.model_validate({**body, "traffic": {"steady": steady, "duration_seconds": 2}})
    fleet = Fleet(traffic.scenario(spec), 1.0, 0.0)
    fleet.join("a", 0.0)
    fleet.page("a", 1.5, "warm-up")
    fleet.leave("a", 1.6, 1.0)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host, int(port)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.standin", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--control", type=_address, required=True, metavar="HOST:PORT")
    arguments = parser.parse_args()
    logs.configure()
    asyncio.run(main(arguments.kubeconfig, *arguments.control))
