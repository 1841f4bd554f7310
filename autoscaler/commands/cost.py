"""Show, from decision logs, what each workload's GPUs cost, and how much of them demand used."""

import json
import sys
from enum import StrEnum
from typing import Annotated

import typer

from autoscaler.commands.options import JsonOption, LastOption, LogsArgument, PolicyOption, SinceOption, UntilOption


class By(StrEnum):
    """What a line of the table is of."""

    WORKLOAD = "workload"
    OWNER = "owner"
    POOL = "pool"
    DAY = "day"


def command(
    logs: LogsArgument,
    policy: PolicyOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    last: LastOption = None,
    by: Annotated[
        list[By] | None, typer.Option(help="One line for each of these; may be given several times. Default: workload.")
    ] = None,
    time_zone: Annotated[
        str, typer.Option(metavar="ZONE", help="The zone of the days, such as Europe/Berlin.")
    ] = "UTC",
    as_json: JsonOption = False,
) -> None:
    """Show, from decision logs, what each workload's GPUs cost, and how much of them demand used.

    Requested are the GPU-hours of its replicas and prepared nodes that held their GPUs, whether they served or started; used is
    what demand kept busy of them. Members of a pool are counted by the pool's own account, as its status shows it: with the
    standby nodes that their replicas took over, and the price of each offering. What nobody took has a line of its own.

    Exit code 0: there are costs. 1: no decision matches. 2: a log or an option cannot be used.

    Examples:
        outrider cost decisions/
        outrider cost decisions/ --last 7d --by owner --by day
        outrider cost decisions/ --policy chat/qwen --json
    """
    from zoneinfo import ZoneInfo

    from rich.console import Console

    from autoscaler.records.costs.collect import Costs
    from autoscaler.records.costs.document import document
    from autoscaler.records.costs.page import show
    from autoscaler.records.reader import BadTimeError
    from autoscaler.records.selection import Selection
    from policies.errors import LogError

    try:
        zone = ZoneInfo(time_zone)
    except (KeyError, OSError, ValueError):  # not found, a folder, or no name at all
        typer.echo(f"outrider cost: --time-zone {time_zone!r} is no time zone: write Europe/Berlin or UTC", err=True)
        raise typer.Exit(2) from None
    try:
        selection = Selection.of(logs, policy, since, until, last, pools=True)
        costs = Costs(zone, policy, selection.start_seconds, selection.end_seconds)
        selection.collect(costs.add)
    except (LogError, BadTimeError) as error:
        typer.echo(f"outrider cost: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        json.dump(document(costs), sys.stdout, indent=2, allow_nan=False)
        typer.echo()
    elif costs.records:
        console = Console(highlight=False)
        show(console if console.is_terminal else Console(highlight=False, width=140), costs, by or [By.WORKLOAD])
    if not costs.records:
        narrowed = selection.is_narrowed
        why = "no decision matches; try another --policy or time" if narrowed else "the logs have no decision yet"
        typer.echo(f"outrider cost: {why}", err=True)
        raise typer.Exit(1)
