"""Explain, from a decision log, why the number of replicas is what it is."""

import json
import sys
from typing import Annotated

import typer

from autoscaler.commands.options import LogsArgument


def command(
    logs: LogsArgument,
    policy: Annotated[str | None, typer.Option(metavar="NAMESPACE/NAME", help="Show only this policy.")] = None,
    at: Annotated[
        str | None,
        typer.Option(
            help="Show the decisions in force at this time, such as 2026-05-04T09:30:00Z, or in Unix seconds."
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--every", help="Show every decision, not only those that changed a number.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Explain, from a decision log, why the number of replicas is what it is.

    Lists every change of every policy, or the decisions in force at a time, with when the replicas that were starting then were
    expected to serve. Several files are read in the order of time.

    Exit code 0: decisions were found. 1: none matches. 2: a log or the time cannot be read.

    Examples:
        outrider explain decisions/ --policy chat/qwen
        outrider explain decisions/ --at 2026-05-04T09:30:00Z
    """
    from autoscaler.records.reader import BadTimeError, parse_time, select
    from policies.errors import LogError

    try:
        moment = None if at is None else parse_time(at)
        explained_decisions = select(logs, policy=policy, at_seconds=moment, every=every)
    except (LogError, BadTimeError) as error:
        typer.echo(f"outrider explain: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        json.dump([explained.plain() for explained in explained_decisions], sys.stdout, indent=2)
        typer.echo()
    else:
        for explained in explained_decisions:
            typer.echo(f"{explained.time}  {explained.policy}  {explained.sentence}")
    if not explained_decisions:
        why = "no decision matches; try another --policy or --at" if policy or at else "the logs have no decision yet"
        typer.echo(f"outrider explain: {why}", err=True)
        raise typer.Exit(1)
