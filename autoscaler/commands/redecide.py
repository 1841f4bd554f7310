"""Repeat every logged decision from its recorded inputs, and report any that comes out differently."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from autoscaler.commands.options import LogsArgument

if TYPE_CHECKING:
    from policies.log import Reallocated, Redecided


def command(
    logs: LogsArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Repeat every logged decision from its recorded inputs, and report any that comes out differently.

    The decisions of a pool, which are its grants and its standby nodes, are repeated as well. Each file is checked by itself.

    Exit code 0: all decisions match. 1: some differ, and each is listed; or there are none. 2: a log cannot be read.

    Examples:
        outrider redecide decisions/
    """
    from autoscaler.records.reader import damage, files, read
    from policies.codec import plain
    from policies.errors import LogError
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
                with damage(file, line):
                    lines += [f"{file}:{line}: {_name(item)}", *_different(item)]
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


def _name(item: "Redecided | Reallocated") -> str:
    from policies.log import Redecided

    return item.logged.policy.name if isinstance(item, Redecided) else f"pool {item.logged.pool.name}"


def _different(item: "Redecided | Reallocated") -> list[str]:
    """Both decisions: of a policy as sentences, of a pool what differs of them."""
    from policies.codec import encode, plain
    from policies.explain import explain
    from policies.log import Redecided

    if isinstance(item, Redecided):
        plans = {"logged": item.logged.plan, "again": item.again.plan}
        return [f"  {title}: {'no plan' if plan is None else explain(plan)}" for title, plan in plans.items()]
    logged, again = plain(item.logged.plan), plain(item.again.plan)
    keys = [key for key in logged if logged[key] != again[key]]
    return [
        f"  {title} {key}: {encode(plan[key])}"
        for key in keys
        for title, plan in (("logged", logged), ("again", again))
    ]
