"""Replay a traffic trace: what a policy would cost and how long users would wait, compared with other autoscalers."""

import json
import platform
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from crds.profiles import DEFAULT_PROFILE
from replay.commands.options import (
    DurationOption,
    JsonOption,
    PolicyOption,
    ScaleOption,
    SeedOption,
    StartOption,
    TraceArgument,
)
from replay.commands.processes import one_thread_each

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
            f"Default: {DEFAULT_PROFILE}."
        ),
    ] = None,
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
    assertions: Annotated[
        list[str] | None,
        typer.Option(
            "--assert",
            metavar="FIGURE=VALUE",
            help="Exit with 1 unless this holds for Outrider; repeatable. attainment=99% (within the SLO's wait) is a minimum. "
            "gpu-hours=12, cost=$40, p99-wait=2s, p99-first-token=3s, cold-starts=500 (requests they delayed) and failed=0 "
            "are maximums.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Replay a traffic trace: what a policy would cost and how long users would wait, compared with other autoscalers.

    The others are a reactive ScaledObject (10 waiting requests per replica) and an HPA on running + waiting requests that
    is tuned for this very trace. All start with the same replicas, on the hardware of the policy's profile. A policy in
    mode Shadow is replayed as if it were Active.
    Exit code 1: an assertion does not hold; 2: the trace, the policy or an option cannot be used.
    """
    one_thread_each()
    from crds.files import PolicyFileError
    from replay.report.assertions import check, parse
    from replay.traces.trace import TraceError

    try:
        asked = [parse(text) for text in assertions or ()]
        workload, source = _workload(policy, profile)
        scenario = scenario_of(workload, trace, scale=scale, start=start, duration=duration, past=past, seed=seed)
        standings = _play(scenario, workload, decision_log)
    except PolicyFileError as error:
        _refuse(str(error))
    except (TraceError, ValueError, OSError) as error:
        _refuse(f"outrider replay: {error}")
    checked = check(asked, standings.ours)
    if as_json:
        from replay.report.document import document

        whole = document(standings, policy_source=source, assertions=checked)
        json.dump(whole, sys.stdout, indent=2, allow_nan=False)
        print()
    else:
        from rich.console import Console

        from replay.report.terminal import show

        console = Console(highlight=False)
        if not console.is_terminal:
            console = Console(highlight=False, width=120)
        show(console, standings, policy_source=source)
    for each in checked:
        print(each.line, file=sys.stderr if as_json else sys.stdout)
    if not all(each.passed for each in checked):
        raise typer.Exit(1)


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
    workload: "Workload", name: str, *, scale: float, start: str | None, duration: str | None, past: str, seed: int
) -> "Scenario":
    """The scenario of a trace file, or of sample:NAME. Raises ValueError, and TraceError for a file that cannot be read as one."""
    from replay.commands.arguments import named, span_seconds
    from replay.scenario.build import for_workload

    kinds: dict[str, PastKind] = {"trace": "trace", "generated": "generated", "none": "none"}
    if past not in kinds:
        raise ValueError(f"--past {past!r} is unknown; choose one of {', '.join(kinds)}")
    start_seconds, duration_seconds = span_seconds("--start", start), span_seconds("--duration", duration)
    recorded, begins_seconds, lasts_seconds = named(name)
    return for_workload(
        recorded,
        workload,
        scale=scale,
        start_seconds=begins_seconds if start_seconds is None else start_seconds,
        duration_seconds=lasts_seconds if duration_seconds is None else duration_seconds,
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
