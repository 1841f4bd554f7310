"""Replay a traffic trace: what a policy would cost and how long users would wait, compared with other autoscalers."""

import json
import platform
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from replay.commands.options import (
    ColumnsOption,
    DurationOption,
    JsonOption,
    PolicyOption,
    ScaleOption,
    SeedOption,
    StartOption,
    TimeUnitOption,
    TraceArgument,
)

if TYPE_CHECKING:
    from crds.workload import Workload
    from policies.model import Inputs, State, StepResult
    from replay.scenario.build import PastKind
    from replay.scenario.scenario import Scenario
    from replay.tournament import Standings


def command(
    trace: TraceArgument,
    *,
    policy: PolicyOption = None,
    profile: Annotated[
        str | None,
        typer.Option(
            help="Profile (engine and GPU) of the default policy, which allows 1 to 400 replicas; for use without --policy. "
            "Default: 8b-h100."
        ),
    ] = None,
    columns: ColumnsOption = None,
    time_unit: TimeUnitOption = None,
    scale: ScaleOption = 1.0,
    start: StartOption = None,
    duration: DurationOption = None,
    past: Annotated[
        str,
        typer.Option(
            metavar="trace|generated|none",
            help="What Outrider knows of the traffic before the start: the trace's own, a generated week, or nothing.",
        ),
    ] = "trace",
    seed: SeedOption = 0,
    decision_log: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write Outrider's decisions here, for explain and redecide.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Replay a traffic trace: what a policy would cost and how long users would wait, compared with other autoscalers.

    The others are a reactive ScaledObject (10 waiting requests per replica) and an HPA on running + waiting requests that
    is tuned for this very trace. All start with the same replicas, on the hardware of the policy's profile. A policy in
    mode Shadow is replayed as if it were Active. Exit code 2: the trace, the policy or an option cannot be used.
    """
    from crds.files import PolicyFileError
    from replay.traces.trace import TraceError

    try:
        workload, source = _workload(policy, profile)
        scenario = scenario_of(
            workload,
            trace,
            columns=columns,
            time_unit=time_unit,
            scale=scale,
            start=start,
            duration=duration,
            past=past,
            seed=seed,
        )
        standings = _play(scenario, workload, decision_log)
    except PolicyFileError as error:
        _refuse(str(error))
    except (TraceError, ValueError, OSError) as error:
        _refuse(f"outrider replay: {error}")
    if as_json:
        from replay.report.document import document

        json.dump(document(standings, policy_source=source), sys.stdout, indent=2, allow_nan=False)
        print()
    else:
        from rich.console import Console

        from replay.report.terminal import show

        console = Console(highlight=False)
        if not console.is_terminal:
            console = Console(highlight=False, width=120)
        show(console, standings, policy_source=source)


def _refuse(why: str) -> NoReturn:
    print(why, file=sys.stderr)
    raise typer.Exit(2) from None


def _workload(path: Path | None, profile: str | None) -> "tuple[Workload, str]":
    """The policy, and what to call it in the report."""
    from crds.files import one_policy
    from crds.profiles import PROFILES
    from replay.scenario.policy import default

    if path is not None:
        if profile is not None:
            raise ValueError("--profile applies where no --policy is given; set spec.profile in the file instead")
        workload = one_policy(str(path)).workload
        return workload, f"policy {workload.policy.name}"
    if profile is not None and profile not in PROFILES:
        raise ValueError(f"--profile {profile!r} is unknown; choose one of {', '.join(PROFILES)}")
    return (default() if profile is None else default(profile)), "default policy"


def scenario_of(
    workload: "Workload",
    name: str,
    *,
    columns: str | None = None,
    time_unit: str | None = None,
    scale: float,
    start: str | None,
    duration: str | None,
    past: str,
    seed: int,
) -> "Scenario":
    """The scenario of a trace file, or of sample:NAME. Raises ValueError, and TraceError for a file that cannot be read as one."""
    from replay.commands.arguments import part
    from replay.scenario.build import for_workload

    kinds: dict[str, PastKind] = {"trace": "trace", "generated": "generated", "none": "none"}
    if past not in kinds:
        raise ValueError(f"--past {past!r} is unknown; choose one of {', '.join(kinds)}")
    recorded, start_seconds, duration_seconds = part(
        name, start=start, duration=duration, columns=columns, time_unit=time_unit
    )
    return for_workload(
        recorded,
        workload,
        scale=scale,
        start_seconds=start_seconds,
        duration_seconds=duration_seconds,
        past=kinds[past],
        seed=seed,
    )


def _play(scenario: "Scenario", workload: "Workload", log: Path | None) -> "Standings":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    from policies.log import LogWriter
    from replay import tournament

    console = Console(stderr=True)
    columns = TextColumn("{task.description:<22}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    with (
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar,
        log.open("w", encoding="utf-8") if log is not None else nullcontext() as file,
    ):
        task = bar.add_task(scenario.name, total=1.0)

        def progress(name: str, share: float) -> None:
            bar.update(task, completed=share, description=name)

        if file is None:
            return tournament.play(scenario, workload, progress=progress)
        writer = LogWriter(f"{platform.platform()} Python {platform.python_version()}")
        file.write(writer.opening() + "\n")

        def record(before: "State", inputs: "Inputs", result: "StepResult") -> None:
            file.writelines(f"{line}\n" for line in writer.decided(workload.policy, before, inputs, result))

        return tournament.play(scenario, workload, watch=record, progress=progress)
