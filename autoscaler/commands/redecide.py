"""Repeat every logged decision from its recorded inputs, and report any that comes out differently."""

import json
import sys
from typing import Annotated

import typer

from autoscaler.commands.options import LogsArgument


def command(
    logs: LogsArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Repeat every logged decision from its recorded inputs, and report any that comes out differently.

    Each file is checked by itself.

    Exit code 0: all decisions match. 1: some differ, and each is listed; or there are none. 2: a log cannot be read.

    Examples:
        outrider redecide decisions/
    """
    from autoscaler.records.reader import damage, files, read
    from policies.codec import plain
    from policies.errors import LogError
    from policies.explain import explain
    from policies.log import redecide

    count, found, lines = 0, [], []
    try:
        for file in files(logs):
            for item in read(file, redecide):
                count += 1
                if item.matches:
                    continue
                line, plans = item.logged.line, {"logged": item.logged.plan, "again": item.again.plan}
                found.append({"file": str(file), "line": line, **{title: plain(plan) for title, plan in plans.items()}})
                lines.append(f"{file}:{line}: {item.logged.policy.name}")
                with damage(file, line):
                    lines += [
                        f"  {title}: {'no plan' if plan is None else explain(plan)}" for title, plan in plans.items()
                    ]
    except LogError as error:
        typer.echo(f"outrider redecide: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        json.dump({"decisions": count, "different": found}, sys.stdout, indent=2)
        typer.echo()
    else:
        typer.echo("\n".join([*lines, f"{count} decisions, {len(found)} different"]))
    if found or not count:
        raise typer.Exit(1)
