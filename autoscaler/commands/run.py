"""Run the live controller: it decides, prepares nodes and serves KEDA until it is stopped."""

import json
from pathlib import Path
from typing import Annotated

import typer


def command(
    *,
    prometheus_url: Annotated[
        str | None, typer.Option(help="Prometheus for history and for pods out of reach.")
    ] = None,
    prometheus_timeout_seconds: Annotated[
        float | None, typer.Option(help="Deadline of one query. [default: 5]")
    ] = None,
    scaler_bind: Annotated[str | None, typer.Option(help="Where KEDA calls. [default: 0.0.0.0:6000]")] = None,
    web_bind: Annotated[str | None, typer.Option(help="/metrics, /healthz, /readyz. [default: 0.0.0.0:8080]")] = None,
    namespace: Annotated[str | None, typer.Option(help="Only this namespace's policies. [default: all]")] = None,
    kubeconfig: Annotated[Path | None, typer.Option(help="[default: the service account, else ~/.kube/config]")] = None,
    state_dir: Annotated[Path | None, typer.Option(help="Folder for checkpoints. [default: none]")] = None,
    decision_log_dir: Annotated[Path | None, typer.Option(help="Folder for the decision log. [default: none]")] = None,
    scrape_interval_seconds: Annotated[float | None, typer.Option(help="How often pods are read. [default: 2]")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate of the scaler. [default: plain text]")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key.")] = None,
    tls_ca: Annotated[Path | None, typer.Option(help="CA that callers' certificates must come from (mTLS).")] = None,
    max_balloons: Annotated[int | None, typer.Option(help="Prepared nodes in the whole cluster. [default: 10]")] = None,
    balloon_deadline_seconds: Annotated[int | None, typer.Option(help="A balloon's own end. [default: 1800]")] = None,
    priority_class: Annotated[str | None, typer.Option(help="Of balloons. [default: outrider-balloon]")] = None,
    clock_rate: Annotated[float | None, typer.Option(help="Scenario seconds per second; for demos.")] = None,
    clock_scenario_epoch_seconds: Annotated[float | None, typer.Option(help="Scenario time at the wall epoch.")] = None,
    clock_wall_epoch_seconds: Annotated[float | None, typer.Option(help="Wall time of that epoch.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error. [default: info]")] = None,
    show_settings: Annotated[bool, typer.Option("--show-settings", help="Print the settings, secrets masked.")] = False,
) -> None:
    """Run the live controller: it decides, prepares nodes and serves KEDA until it is stopped.

    Every option is also an environment variable: --state-dir is OUTRIDER_STATE_DIR; the option wins.
    Exit code 0: stopped by SIGTERM or Ctrl-C. 1: a part failed. 2: settings that cannot be used.
    """
    flags = {name: value for name, value in locals().items() if name != "show_settings"}
    from autoscaler.settings import SettingsError, load, masked

    try:
        settings = load(flags)
    except SettingsError as error:
        typer.echo(f"outrider run: {error}", err=True)
        raise typer.Exit(2) from None
    if show_settings:
        typer.echo(json.dumps(masked(settings), indent=2))
        return
    import asyncio

    from autoscaler.app import run
    from autoscaler.kube.errors import KubeError
    from autoscaler.scaler.tls import TlsError
    from autoscaler.telemetry.logs import configure

    configure(settings.log_level)
    try:
        asyncio.run(run(settings))
    except (KubeError, TlsError, OSError) as error:
        typer.echo(f"outrider run: {error}", err=True)
        raise typer.Exit(1) from None
