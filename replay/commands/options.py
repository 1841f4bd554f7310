"""Arguments that several offline commands share: which traffic, and how much of it."""

from typing import Annotated

import typer

TraceArgument = Annotated[
    str, typer.Argument(metavar="TRACE", help="A table of requests or bins, an export, or sample:NAME.")
]
ScaleOption = Annotated[float, typer.Option("--scale", max=1000.0, help="So many times the trace's requests.")]
StartOption = Annotated[
    str | None, typer.Option("--start", metavar="DURATION", help="Begin so far into the trace, as in 45m or 1d2h.")
]
DurationOption = Annotated[
    str | None, typer.Option("--duration", metavar="DURATION", help="Length; to the trace's end without it.")
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of all that is random.")]
