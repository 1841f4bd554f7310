"""Replay traffic against a policy: what it would cost and what users would wait, beside the usual autoscalers."""

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from replay.commands.options import DurationOption, ScaleOption, SeedOption, StartOption, TraceArgument

if TYPE_CHECKING:
    from crds.workload import Workload
    from replay.scenario.scenario import PastKind, Scenario
    from replay.tournament import Comparison


def command(
    trace: TraceArgument,
    *,
    policy: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="YAML file with the one ScalingPolicy. Default: 1 to 400 replicas."),
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="Engine and GPU of the default policy; without it 8b-h100.")
    ] = None,
    scale: ScaleOption = 1.0,
    start: StartOption = None,
    duration: DurationOption = None,
    past: Annotated[
        str, typer.Option(metavar="trace|generated|none", help="What Outrider knows of the time before the start.")
    ] = "trace",
    seed: SeedOption = 0,
    decision_log: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write Outrider's decisions, for explain and redecide.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Replay traffic against a policy: what it would cost and what users would wait, beside the usual autoscalers.

    The peers are the reactive ScaledObject (10 waiting requests per replica) and an HPA on running + waiting, tuned for
    this very trace. All start with the same fleet, on the hardware of the policy's profile. A policy in mode Shadow is
    played as if it were Active. Exit code 2: a trace, a policy or an option that cannot be used.
    """
    from crds.files import PolicyFileError
    from replay.traces.trace import TraceError

    try:
        workload, source = _workload(policy, profile)
        scenario = scenario_of(workload, trace, scale=scale, start=start, duration=duration, past=past, seed=seed)
        comparison = _play(scenario, workload, decision_log)
    except PolicyFileError as error:
        _refuse(str(error))
    except (TraceError, ValueError, OSError) as error:
        _refuse(f"outrider replay: {error}")
    if as_json:
        from replay.report.document import document

        json.dump(document(comparison, policy_source=source), sys.stdout, indent=2, allow_nan=False)
        print()
    else:
        from rich.console import Console

        from replay.report.terminal import show

        console = Console(highlight=False)
        if not console.is_terminal:
            console = Console(highlight=False, width=120)
        show(console, comparison, policy_source=source)


def _refuse(why: str) -> NoReturn:
    print(why, file=sys.stderr)
    raise typer.Exit(2) from None


def _workload(path: Path | None, profile: str | None) -> "tuple[Workload, str]":
    """The policy, and how to name where it is from."""
    from crds.files import one_policy
    from crds.profiles import PROFILES
    from replay.scenario.policy import default

    if path is not None:
        if profile is not None:
            raise ValueError("--profile is that of the default policy; with --policy write spec.profile in the file")
        workload = one_policy(str(path)).workload
        return workload, f"policy {workload.policy.name}"
    if profile is not None and profile not in PROFILES:
        raise ValueError(f"--profile {profile!r} is none of {', '.join(PROFILES)}")
    return (default() if profile is None else default(profile)), "default policy"


def scenario_of(
    workload: "Workload", name: str, *, scale: float, start: str | None, duration: str | None, past: str, seed: int
) -> "Scenario":
    """The scenario of a trace file, or of sample:NAME. Raises ValueError, and TraceError for a file that is no trace."""
    from replay.commands.arguments import named, span_seconds
    from replay.tournament import scene

    kinds: dict[str, PastKind] = {"trace": "trace", "generated": "generated", "none": "none"}
    if past not in kinds:
        raise ValueError(f"--past {past!r} is none of {', '.join(kinds)}")
    start_seconds, duration_seconds = span_seconds("--start", start), span_seconds("--duration", duration)
    recorded, begins_seconds, lasts_seconds = named(name)
    return scene(
        recorded,
        workload,
        scale=scale,
        start_seconds=begins_seconds if start_seconds is None else start_seconds,
        duration_seconds=lasts_seconds if duration_seconds is None else duration_seconds,
        past=kinds[past],
        seed=seed,
    )


def _play(scenario: "Scenario", workload: "Workload", log: Path | None) -> "Comparison":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    from replay.recording import DecisionLog
    from replay.tournament import compare

    console = Console(stderr=True)
    words = TextColumn("{task.description:<22}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    with (
        Progress(*words, console=console, transient=True, disable=not console.is_terminal) as bar,
        log.open("w", encoding="utf-8") if log is not None else nullcontext() as file,
    ):
        task = bar.add_task(scenario.name, total=1.0)

        def progress(name: str, share: float) -> None:
            bar.update(task, completed=share, description=name)

        if file is None:
            return compare(scenario, workload, progress=progress)
        return compare(scenario, workload, DecisionLog(file, workload.policy, scenario).record, progress)
