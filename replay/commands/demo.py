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
    from replay.scenario.build import PastKind

SAMPLE = "sample:office-morning"


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
    same traffic. Exit code 1: one of the two processes failed; 2: the trace, the policy or an option cannot be used.

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

    path = policy or Path(__file__).parents[1] / "demo" / "policy.yaml"
    past: PastKind = "trace" if trace.startswith("sample:") else "generated"
    try:
        written = one_policy(str(path))
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
        ours = play(scenario, written, speed=speed, folder=folder, console=console)
    except KeyboardInterrupt:
        _forget(folder, keep)
        raise typer.Exit(130) from None
    except DiedError as error:
        print(f"outrider demo: {error}\nAll logs are in {folder}", file=sys.stderr)
        raise typer.Exit(1) from None
    _forget(folder, keep)
    standings = tournament.play(scenario, workload, ours=ours)
    source = f"policy {workload.policy.name}"
    if as_json:
        json.dump(document(standings, policy_source=source), sys.stdout, indent=2, allow_nan=False)
        print()
    else:
        show(console if console.is_terminal else Console(highlight=False, width=120), standings, policy_source=source)


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
