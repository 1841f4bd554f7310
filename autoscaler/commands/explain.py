"""Explain, from a decision log, why the number of replicas is what it is, and what a pool grants."""

import json
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from autoscaler.commands.options import LogsArgument


def command(
    logs: LogsArgument,
    policy: Annotated[str | None, typer.Option(metavar="NAMESPACE/NAME", help="Show only this policy.")] = None,
    pool: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Show the decisions of this pool instead: grants, refusals, standby."),
    ] = None,
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
    expected to serve. Of a pool, it says what its members were granted and refused, by which limit, who holds what, and why so
    many nodes stand by. Several files are read in the order of time.

    Exit code 0: decisions were found. 1: none matches. 2: a log or the time cannot be read.

    Examples:
        outrider explain decisions/ --policy chat/qwen
        outrider explain decisions/ --at 2026-05-04T09:30:00Z
        outrider explain decisions/ --pool h100
    """
    from autoscaler.records.pool_reader import ExplainedPool, select_pool
    from autoscaler.records.reader import BadTimeError, Explained, parse_time, select
    from policies.errors import LogError

    if pool is not None and policy is not None:
        typer.echo("outrider explain: --pool and --policy both say what is shown; give one of them", err=True)
        raise typer.Exit(2)
    found: Sequence[Explained | ExplainedPool]
    try:
        moment = None if at is None else parse_time(at)
        if pool is not None:
            found = select_pool(logs, pool, at_seconds=moment, every=every)
        else:
            found = select(logs, policy=policy, at_seconds=moment, every=every)
    except (LogError, BadTimeError) as error:
        typer.echo(f"outrider explain: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        json.dump([explained.plain() for explained in found], sys.stdout, indent=2)
        typer.echo()
    else:
        for explained in found:
            if isinstance(explained, Explained):
                typer.echo(f"{explained.time}  {explained.policy}  {explained.sentence}")
            else:
                typer.echo("\n    ".join([f"{explained.time}  pool {pool}", *explained.sentences]))
    if not found:
        narrowed = "no decision matches; try another --policy, --pool or --at"
        why = narrowed if policy or pool or at else "the logs have no decision yet"
        typer.echo(f"outrider explain: {why}", err=True)
        raise typer.Exit(1)
