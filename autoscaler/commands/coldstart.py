"""Show, from decision logs, where the time of each cold start went, and what would shorten it."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from autoscaler.commands.options import JsonOption, LastOption, LogsArgument, PolicyOption, SinceOption, UntilOption


def command(
    logs: LogsArgument,
    policy: PolicyOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    last: LastOption = None,
    starts: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, max=100, help="Draw so many of the last starts of each policy.")
    ] = 3,
    as_json: JsonOption = False,
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the drawing as a self-contained SVG file as well.")
    ] = None,
) -> None:
    """Show, from decision logs, where the time of each cold start went, and what would shorten it.

    Of each policy it draws the last starts, stage by stage: dense where a stage was waited for, light where another one hid it.
    Below, for each stage: p50 and p95 as measured, as decisions expect it now, and the prior, from before anything was measured.
    Last, what it would save to take a stage away (an image baked into the node image, or streamed; weights on the node; a
    compile cache; a faster probe) or to have it go on beside others (image pre-pull, weights prefetch): seconds of a start on a
    new node, and GPU-hours and late requests by replay of the last day of demand with the shorter lead.

    Exit code 0: there are starts. 1: no start matches. 2: a log or an option cannot be used.

    Examples:
        outrider coldstart decisions/
        outrider coldstart decisions/ --policy chat/qwen
        outrider coldstart decisions/ --last 7d --svg starts.svg
    """
    from rich.console import Console

    from autoscaler.records.coldstarts.analysis import Analysis
    from autoscaler.records.coldstarts.collect import Collection
    from autoscaler.records.coldstarts.document import document
    from autoscaler.records.coldstarts.drawing import drawing
    from autoscaler.records.coldstarts.page import show
    from autoscaler.records.reader import BadTimeError
    from autoscaler.records.selection import Selection
    from policies.errors import LogError

    try:
        selection = Selection.of(logs, policy, since, until, last)
        collected = Collection()
        selection.collect(collected.add)
        found = [Analysis.of(each) for each in collected.close()]
        if svg is not None:
            svg.write_text(drawing(found, starts), encoding="utf-8")
    except (LogError, BadTimeError) as error:
        typer.echo(f"outrider coldstart: {error}", err=True)
        raise typer.Exit(2) from None
    except OSError as error:
        typer.echo(f"outrider coldstart: --svg {svg} cannot be written: {error.strerror or error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        json.dump(document(found, starts), sys.stdout, indent=2, allow_nan=False)
        typer.echo()
    elif found:
        console = Console(highlight=False)
        show(console if console.is_terminal else Console(highlight=False, width=100), found, starts)
    if not any(of.starts for of in found):
        typer.echo(
            f"outrider coldstart: {_missing(is_narrowed=selection.is_narrowed, has_decisions=bool(found))}", err=True
        )
        raise typer.Exit(1)


def _missing(*, is_narrowed: bool, has_decisions: bool) -> str:
    """Why there is no start, and what to do."""
    if is_narrowed and not has_decisions:
        return "nothing in the logs matches; try another --policy or time"
    if not has_decisions:
        return "the logs have no decision yet"
    return (
        "the logs have decisions but no start of a replica, so what is shown is what is expected; a start is logged by"
        " `outrider run` once a pod that it saw from its creation serves or fails, and never by `outrider replay`:"
        + (" try a longer time" if is_narrowed else " wait until a replica has been added")
    )
