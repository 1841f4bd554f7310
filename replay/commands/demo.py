"""Watch the live controller scale ahead of traffic, on a simulated cluster that runs on this machine alone."""

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
    OptionalTraceOption,
    PolicyOption,
    ScaleOption,
    SeedOption,
    SpeedOption,
    StartOption,
    TimeUnitOption,
    is_scenario,
)

if TYPE_CHECKING:
    from rich.console import Console

    from replay.cluster_contenders import Played
    from replay.cluster_run import ClusterOutcome
    from replay.demo.result import Result
    from replay.driver import Outcome
    from replay.scenario.build import PastKind
    from replay.scenario.documents import Served

SCENARIO = "scenario:three-models"
SAMPLE = "sample:office-morning"
POLICY_FILE = Path(__file__).parents[1] / "demo" / "policy.yaml"


def command(
    *,
    trace: OptionalTraceOption = None,
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
    """Watch the live controller scale ahead of traffic, on a simulated cluster that runs on this machine alone.

    By default three models share a pool of GPUs whose spot nodes run out for a while. With --trace or --policy it is one
    workload, by default with the traffic of an office's morning.

    The cluster (Kubernetes API, vLLM pods, Prometheus, KEDA and its HPA) is one process and the controller another; they
    meet on the real protocols. At the end it prints the score, compared with reactive ScaledObjects and a tuned HPA on the
    same traffic. Ctrl-C prints the score so far.

    The scenario begins when the controller is ready, and its clock slows down while the controller's scrapes come late. Exit
    code 1: one of the two processes failed, or this machine was too busy for a result; 2: the trace, the policy or an option
    cannot be used; 130: Ctrl-C.

    Examples:
        outrider demo
        outrider demo --trace requests.csv --speed 10
    """
    from rich.console import Console

    from crds.files import PolicyFileError
    from replay.commands.arguments import why
    from replay.demo.processes import DiedError
    from replay.demo.show import play
    from replay.scenario.files import ScenarioFileError
    from replay.simcluster.policy import stored
    from replay.traces.trace import TraceError

    given = {"--policy": policy, "--columns": columns, "--time-unit": time_unit, "--start": start}
    try:
        name = trace or (SCENARIO if policy is None else SAMPLE)
        played: Played | None = None
        if is_scenario(name):
            of_traces = [option for option, value in given.items() if value] + ["--scale"] * (scale != 1.0)
            served, played = _scenario(name, duration, seed, of_traces)
        else:
            served = _of_trace(name, policy, columns, time_unit, scale, start, duration, seed)
        for each in served.policies:  # refuses what the simulated cluster cannot run
            stored(each, served.scenario.start_seconds)
        folder = _folder(keep)
    except (PolicyFileError, ScenarioFileError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    except (TraceError, ValueError, OSError) as error:
        print(f"outrider demo: {why(error)}", file=sys.stderr)
        raise typer.Exit(2) from None
    console = Console(highlight=False, quiet=as_json)
    try:
        result = play(served, speed=speed, folder=folder, console=console)
    except KeyboardInterrupt:
        _forget(folder, keep)
        print("outrider demo: stopped before its end; there is no score.", file=sys.stderr)
        raise typer.Exit(130) from None
    except DiedError as error:
        print(f"outrider demo: {error}\nAll logs are in {folder}", file=sys.stderr)
        raise typer.Exit(1) from None
    if result.problem is None or result.stopped:
        _forget(folder, keep)
    if result.problem is None and not result.stopped:
        shown = console if console.is_terminal else Console(highlight=False, width=120)
        if played is None:
            _score(served, result.outcome, shown, as_json=as_json)
        else:
            _score_of_pool(played, result, shown, as_json=as_json)
        return
    _say_why(result, served, folder, as_json=as_json)
    raise typer.Exit(130 if result.stopped else 1)


def _of_trace(
    name: str,
    policy: Path | None,
    columns: list[str] | None,
    time_unit: str | None,
    scale: float,
    start: str | None,
    duration: str | None,
    seed: int,
) -> "Served":
    from crds.files import one_policy
    from replay.commands.replay import scenario_of
    from replay.scenario.documents import Served

    past: PastKind = "trace" if name.startswith("sample:") else "generated"
    written = one_policy(str(policy or POLICY_FILE))
    scenario = scenario_of(
        written.workload,
        name,
        columns=columns,
        time_unit=time_unit,
        scale=scale,
        start=start,
        duration=duration,
        past=past,
        seed=seed,
    )
    return Served(scenario, (written,))


def _scenario(name: str, duration: str | None, seed: int, of_traces: list[str]) -> "tuple[Served, Played]":
    """A scenario of several workloads, for as long as asked. Raises ValueError and ScenarioFileError."""
    from dataclasses import replace

    from replay.cluster_contenders import Played
    from replay.commands.arguments import option_seconds
    from replay.scenario.assemble import cluster
    from replay.scenario.documents import served
    from replay.scenario.files import load

    if of_traces:
        raise ValueError(f"{', '.join(of_traces)}: for a trace, which --trace names; a scenario says it itself")
    file = load(name)
    if duration is not None:
        file = replace(
            file,
            spec=file.spec.model_copy(update={"duration": f"{option_seconds('--duration', duration) or 0.0:.0f}s"}),
        )
    scenario = cluster(file, seed or None)
    workloads = {part.stated.name: part.workload for part in file.parts}
    return served(file, scenario), Played(scenario, workloads, file.pool)


def _score(served: "Served", outcome: "Outcome | ClusterOutcome", console: "Console", *, as_json: bool) -> None:
    """Print how the controller did on one workload, beside its baselines."""
    from replay import tournament
    from replay.driver import Outcome
    from replay.report.document import document
    from replay.report.terminal import show
    from replay.scenario.scenario import Scenario

    assert isinstance(served.scenario, Scenario)  # noqa: S101 - of a trace
    assert isinstance(outcome, Outcome)  # noqa: S101 - likewise
    workload = served.policies[0].workload
    source = f"policy {workload.policy.name}"
    standings = tournament.play(served.scenario, workload, ours=outcome)
    if as_json:
        _print_json(document(standings, policy_source=source))
    else:
        show(console, standings, policy_source=source)


def _score_of_pool(played: "Played", result: "Result", console: "Console", *, as_json: bool) -> None:
    """Print how the controller did with a pool, beside its baselines, and how the pool stands."""
    from replay import cluster_tournament
    from replay.cluster_contenders import Contending
    from replay.cluster_run import ClusterOutcome
    from replay.cluster_tournament import ClusterRow, ClusterRun, ClusterStandings
    from replay.demo.pools import listing
    from replay.report import cluster_document, cluster_table

    assert isinstance(result.outcome, ClusterOutcome)  # noqa: S101 - of several workloads
    ours, *others = cluster_tournament.DEFAULT
    baselines = cluster_tournament.play(played, [(Contending(each.key), None) for each in others])
    row = ClusterRow(ClusterRun(played, ours), result.outcome)
    standings = ClusterStandings(played, (row, *baselines.rows))
    if as_json:
        _print_json(cluster_document.document(standings) | {"pools": list(result.pools)})
        return
    console.print(listing(result.pools))
    cluster_table.show(console, standings, "")


def _say_why(result: "Result", served: "Served", folder: Path, *, as_json: bool) -> None:
    """Print the partial score of a run that was stopped, or why there is none."""
    from replay.demo.result import partial
    from replay.driver import Outcome
    from replay.report.document import VERSION, figures

    if as_json:
        of = {"": result.outcome} if isinstance(result.outcome, Outcome) else dict(result.outcome.workloads)
        scores = {name: figures(each) for name, each in of.items()}
        score = None if result.problem else scores.get("", scores)
        _print_json({"version": VERSION, **result.facts, "partial": score})
    elif result.problem is None:
        print(partial(result, served))
    if result.problem is not None:
        print(f"outrider demo: no result: {result.problem}.", file=sys.stderr)
        if not result.stopped:
            advice = f"Let other work end first, or try --speed {result.suggested_speed}."
            print(f"{advice}\nAll logs are in {folder}", file=sys.stderr)


def _print_json(found: dict[str, object]) -> None:
    json.dump(found, sys.stdout, indent=2, allow_nan=False, default=str)
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
