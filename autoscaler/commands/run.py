"""Run the live controller: it decides, prepares nodes and serves KEDA until it is stopped."""

import contextlib
import inspect
import json
from collections.abc import Callable
from typing import Annotated

import typer

from autoscaler.settings import SettingsError, declared, load, masked, unknown_variables
from autoscaler.telemetry.redact import redact


def _with_settings(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command one option for each setting; None where it is not given, since the environment may have it."""
    flags = [
        inspect.Parameter(
            setting.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                setting.type | None,
                typer.Option(
                    setting.flag,
                    help=rf"{setting.text} [dim]\[default: {setting.default_text}][/dim]",
                    rich_help_panel=setting.group,
                ),
            ],
        )
        for setting in declared()
    ]
    own = [each for each in inspect.signature(function).parameters.values() if each.kind is not each.VAR_KEYWORD]
    function.__signature__ = inspect.Signature(own + flags)  # type: ignore[attr-defined]
    return function


def _raise_file_limit() -> None:
    """Open as many files as the system lets: each pod keeps a connection, and 1,024 are the default of many shells."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # some systems give no limit, and accept none
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@_with_settings
def command(
    *,
    show_settings: Annotated[
        bool, typer.Option("--show-settings", help="Print the settings, with secrets masked, and exit.")
    ] = False,
    **flags: object,
) -> None:
    """Run the live controller: it decides, prepares nodes and serves KEDA until it is stopped.

    Each setting is also an environment variable, such as OUTRIDER_STATE_DIR for --state-dir. The option wins.

    Exit code 0: stopped by SIGTERM or Ctrl-C. 1: the controller failed; the last log lines say why. 2: the settings are not
    valid, or lead to no cluster.

    Examples:
        outrider run --decision-log-dir decisions/
        outrider run --show-settings
    """
    for warning in unknown_variables():
        typer.echo(f"outrider run: warning: {warning}", err=True)
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
    from autoscaler.kube.errors import KubeError, NotConfigured
    from autoscaler.scaler.tls import TlsError
    from autoscaler.telemetry.logs import configure

    configure(settings.log_level)
    _raise_file_limit()
    try:
        asyncio.run(run(settings))
    except (KubeError, TlsError, OSError) as error:
        typer.echo(f"outrider run: {redact(str(error))}", err=True)
        raise typer.Exit(2 if isinstance(error, NotConfigured | TlsError) else 1) from None
