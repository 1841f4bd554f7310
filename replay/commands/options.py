"""Arguments and options that several offline commands share, and how a shell completes them."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from crds.completion import files, policy_files

TRACE_HELP = "Trace file (Parquet, CSV, JSON lines or a Prometheus range export), or sample:NAME."
TRACES_HELP = (
    "Trace file (Parquet, CSV, JSON lines or a Prometheus range export; several are pages of one export), sample:NAME, or "
    "prometheus://HOST/NAMESPACE/TARGET for a target's last days; or a scenario of several workloads: a YAML file, or scenario:NAME."
)
POLICY = typer.Option("--policy", metavar="FILE", help="YAML file with one ScalingPolicy.", autocompletion=policy_files)
SAMPLES = (
    "sample:office-morning",
    "sample:office-weeks",
    "sample:flood",
)  # those of replay.traces.samples, which loads numpy
SCENARIO = "scenario:"
SCENARIOS = ("flood", "six-models", "stock-out", "three-models")  # those of replay.scenario.shipped
_scenario_files = files(".yaml", ".yml")
_trace_files = files(".parquet", ".csv", ".json", ".jsonl", ".csv.gz", ".json.gz", ".jsonl.gz")


def complete_trace(incomplete: str) -> list[str]:
    """The samples and the files that may be traces."""
    return [sample for sample in SAMPLES if sample.startswith(incomplete)] + _trace_files(incomplete)


def complete_trace_or_scenario(incomplete: str) -> list[str]:
    """The same, and the scenarios that are shipped or may be files."""
    named = [f"{SCENARIO}{name}" for name in SCENARIOS]
    traces, scenarios = complete_trace(incomplete), _scenario_files(incomplete)
    return (
        [name for name in named if name.startswith(incomplete)] + traces + [it for it in scenarios if it not in traces]
    )


def is_scenario(name: str) -> bool:
    """Whether an argument names a scenario, not a trace."""
    return name.startswith(SCENARIO) or name.endswith((".yaml", ".yml"))


def complete_profile(incomplete: str) -> list[str]:
    """The profiles of engine and GPU."""
    from crds.profiles import PROFILES

    return [name for name in PROFILES if name.startswith(incomplete)]


# The keys of replay.report.assertions.METRICS, replay.scenario.actuators.NAMED and replay.knobs.KNOBS, which load numpy.
FIGURES = ("attainment", "gpu-hours", "cost", "p99-wait", "p99-first-token", "cold-starts", "failed")
ACTUATORS = ("pre-pull", "prefetch", "weights-image", "compile-cache", "node-compile-cache")
SWEEPS = ("attainment", "hold", "minimum", "prepared", "all")


def complete_assertion(incomplete: str) -> list[str]:
    """The figures that can be asserted, up to their value."""
    return [f"{figure}=" for figure in FIGURES if figure.startswith(incomplete)]


def complete_sweep(incomplete: str) -> list[str]:
    """The settings that can be swept."""
    return [setting for setting in SWEEPS if setting.startswith(incomplete)]


def complete_actuators(incomplete: str) -> list[str]:
    """What shortens a cold start, after those that are there already."""
    before, _, last = incomplete.rpartition(",")
    given = f"{before}," if before else ""
    return [given + name for name in ("none", *ACTUATORS) if name.startswith(last)]


TraceArgument = Annotated[str, typer.Argument(metavar="TRACE", help=TRACE_HELP, autocompletion=complete_trace)]
TracesArgument = Annotated[
    list[str], typer.Argument(metavar="TRACE", help=TRACES_HELP, autocompletion=complete_trace_or_scenario)
]
TraceOption = Annotated[str, typer.Option("--trace", metavar="TRACE", help=TRACE_HELP, autocompletion=complete_trace)]
OptionalTraceOption = Annotated[
    str | None,
    typer.Option(
        "--trace",
        metavar="TRACE",
        help=f"{TRACE_HELP} Or a scenario: a file, or scenario:NAME. Default: scenario:three-models.",
        autocompletion=complete_trace,
    ),
]
PolicyOption = Annotated[Path | None, POLICY]
RequiredPolicyOption = Annotated[Path, POLICY]
ColumnsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--columns",
        metavar="FIELD=COLUMN",
        help="Name a column of a table, e.g. arrival=sent; repeatable, and several may be separated by commas.",
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
ActuatorsOption = Annotated[
    str | None,
    typer.Option(
        "--actuators",
        metavar="LIST",
        help=f"What shortens a cold start, for every contender: none, or several of {', '.join(ACTUATORS)}, separated by commas. "
        "Default: what the policy asks for.",
        autocompletion=complete_actuators,
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of the random numbers.")]
JobsOption = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        min=1,
        max=1024,
        help="Processes to use on this machine. Default: one for each core, and one for a short replay.",
    ),
]
BackendOption = Annotated[
    Literal["loky", "dask", "ray"],
    typer.Option(
        "--backend",
        help="Where to play: loky on this machine, dask or ray on a cluster whose address is in the variable "
        "DASK_SCHEDULER_ADDRESS or RAY_ADDRESS.",
    ),
]
CheckpointsOption = Annotated[
    Path | None,
    typer.Option(
        "--checkpoints",
        metavar="FOLDER",
        help="Folder for finished runs, kept until the command ends: the same command goes on where an interrupted one stopped. "
        "Default: ~/.cache/outrider/replay.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
DaysOption = Annotated[
    float, typer.Option("--days", min=0.02, max=60.0, help="With prometheus://: how many days to read, up to now.")
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        help="With prometheus+https://: file with a bearer token. Default: the variable PROMETHEUS_TOKEN.",
    ),
]
CaFileOption = Annotated[
    Path | None,
    typer.Option(
        "--ca-file",
        metavar="FILE",
        help="With prometheus+https://: PEM file of the CA to trust. Default: the usual public ones.",
    ),
]
TenantOption = Annotated[
    str | None,
    typer.Option("--tenant", help="With prometheus://: tenant of Mimir, Cortex or Thanos (X-Scope-OrgID)."),
]
