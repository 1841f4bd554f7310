"""Serve a simulated cluster on the real protocols: Kubernetes API, vLLM pods, Prometheus, KEDA and its HPA."""

import asyncio
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replay.commands.options import (
    ColumnsOption,
    DurationOption,
    RequiredPolicyOption,
    ScaleOption,
    SeedOption,
    SpeedOption,
    StartOption,
    TimeUnitOption,
    TraceArgument,
)

if TYPE_CHECKING:
    from crds.workload import Workload
    from replay.scenario.scenario import Scenario
    from replay.simcluster.serve import Endpoints, SimCluster
    from replay.traces.trace import Trace


def command(
    trace: TraceArgument = "sample:office-morning",
    *,
    policy: RequiredPolicyOption,
    columns: ColumnsOption = None,
    time_unit: TimeUnitOption = None,
    speed: SpeedOption = 1.0,
    scale: ScaleOption = 1.0,
    start: StartOption = None,
    duration: DurationOption = None,
    replicas: Annotated[
        int | None, typer.Option(min=0, help="Replicas at the start. Default: as many as the traffic needs then.")
    ] = None,
    seed: SeedOption = 0,
    scaler: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="External scaler for KEDA to call. Default: no KEDA.")
    ] = None,
    api_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the Kubernetes API; 0 picks a free one.")
    ] = 0,
    prometheus_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of Prometheus; 0 picks a free one.")] = 0,
    kubeconfig: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write the kubeconfig. Default: a temporary file.")
    ] = None,
) -> None:
    """Serve a simulated cluster on the real protocols: Kubernetes API, vLLM pods, Prometheus, KEDA and its HPA.

    Runs in the foreground, on loopback addresses, until the trace ends or Ctrl-C is pressed. Prints the variables to export
    for a controller. Exit code 0: the trace ended, or Ctrl-C; 2: invalid input, or a port is in use.

    Examples:
        outrider simulate --policy policy.yaml
        outrider simulate requests.csv --policy policy.yaml
    """
    from crds.files import PolicyFileError, one_policy
    from replay.commands.arguments import part, why
    from replay.simcluster.network import NetworkError
    from replay.simcluster.serve import SimCluster
    from replay.traces.trace import TraceError

    try:
        written = one_policy(str(policy))
        cluster = SimCluster(
            _scenario(
                part(trace, start=start, duration=duration, columns=columns, time_unit=time_unit),
                written.workload,
                scale=scale,
                replicas=replicas,
                seed=seed,
            ),
            written,
            speed,
            api_port=api_port,
            prometheus_port=prometheus_port,
            scaler_address=scaler,
            kubeconfig_path=kubeconfig,
        )
        asyncio.run(_serve(cluster))
    except PolicyFileError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    except (TraceError, NetworkError, ValueError, OSError) as error:
        print(f"outrider simulate: {why(error)}", file=sys.stderr)
        raise typer.Exit(2) from None


def _scenario(
    shown: "tuple[Trace, float, float | None]",
    workload: "Workload",
    *,
    scale: float,
    replicas: int | None,
    seed: int,
) -> "Scenario":
    from crds.notation.units import DAY_SECONDS
    from replay.scenario.build import for_workload

    trace, start_seconds, duration_seconds = shown
    scenario = for_workload(
        trace,
        workload,
        scale=scale,
        start_seconds=start_seconds,
        duration_seconds=duration_seconds,
        past="trace" if start_seconds >= DAY_SECONDS else "generated",
        seed=seed,
    )
    return scenario if replicas is None else replace(scenario, initial_replicas=replicas)


async def _serve(cluster: "SimCluster") -> None:
    ended = asyncio.Event()
    for caught in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(caught, ended.set)
    try:
        endpoints = await cluster.start()
        print(_summary(cluster, endpoints), flush=True)
        waits = [asyncio.create_task(cluster.run()), asyncio.create_task(ended.wait())]
        done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        for task in done:
            task.result()
    finally:
        await cluster.stop()


def _summary(cluster: "SimCluster", endpoints: "Endpoints") -> str:
    workload = cluster.workload
    address = f"http://POD_IP:{workload.endpoint.ports[0]}{workload.endpoint.path}"
    return f"""\
Kubernetes API  {endpoints.api_url}
Prometheus      {endpoints.prometheus_url}
vLLM pods       {address}, with POD_IP from the API
state           {endpoints.api_url}/demo/state
export KUBECONFIG={endpoints.kubeconfig_path}
export OUTRIDER_KUBECONFIG={endpoints.kubeconfig_path}
export OUTRIDER_PROMETHEUS_URL={endpoints.prometheus_url}
export OUTRIDER_CLOCK_FILE={endpoints.clock_file}"""
