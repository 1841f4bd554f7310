"""Tell in plain words why replicas are what they are, for any moment of a decision log."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer


def command(
    log: Annotated[Path, typer.Argument(help="A decision log (decisions-*.jsonl), or a folder of them.")],
    policy: Annotated[str | None, typer.Option(help="Only this policy, namespace/name.")] = None,
    at: Annotated[
        str | None, typer.Option(help="The moment: 2026-05-04T09:30:00Z or Unix seconds. By default every change.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--every", help="Every decision, not only those that changed a number.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Tell in plain words why replicas are what they are, for any moment of a decision log.

    `outrider explain decisions/` tells every change of every policy;
    `outrider explain decisions/ --policy chat/qwen --at 2026-05-04T09:30:00Z` what held at a moment, and why.
    """
    from autoscaler.records.reader import BadTimeError, parse_time, select
    from policies.errors import LogError

    try:
        moment = None if at is None else parse_time(at)
        explained_decisions = select(log, policy=policy, at_seconds=moment, every=every)
    except (OSError, LogError, BadTimeError) as error:
        typer.echo(f"outrider explain: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        json.dump([explained.plain() for explained in explained_decisions], sys.stdout, indent=2)
        typer.echo()
    else:
        for explained in explained_decisions:
            typer.echo(f"{explained.time}  {explained.policy}  {explained.sentence}")
    if not explained_decisions:
        typer.echo("outrider explain: nothing was decided there; try --every, or another --policy or --at", err=True)
        raise typer.Exit(1)
