"""Replay a traffic trace: what a policy would cost and how long users would wait, compared with other autoscalers."""

import json
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from crds.profiles import DEFAULT_PROFILE
from replay.commands.options import (
    SWEEPS,
    ActuatorsOption,
    BackendOption,
    CaFileOption,
    CheckpointsOption,
    ColumnsOption,
    DaysOption,
    DurationOption,
    JobsOption,
    JsonOption,
    PolicyOption,
    ScaleOption,
    SeedOption,
    StartOption,
    TenantOption,
    TimeUnitOption,
    TokenFileOption,
    TracesArgument,
    complete_assertion,
    complete_profile,
    complete_sweep,
    is_scenario,
)
from replay.commands.processes import FEW_REQUESTS, WorkersError, workers

if TYPE_CHECKING:
    from crds.workload import Workload
    from policies.model import Inputs, State, StepResult
    from replay.commands.prometheus import Access
    from replay.knobs import PolicyKnob, Swept
    from replay.report.assertions import Checked
    from replay.runs import Play, Progress
    from replay.scenario.actuators import Actuators
    from replay.scenario.build import PastKind
    from replay.scenario.scenario import Scenario
    from replay.tournament import Standings

STATED = {
    "--policy",
    "--profile",
    "--scale",
    "--start",
    "--duration",
    "--actuators",
}  # that a scenario file says itself


