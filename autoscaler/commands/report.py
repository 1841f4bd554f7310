"""Compare, from decision logs, what ran with what Outrider would have run."""

import json
import sys
from collections.abc import Iterable, Iterator
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autoscaler.commands.options import LogsArgument

if TYPE_CHECKING:
    from policies.log import Decision

PROGRESS_BYTES = 50_000_000  # from which on reading takes seconds


def command(
    logs: LogsArgument,
    policy: Annotated[str | None, typer.Option(metavar="NAMESPACE/NAME", help="Report only this policy.")] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Start at this time, such as 2026-05-04T09:30:00Z, or in Unix seconds."),
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="End at this time.")] = None,
    last: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Start so long before the last decision, such as 90m, 24h or 7d."),
    ] = None,
    price_per_gpu_hour: Annotated[
        float | None,
        typer.Option(metavar="DOLLARS", min=0.0, max=1e6, help="US dollars, instead of the price of each policy."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
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
    from autoscaler.records.reader import BadTimeError, damage, files, last_seconds, parse_time, within
    from policies.errors import LogError

    try:
        if last is not None and since is not None:
            raise BadTimeError("--last and --since both set the start; give one of them")
        if price_per_gpu_hour is not None and not isfinite(price_per_gpu_hour):
            raise BadTimeError(f"--price-per-gpu-hour {price_per_gpu_hour} is not a price in US dollars")
        found = files(logs)
        start, end = (None if text is None else parse_time(text) for text in (since, until))
        if last is not None:
            start = last_seconds(found) - _span_seconds(last)
        collected = Comparisons(price_per_gpu_hour)
        for file, decision in _read(within(found, start, end), policy):
            if _matches(decision, policy, start, end):
                with damage(file, decision.line):
                    collected.add(decision)
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
        asked = policy or since or until
        why = "no decision matches; try another --policy or time" if asked else "the logs have no decision yet"
        typer.echo(f"outrider report: {why}", err=True)
        raise typer.Exit(1)


def _span_seconds(text: str) -> float:
    from autoscaler.records.reader import BadTimeError
    from crds.notation.units import span_seconds

    try:
        return span_seconds(text)
    except ValueError:
        raise BadTimeError(f"--last {text!r} is not a duration like 90m, 24h or 7d") from None


def _matches(decision: "Decision", policy: str | None, start: float | None, end: float | None) -> bool:
    at_seconds = decision.inputs.now_seconds
    in_time = (start is None or at_seconds >= start) and (end is None or at_seconds <= end)
    return in_time and policy in (None, decision.policy.name)


def _read(files: list[Path], policy: str | None) -> "Iterator[tuple[Path, Decision]]":
    """The decisions of these files; the progress is shown on a terminal where there is much to read."""
    from rich.console import Console
    from rich.progress import Progress

    from autoscaler.records.reader import read
    from policies.log import decisions

    name = "" if policy is None else f'"name":"{policy}"'
    total = sum(file.stat().st_size for file in files if file.is_file())
    console = Console(stderr=True)
    shown = console.is_terminal and total >= PROGRESS_BYTES
    with Progress(console=console, transient=True, disable=not shown) as bar:
        task = bar.add_task("reading", total=total)

        def counted(lines: Iterable[str]) -> "Iterator[Decision]":
            def each() -> Iterator[str]:
                for number, line in enumerate(lines):
                    bar.advance(task, len(line))
                    # A blank line is passed over unparsed, which is nearly all the work, and counted.
                    yield line if number == 0 or name in line else "\n"

            return decisions(each())

        for file in files:
            for decision in read(file, counted):
                yield file, decision
