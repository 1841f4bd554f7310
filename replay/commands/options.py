"""Arguments and options that several offline commands share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

TRACE_HELP = "Trace file (Parquet, CSV, JSON lines or a Prometheus range export), or sample:NAME."
POLICY = typer.Option("--policy", metavar="FILE", help="YAML file with one ScalingPolicy.")

TraceArgument = Annotated[str, typer.Argument(metavar="TRACE", help=TRACE_HELP)]
TraceOption = Annotated[str, typer.Option("--trace", metavar="TRACE", help=TRACE_HELP)]
PolicyOption = Annotated[Path | None, POLICY]
RequiredPolicyOption = Annotated[Path, POLICY]
ColumnsOption = Annotated[
    str | None,
    typer.Option(
        "--columns",
        metavar="FIELD=COLUMN",
        help="Name a column of a table, e.g. arrival=sent; separate several with commas.",
    ),
]
TimeUnitOption = Annotated[
    Literal["s", "ms", "us", "ns"] | None,
    typer.Option("--time-unit", help="Unit of a table's times, for a file that does not say it."),
]
ScaleOption = Annotated[
    float, typer.Option("--scale", max=1000.0, help="Multiply the trace's request rate by this factor.")
]
StartOption = Annotated[
    str | None,
    typer.Option(
        "--start",
        metavar="DURATION",
        help="Start this far into the trace (of a sample: into the part it shows), e.g. 45m or 1d2h.",
    ),
]
DurationOption = Annotated[
    str | None,
    typer.Option("--duration", metavar="DURATION", help="How much of the trace to replay. Default: to the end."),
]
SpeedOption = Annotated[
    float, typer.Option("--speed", min=0.1, max=30.0, help="Scenario seconds per wall-clock second.")
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of the random numbers.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
