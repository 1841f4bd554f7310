"""Repeat every logged decision from its recorded inputs, and report any that comes out differently."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from crds.completion import decision_logs


def command(
    logs: Annotated[
        list[Path],
        typer.Argument(
            metavar="LOG",
            help="Decision logs (decisions-*.jsonl, also gzipped) or folders of such logs; - reads standard input.",
            autocompletion=decision_logs,
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Repeat every logged decision from its recorded inputs, and report any that comes out differently.

    Each file is checked by itself.

    Exit code 0: all decisions match. 1: some differ, and each is listed; or there are none. 2: a log cannot be read.

    Examples:
        outrider redecide decisions/
    """
    from autoscaler.records.reader import files, read
    from policies.codec import plain
    from policies.errors import LogError
    from policies.explain import explain
    from policies.log import redecide

    count, different = 0, []
    try:
        for file in files(logs):
            for item in read(file, redecide):
                count += 1
                if not item.matches:
                    different.append((file, item))
    except LogError as error:
        typer.echo(f"outrider redecide: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        found = [
            {
                "file": str(file),
                "line": item.logged.line,
                "logged": plain(item.logged.plan),
                "again": plain(item.again.plan),
            }
            for file, item in different
        ]
        json.dump({"decisions": count, "different": found}, sys.stdout, indent=2)
        typer.echo()
    else:
        for file, item in different:
            typer.echo(f"{file}:{item.logged.line}: {item.logged.policy.name}")
            for title, plan in (("logged", item.logged.plan), ("again", item.again.plan)):
                typer.echo(f"  {title}: {'no plan' if plan is None else explain(plan)}")
        typer.echo(f"{count} decisions, {len(different)} different")
    if different or not count:
        raise typer.Exit(1)
