"""Compare, from decision logs, what ran with what Outrider would have run."""

import json
import sys
from math import isfinite
from typing import Annotated

import typer

from autoscaler.commands.options import JsonOption, LastOption, LogsArgument, PolicyOption, SinceOption, UntilOption


def command(
    logs: LogsArgument,
    policy: PolicyOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    last: LastOption = None,
    price_per_gpu_hour: Annotated[
        float | None,
        typer.Option(metavar="DOLLARS", min=0.0, max=1e6, help="US dollars, instead of the price of each policy."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare, from decision logs, what ran with what Outrider would have run.

    Of a policy in mode Shadow it shows GPU-hours and cost of both, where each was short of demand, how long before that
    Outrider had asked for more, and what cannot be known. Of a policy in mode Active it shows what ran beside what was asked for.

    Exit code 0: there is a comparison. 1: no decision matches. 2: a log or an option cannot be used.

    Examples:
        outrider report decisions/
        outrider report decisions/ --policy chat/qwen --last 24h
    """
    from rich.console import Console

    from autoscaler.records.comparison.compare import Comparisons
    from autoscaler.records.comparison.document import document
    from autoscaler.records.comparison.page import show
    from autoscaler.records.reader import BadTimeError
    from autoscaler.records.selection import Selection
    from policies.errors import LogError

    try:
        if price_per_gpu_hour is not None and not isfinite(price_per_gpu_hour):
            raise BadTimeError(f"--price-per-gpu-hour {price_per_gpu_hour} is not a price in US dollars")
        selection = Selection.of(logs, policy, since, until, last)
        collected = Comparisons(price_per_gpu_hour)
        selection.collect(collected.add)
        comparisons = collected.close()
    except (LogError, BadTimeError) as error:
        typer.echo(f"outrider report: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        json.dump(document(comparisons), sys.stdout, indent=2, allow_nan=False)
        typer.echo()
    elif comparisons:
        console = Console(highlight=False)
        show(console if console.is_terminal else Console(highlight=False, width=100), comparisons)
    if not comparisons:
        narrowed = selection.is_narrowed
        why = "no decision matches; try another --policy or time" if narrowed else "the logs have no decision yet"
        typer.echo(f"outrider report: {why}", err=True)
        raise typer.Exit(1)
