"""Watch the live controller scale ahead of a traffic trace, on a simulated cluster that runs on this machine alone."""

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replay.commands.options import (
    ColumnsOption,
    DurationOption,
    PolicyOption,
    ScaleOption,
    SeedOption,
    SpeedOption,
    StartOption,
    TimeUnitOption,
    TraceOption,
)

if TYPE_CHECKING:
    from policies.model import Policy
    from replay.demo.result import Result
    from replay.scenario.build import PastKind
    from replay.scenario.scenario import Scenario

SAMPLE = "sample:office-morning"
POLICY_FILE = Path(__file__).parents[1] / "demo" / "policy.yaml"


def command(
    *,
    trace: TraceOption = SAMPLE,
    columns: ColumnsOption = None,
    time_unit: TimeUnitOption = None,
    policy: PolicyOption = None,
    speed: SpeedOption = 30.0,
    scale: ScaleOption = 1.0,
    start: StartOption = None,
    duration: DurationOption = None,
    seed: SeedOption = 0,
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the decision log and both processes' logs in this folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print only the final score, as one JSON document.")] = False,
) -> None:
    """Watch the live controller scale ahead of a traffic trace, on a simulated cluster that runs on this machine alone.

    The cluster (Kubernetes API, vLLM pods, Prometheus, KEDA and its HPA) is one process and the controller another; they
    meet on the real protocols. At the end it prints the score, compared with a reactive ScaledObject and a tuned HPA on the
    same traffic. Ctrl-C prints the score so far.

    The scenario begins when the controller is ready, and its clock slows down while the controller's scrapes come late. Exit
    code 1: one of the two processes failed, or this machine was too busy for a result; 2: the trace, the policy or an option
    cannot be used; 130: Ctrl-C.

    Examples:
        outrider demo
        outrider demo --trace requests.csv --speed 10
    """
    from rich.console import Console

    from crds.files import PolicyFileError, one_policy
    from replay import tournament
    from replay.commands.arguments import why
    from replay.commands.replay import scenario_of
    from replay.demo.processes import DiedError
    from replay.demo.show import play
    from replay.report.document import document
    from replay.report.terminal import show
    from replay.simcluster.policy import stored
    from replay.traces.trace import TraceError

    past: PastKind = "trace" if trace.startswith("sample:") else "generated"
    try:
        written = one_policy(str(policy or POLICY_FILE))
        workload = written.workload
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
        stored(written, scenario.start_seconds)  # refuses what the simulated cluster cannot run
        folder = _folder(keep)
    except PolicyFileError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    except (TraceError, ValueError, OSError) as error:
        print(f"outrider demo: {why(error)}", file=sys.stderr)
        raise typer.Exit(2) from None
    console = Console(highlight=False, quiet=as_json)
    try:
        result = play(scenario, written, speed=speed, folder=folder, console=console)
    except KeyboardInterrupt:
        _forget(folder, keep)
        print("outrider demo: stopped before its end; there is no score.", file=sys.stderr)
        raise typer.Exit(130) from None
    except DiedError as error:
        print(f"outrider demo: {error}\nAll logs are in {folder}", file=sys.stderr)
        raise typer.Exit(1) from None
    if result.problem is None or result.stopped:
        _forget(folder, keep)
    source = f"policy {workload.policy.name}"
    if result.problem is None and not result.stopped:
        standings = tournament.play(scenario, workload, ours=result.outcome)
        if as_json:
            _print_json(document(standings, policy_source=source))
        else:
            show(
                console if console.is_terminal else Console(highlight=False, width=120), standings, policy_source=source
            )
        return
    _say_why(result, scenario, workload.policy, folder, as_json=as_json)
    raise typer.Exit(130 if result.stopped else 1)


def _say_why(result: "Result", scenario: "Scenario", policy: "Policy", folder: Path, *, as_json: bool) -> None:
    """Print the partial score of a run that was stopped, or why there is none."""
    from replay.demo.result import partial
    from replay.report.document import VERSION, figures

    if as_json:
        score = None if result.problem else figures(result.outcome)
        _print_json({"version": VERSION, **result.facts, "partial": score})
    elif result.problem is None:
        print(partial(result, scenario, policy))
    if result.problem is not None:
        print(f"outrider demo: no result: {result.problem}.", file=sys.stderr)
        if not result.stopped:
            advice = f"Let other work end first, or try --speed {result.suggested_speed}."
            print(f"{advice}\nAll logs are in {folder}", file=sys.stderr)


def _print_json(found: dict[str, object]) -> None:
    json.dump(found, sys.stdout, indent=2, allow_nan=False)
    print()


def _folder(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="outrider-demo-"))
    keep.mkdir(parents=True, exist_ok=True)
    if any(keep.iterdir()):
        raise ValueError(f"--keep {keep} is not empty; name a new folder")
    return keep


def _forget(folder: Path, keep: Path | None) -> None:
    if keep is None:
        shutil.rmtree(folder, ignore_errors=True)
