"""Take every decision of a log again, and say whether all match."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer


def command(
    log: Annotated[Path, typer.Argument(help="A decision log (decisions-*.jsonl).")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Take every decision of a log again, and say whether all match.

    Exit code 0: all match. 1: some do not, each is listed. 2: the file cannot be read.
    """
    from policies.codec import plain
    from policies.errors import LogError
    from policies.explain import explain
    from policies.log import redecide

    count, wrong = 0, []
    try:
        with log.open(encoding="utf-8") as lines:
            for item in redecide(lines):
                count += 1
                if not item.matches:
                    wrong.append(item)
    except (OSError, UnicodeDecodeError, LogError) as error:
        typer.echo(f"outrider redecide: {log}: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        found = [
            {"line": item.logged.line, "logged": plain(item.logged.plan), "again": plain(item.again.plan)}
            for item in wrong
        ]
        json.dump({"decisions": count, "different": found}, sys.stdout, indent=2)
        typer.echo()
    else:
        for item in wrong:
            typer.echo(f"line {item.logged.line}: {item.logged.policy.name}")
            for title, plan in (("logged", item.logged.plan), ("again", item.again.plan)):
                typer.echo(f"  {title}: {'nothing' if plan is None else explain(plan)}")
        typer.echo(f"{count} decisions, {len(wrong)} different")
    if wrong or not count:
        raise typer.Exit(1)
