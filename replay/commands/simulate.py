"""Serve a simulated cluster on the real protocols: Kubernetes API, vLLM pods, Prometheus, KEDA and its HPA."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replay.commands.options import DurationOption, ScaleOption, SeedOption, StartOption, TraceArgument

if TYPE_CHECKING:
    from replay.scenario.scenario import Scenario
    from replay.simcluster.serve import Cluster, Endpoints


def command(
    trace: TraceArgument = "sample:office-morning",
    *,
    policy: Annotated[Path, typer.Option("--policy", metavar="FILE", help="YAML file with the one ScalingPolicy.")],
    speed: Annotated[float, typer.Option(min=0.1, max=30.0, help="Scenario seconds per second.")] = 1.0,
    scale: ScaleOption = 1.0,
    start: StartOption = None,
    duration: DurationOption = None,
    replicas: Annotated[int | None, typer.Option(min=0, help="Replicas at the start. Default: what fits it.")] = None,
    seed: SeedOption = 0,
    scaler: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where KEDA calls the external scaler. Default: no KEDA.")
    ] = None,
    api_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the Kubernetes API; 0 takes a free one.")
    ] = 0,
    prometheus_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of Prometheus; 0 takes a free one.")] = 0,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="Where to write the kubeconfig. Default: a temporary file.")
    ] = None,
) -> None:
    """Serve a simulated cluster on the real protocols: Kubernetes API, vLLM pods, Prometheus, KEDA and its HPA.

    Runs in the foreground on loopback until the trace is over or Ctrl-C, and prints what to export for a controller.
    Exit code 0: it ended; 2: bad input, or a port is taken.
    """
    from crds.files import PolicyFileError, one_policy
    from replay.simcluster.network import NetworkError
    from replay.simcluster.serve import Cluster
    from replay.traces.trace import TraceError

    try:
        cluster = Cluster(
            _scenario(trace, scale=scale, start=start, duration=duration, replicas=replicas, seed=seed),
            one_policy(str(policy)),
            speed,
            api_port=api_port,
            prometheus_port=prometheus_port,
            scaler_address=scaler,
            kubeconfig_path=kubeconfig,
        )
        asyncio.run(_serve(cluster, speed))
    except PolicyFileError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    except (TraceError, NetworkError, ValueError, OSError) as error:
        print(f"outrider simulate: {error}", file=sys.stderr)
        raise typer.Exit(2) from None


def _scenario(
    trace: str, *, scale: float, start: str | None, duration: str | None, replicas: int | None, seed: int
) -> "Scenario":
    from replay.commands.arguments import DAY_SECONDS, named, span_seconds
    from replay.scenario.scenario import build

    start_seconds, duration_seconds = span_seconds("--start", start), span_seconds("--duration", duration)
    recorded, begins_seconds, lasts_seconds = named(trace)
    begins_seconds = begins_seconds if start_seconds is None else start_seconds
    return build(
        recorded,
        scale=scale,
        start_seconds=begins_seconds,
        duration_seconds=lasts_seconds if duration_seconds is None else duration_seconds,
        past="trace" if begins_seconds >= DAY_SECONDS else "generated",
        seed=seed,
        initial_replicas=replicas,
    )


async def _serve(cluster: "Cluster", speed: float) -> None:
    ended = asyncio.Event()
    for caught in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(caught, ended.set)
    try:
        endpoints = await cluster.start()
        print(_told(cluster, endpoints, speed), flush=True)
        waits = [asyncio.create_task(cluster.run()), asyncio.create_task(ended.wait())]
        done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        for task in done:
            task.result()
    finally:
        await cluster.stop()


def _told(cluster: "Cluster", endpoints: "Endpoints", speed: float) -> str:
    workload = cluster.workload
    address = f"http://POD_IP:{workload.endpoint.port}{workload.endpoint.path}"
    return f"""\
Kubernetes API  {endpoints.api_url}
Prometheus      {endpoints.prometheus_url}
vLLM pods       {address}, POD_IP as the API tells it
state           {endpoints.api_url}/demo/state
export KUBECONFIG={endpoints.kubeconfig_path}
export OUTRIDER_KUBECONFIG={endpoints.kubeconfig_path}
export OUTRIDER_PROMETHEUS_URL={endpoints.prometheus_url}
export OUTRIDER_CLOCK_RATE={speed:g}
export OUTRIDER_CLOCK_SCENARIO_EPOCH_SECONDS={endpoints.scenario_epoch_seconds!r}
export OUTRIDER_CLOCK_WALL_EPOCH_SECONDS={endpoints.wall_epoch_seconds!r}"""
