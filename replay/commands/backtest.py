"""What forecasts save on traces, and their skill: of each family alone, and of the forecaster that chooses among them.

The demand of a trace is its arrivals times the work of one request by the engine's profile, in steps of a minute.
"""

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crds.profiles import DEFAULT_PROFILE
from replay.commands.options import ColumnsOption, TimeUnitOption, complete_profile, complete_trace

if TYPE_CHECKING:
    from rich.table import Table

    from forecasting.backtest import Backtest
    from forecasting.series import Series
    from policies.model import Engine
    from replay.traces.trace import Trace

STEP_SECONDS = 60.0
TOKEN_STEPS = 10  # tokens per request are averaged over ten minutes


def command(
    traces: Annotated[
        list[str],
        typer.Argument(
            metavar="TRACE",
            help="Tables of requests or of bins, Prometheus exports, or sample:NAME.",
            autocompletion=complete_trace,
        ),
    ],
    columns: ColumnsOption = None,
    time_unit: TimeUnitOption = None,
    scale: Annotated[
        float, typer.Option(help="Multiply each trace's request rate by this factor.", min=1e-6, max=1e6)
    ] = 1.0,
    profile: Annotated[
        str,
        typer.Option(
            help="Engine and GPU of the replicas in which demand is measured.", autocompletion=complete_profile
        ),
    ] = DEFAULT_PROFILE,
    errors: Annotated[
        bool,
        typer.Option("--errors", help="Add the standard error of each skill: a skill below two of them may be chance."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """What forecasts save on traces, and their skill: of each family alone, and of the forecaster that chooses among them.

    What is saved is the difference in GPU-hours, at equal attainment, between the profile's default policy without a
    forecast and with it, in a fluid replay of the demand.
    Skill is the share of naive's loss that a forecast avoids: the pinball loss of the quantiles .9, .95 and .99 of the
    maximum of demand over 2, 5 and 10 minutes.
    Exit code 2: a trace cannot be read, or is too short.

    Examples:
        outrider backtest sample:office-morning
        outrider backtest monday.csv --profile 8b-h100
    """
    from crds.profiles import PROFILES

    if profile not in PROFILES:
        typer.echo(
            f"outrider backtest: --profile {profile!r} is unknown; choose one of {', '.join(PROFILES)}", err=True
        )
        raise typer.Exit(2)
    from rich.console import Console
    from rich.progress import Progress

    from forecasting.backtest import backtest
    from forecasting.worth import Law
    from replay.commands.arguments import named
    from replay.scenario.policy import default
    from replay.traces.trace import TraceError

    workload = default(profile)
    law = Law.of(workload.policy, workload.cold_start)
    console = Console(stderr=True)
    done: dict[str, Backtest] = {}
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks = {name: bar.add_task(Path(name).name, total=1.0) for name in traces}
        for name, task in tasks.items():
            try:
                trace, *_ = named(name, columns=columns, time_unit=time_unit)
                series = demand(trace, PROFILES[profile].engine, scale)
                result = backtest(series, law, lambda share: bar.update(task, completed=share), errors=errors)  # noqa: B023
                done[name if trace.name in done else trace.name] = result
            except (TraceError, ValueError) as error:
                bar.stop()
                where = "" if isinstance(error, TraceError) else f"{name}: "  # a TraceError names the trace itself
                typer.echo(f"outrider backtest: {where}{error}", err=True)
                raise typer.Exit(2) from None
    if as_json:
        json.dump({name: document(result) for name, result in done.items()}, sys.stdout, indent=2, allow_nan=False)
        typer.echo()
    else:
        for name, result in done.items():
            Console().print(table(name, result))


def demand(trace: "Trace", engine: "Engine", scale: float) -> "Series":
    """The demand of a trace in replicas, one value a minute; NaN where the trace has a gap."""
    import numpy as np

    from forecasting.series import Series
    from policies.capacity import work_seconds

    steps = int(trace.duration_seconds // STEP_SECONDS)
    totals = trace.totals(0.0, steps * STEP_SECONDS, STEP_SECONDS)
    counts = np.stack([totals.requests, totals.prompt_tokens, totals.output_tokens])
    padded = np.concatenate([np.zeros((3, TOKEN_STEPS - 1)), np.nan_to_num(counts)], axis=1)
    recent = np.lib.stride_tricks.sliding_window_view(padded, TOKEN_STEPS, axis=1).sum(axis=2)
    per_request = recent[1:] / np.maximum(recent[0], 1.0)
    work = np.array([work_seconds(engine, prompt, output) for prompt, output in per_request.T.tolist()])
    return Series(trace.epoch_seconds, STEP_SECONDS, scale * totals.requests / STEP_SECONDS * work)


def document(result: "Backtest") -> dict[str, Any]:
    """The result as JSON values."""
    from forecasting.scores import SCORED_HORIZONS_SECONDS, SCORED_PROBABILITIES

    return {
        "saved_gpu_hours": result.scores[-1].worth.gpu_hours,
        "saved_share": result.scores[-1].worth.share,
        "days": result.scores[-1].worth.days,
        "forecasts": result.forecasts,
        "mean_replicas": result.mean_replicas,
        "proven_share": result.proven_share,
        "horizons_seconds": SCORED_HORIZONS_SECONDS,
        "probabilities": SCORED_PROBABILITIES,
        "families": {
            score.family: {
                "saved_gpu_hours": score.worth.gpu_hours,
                "saved_share": score.worth.share,
                "skill": score.skill,
                **(
                    {}
                    if score.skill_error is None
                    else {"skill_error": score.skill_error if math.isfinite(score.skill_error) else None}
                ),
                "loss_replicas": score.loss_replicas.tolist(),
                "coverage": score.coverage.tolist(),
                "refusals": score.refusals,
            }
            for score in result.scores
        },
    }


def table(name: str, result: "Backtest") -> "Table":
    """The result as a table, with losses in ‰ of the mean demand."""
    from rich.table import Table

    from forecasting.scores import SCORED_HORIZONS_SECONDS, SCORED_PROBABILITIES

    errors = ["±"] if any(score.skill_error is not None for score in result.scores) else []
    shown = Table(
        box=None,
        pad_edge=False,
        padding=(0, 0, 0, 1),  # fits 60 columns without errors
        title=f"{name}: {saved(result)}\n{result.forecasts} forecasts, mean demand {result.mean_replicas:.1f} replicas",
        caption="saved: GPU-hours at equal attainment\n"
        f"chosen: by the forecaster, used where proven: {result.proven_share:.0%} of the time\n"
        + ("±: standard error of the skill\n" if errors else "")
        + "loss at each lead, in ‰ of the mean demand\n"
        "share of maxima at or below each quantile\n"
        "no fit: hours in which naive took the family's place",
    )
    leads = (f"{horizon:.0f} s" for horizon in SCORED_HORIZONS_SECONDS)
    quantiles = (f"≤ p{probability * 100:.0f}" for probability in SCORED_PROBABILITIES)
    shown.add_column("family")
    for column in ("saved", "skill", *errors, *leads, *quantiles, "no fit"):
        shown.add_column(column, justify="right")
    for score in result.scores:
        losses = (1000.0 * score.loss_replicas.mean(axis=1) / result.mean_replicas).tolist()
        covered = score.coverage.mean(axis=0).tolist()
        shown.add_row(
            score.family,
            f"{round(score.worth.gpu_hours, 1) + 0.0:.1f}",
            f"{round(score.skill, 3) + 0.0:.1%}",
            *(f"{score.skill_error:.1%}" for _ in errors),
            *(f"{loss:.1f}" for loss in losses),
            *(f"{share:.3f}" for share in covered),
            str(score.refusals),
        )
    return shown


def saved(result: "Backtest") -> str:
    """What the chosen forecasts save, as a sentence."""
    worth = result.scores[-1].worth
    if not result.proven_share:
        return "no forecast is used"
    effect = "costs" if worth.gpu_hours < 0.0 else "saves"
    return f"the forecast {effect} {abs(worth.gpu_hours):.1f} GPU-hours ({abs(worth.share):.1%})"