def command(
    traces: TracesArgument,
    *,
    policy: PolicyOption = None,
    profile: Annotated[
        str | None,
        typer.Option(
            help="Profile (engine and GPU) of the default policy, which allows 1 to 400 replicas; for use without --policy. "
            f"Default: {DEFAULT_PROFILE}.",
            autocompletion=complete_profile,
        ),
    ] = None,
    columns: ColumnsOption = None,
    time_unit: TimeUnitOption = None,
    days: DaysOption = 7.0,
    token_file: TokenFileOption = None,
    ca_file: CaFileOption = None,
    tenant: TenantOption = None,
    scale: ScaleOption = 1.0,
    start: StartOption = None,
    duration: DurationOption = None,
    past: Annotated[
        Literal["trace", "generated", "none"],
        typer.Option(
            help="What Outrider knows of the traffic before the start: the trace's own, a generated week, or nothing.",
        ),
    ] = "trace",
    actuators: ActuatorsOption = None,
    seed: SeedOption = 0,
    decision_log: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write Outrider's decisions here, for explain and redecide.")
    ] = None,
    assertions: Annotated[
        list[str] | None,
        typer.Option(
            "--assert",
            metavar="FIGURE=VALUE",
            autocompletion=complete_assertion,
            help="Exit with 1 unless this holds for Outrider; repeatable. attainment=99% (within the SLO's wait) is a minimum. "
            "gpu-hours=12, cost=$40, p99-wait=2s, p99-first-token=3s, cold-starts=500 (requests they delayed) and failed=0 "
            "are maximums.",
        ),
    ] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="|".join(SWEEPS),
            autocompletion=complete_sweep,
            help="Instead of comparing with other autoscalers, play the policy with this setting at several values (repeatable): "
            "slo.attainment, scaleDown.hold, minReplicas, maxPreparedNodes. Says which one to turn.",
        ),
    ] = None,
    jobs: JobsOption = None,
    backend: BackendOption = "loky",
    checkpoints: CheckpointsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replay a traffic trace: what a policy would cost and how long users would wait, compared with other autoscalers.

    The others are a reactive ScaledObject (10 waiting requests per replica) and, tuned for this very trace, an HPA on running
    + waiting requests, an HPA on the rate of tokens, llm-d's SLO-aware law and the planner of NVIDIA Dynamo. All start with
    the same replicas, on the hardware of the policy's profile, with the same --actuators. Cost / clairvoyant is the cost divided
    by that of a schedule made with the traffic known in advance, the cheapest found that meets the SLO. A policy in mode Shadow
    is replayed as if it were Active.
    Exit code 1: an assertion does not hold, or a process that played failed; 2: the trace, the policy or an option cannot be used.

    A scenario file plays several workloads on one cluster, with their pool, stock-outs and standby nodes.

    Examples:
        outrider replay sample:office-morning
        outrider replay scenario:six-models
        outrider replay requests.csv --policy policy.yaml
        outrider replay prometheus://localhost:9090/llm/chat
        outrider replay requests.csv --assert attainment=99%
    """
    from crds.files import PolicyFileError
    from replay import knobs as knobs_of
    from replay.commands.arguments import why
    from replay.commands.prometheus import Access
    from replay.report.assertions import check, parse
    from replay.scenario.actuators import asked_for, named
    from replay.traces.trace import TraceError

    if any(map(is_scenario, traces)):
        given = {
            "--policy": policy,
            "--profile": profile,
            "--columns": columns,
            "--time-unit": time_unit,
            "--scale": scale != 1.0,
            "--start": start,
            "--duration": duration,
            "--past": past != "trace",
            "--actuators": actuators,
            "--decision-log": decision_log,
            "--assert": assertions,
            "--sweep": sweep,
            "--checkpoints": checkpoints,
            "--backend": backend != "loky",
        }
        _replay_cluster(traces, [option for option, value in given.items() if value], seed, jobs, as_json=as_json)
        return
    try:
        asked = [parse(text) for text in assertions or ()]
        knobs = _knobs(sweep or ())
        if knobs and decision_log:
            raise ValueError("--decision-log records one run, and --sweep plays many; leave one of them out")
        workload, source = _workload(policy, profile)
        scenario = scenario_of(
            workload,
            *traces,
            columns=columns,
            time_unit=time_unit,
            access=Access(days, token_file, ca_file, tenant),
            scale=scale,
            start=start,
            duration=duration,
            past=past,
            seed=seed,
            actuators=asked_for(workload) if actuators is None else named(actuators),
        )
        if jobs is None and not knobs and len(scenario.requests) < FEW_REQUESTS:
            jobs = 1
        with (
            workers(backend, jobs) as others,
            _kept(checkpoints, others.play) as play,
            _bar(show=not as_json) as progress,
        ):
            if knobs:
                played: Standings | Swept = knobs_of.sweep(scenario, workload, knobs, play=play, progress=progress)
            else:
                played = _play(scenario, workload, decision_log, play, progress)
    except PolicyFileError as error:
        _refuse(str(error))
    except (TraceError, ValueError, OSError) as error:
        _refuse(f"outrider replay: {why(error)}")
    except WorkersError as error:
        print(f"outrider replay: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    checked = check(asked, played.ours)
    _report(played, source, checked, as_json=as_json)
    for each in checked:
        print(each.line, file=sys.stderr if as_json else sys.stdout)
    if not all(each.passed for each in checked):
        raise typer.Exit(1)


def _replay_cluster(
    names: "Sequence[str]", options: "Sequence[str]", seed: int, jobs: int | None, *, as_json: bool
) -> None:
    """Play a scenario file, which says itself what the options of a trace would."""
    from crds.resolve.problems import spell
    from replay.commands import cluster
    from replay.scenario.files import ScenarioFileError

    try:
        if len(names) > 1:
            raise ValueError("one scenario is played at a time; name one file")
        if options:
            instead = "; write it into the file" if STATED.issuperset(options) else ""
            raise ValueError(f"{spell(options)} cannot be used with a scenario file{instead}")
        with _bar(show=not as_json) as progress:
            cluster.replay(names[0], seed=seed or None, jobs=jobs, as_json=as_json, progress=progress)
    except ScenarioFileError as error:
        _refuse(str(error))
    except (ValueError, OSError) as error:
        from replay.commands.arguments import why

        _refuse(f"outrider replay: {why(error)}")
    except WorkersError as error:
        print(f"outrider replay: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


def _report(played: "Standings | Swept", source: str, checked: "Sequence[Checked]", *, as_json: bool) -> None:
    from rich.console import Console

    from replay.knobs import Swept
    from replay.report import document, sweep, terminal

    if as_json:
        if isinstance(played, Swept):
            whole = sweep.document(played, policy_source=source, assertions=checked)
        else:
            whole = document.document(played, policy_source=source, assertions=checked)
        json.dump(whole, sys.stdout, indent=2, allow_nan=False)
        print()
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=120)
    if isinstance(played, Swept):
        sweep.show(console, played, policy_source=source)
    else:
        terminal.show(console, played, policy_source=source)


def _refuse(text: str) -> NoReturn:
    print(text, file=sys.stderr)
    raise typer.Exit(2) from None


def _workload(path: Path | None, profile: str | None) -> "tuple[Workload, str]":
    """The policy, and what to call it in the report."""
    from crds.files import one_policy
    from crds.profiles import PROFILES
    from policies.model import Mode
    from replay.scenario.policy import default

    if path is not None:
        if profile is not None:
            raise ValueError("--profile applies where no --policy is given; set spec.profile in the file instead")
        workload = one_policy(str(path)).workload
        workload = replace(workload, policy=replace(workload.policy, mode=Mode.ACTIVE))
        return workload, f"policy {workload.policy.name}"
    if profile is not None and profile not in PROFILES:
        raise ValueError(f"--profile {profile!r} is unknown; choose one of {', '.join(PROFILES)}")
    return (default() if profile is None else default(profile)), "default policy"


def scenario_of(
    workload: "Workload",
    name: str,
    *more: str,
    columns: "Sequence[str] | None" = None,
    time_unit: str | None = None,
    access: "Access | None" = None,
    scale: float,
    start: str | None,
    duration: str | None,
    past: "PastKind",
    seed: int,
    actuators: "Actuators | None" = None,
) -> "Scenario":
    """The scenario of a trace, as `part` reads it. Raises ValueError, and TraceError for a file that cannot be read as one."""
    from replay.commands.arguments import part
    from replay.scenario.actuators import NO_ACTUATORS
    from replay.scenario.build import for_workload

    recorded, start_seconds, duration_seconds = part(
        name, *more, start=start, duration=duration, columns=columns, time_unit=time_unit, access=access
    )
    return for_workload(
        recorded,
        workload,
        scale=scale,
        start_seconds=start_seconds,
        duration_seconds=duration_seconds,
        past=past,
        seed=seed,
        actuators=actuators or NO_ACTUATORS,
    )


def _knobs(names: "Sequence[str]") -> "list[PolicyKnob]":
    from replay.knobs import KNOBS

    for name in names:
        if name not in (*KNOBS, "all"):
            near = get_close_matches(name, KNOBS, n=1)
            instead = f"; did you mean {near[0]}?" if near else "."
            raise ValueError(f"--sweep {name!r} is unknown{instead} All: {', '.join(KNOBS)}, all")
    return [knob for key, knob in KNOBS.items() if key in names or "all" in names]


@contextmanager
def _kept(folder: Path | None, play: "Play") -> "Iterator[Play]":
    """`play` with checkpoints, which are removed once all is done."""
    from replay.checkpoints import Checkpoints

    if folder is None:
        try:
            cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        except RuntimeError:  # a user without a home
            yield play
            return
        folder = Path(cache, "outrider", "replay")
    else:
        folder.mkdir(parents=True, exist_ok=True)
    kept = Checkpoints(folder)
    try:
        yield kept.around(play)
    except BaseException:
        if len(kept):
            print(
                f"outrider replay: finished runs are kept in {folder} ({len(kept)}); the same command goes on from them.",
                file=sys.stderr,
            )
        raise
    if kept.resumed:
        print(f"outrider replay: runs that an interrupted command had finished: {kept.resumed}.", file=sys.stderr)
    kept.clear()


@contextmanager
def _bar(*, show: bool) -> "Iterator[Progress]":
    """A progress bar on stderr, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns = TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Bar(*columns, console=console, transient=True, disable=not (show and console.is_terminal)) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, most: bar.update(task, completed=done, total=most, description=what)


def _play(
    scenario: "Scenario", workload: "Workload", log: Path | None, play: "Play", progress: "Progress"
) -> "Standings":
    from policies.log import LogWriter
    from replay import tournament

    if log is None:
        return tournament.play(scenario, workload, play=play, progress=progress)
    with log.open("w", encoding="utf-8") as file:
        writer = LogWriter(f"{platform.platform()} Python {platform.python_version()}")
        file.write(writer.opening() + "\n")

        def record(before: "State", inputs: "Inputs", result: "StepResult") -> None:
            file.writelines(f"{line}\n" for line in writer.decided(workload.policy, before, inputs, result))

        return tournament.play(scenario, workload, play=play, watch=record, progress=progress)
