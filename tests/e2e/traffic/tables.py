"""The results of a run, as tables for people and as JSON."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from tests.e2e.harness.api import Json
from tests.e2e.harness.cluster import RATE
from tests.e2e.traffic.burst import Burst
from tests.e2e.traffic.stages import Spread

WIDTH = 118


@dataclass(frozen=True)
class Result:
    """One contender, on the cluster or in the simulation. GPU-hours and waits are scenario time."""

    name: str
    requests: int
    share_within_1s: float
    share_within_5s: float
    p99_wait_seconds: float | None  # None: infinite
    failed: int
    gpu_hours: float
    nodes: int
    most_replicas: int
    balloons: int | None


@dataclass(frozen=True)
class Climb:
    """One contender's stages, in wall seconds."""

    name: str
    after_need: Mapping[str, Spread | None]
    lasted: Mapping[str, Spread | None]


def document(results: Sequence[Result], climbs: Sequence[Climb], rise: Burst) -> Json:
    """Everything as JSON."""
    return {
        "rate": RATE,
        "burst": asdict(rise),
        "results": [asdict(each) for each in results],
        "wall_seconds": [asdict(each) for each in climbs],
    }


def text(results: Sequence[Result], climbs: Sequence[Climb], rise: Burst) -> str:
    """The tables, as plain text."""
    console = Console(file=io.StringIO(), width=WIDTH, highlight=False)
    first, last = min(rise.levels), max(rise.levels)
    title = (
        f"The burst: from {rise.least} replicas that the traffic needs at {rise.starts_seconds:.0f} s to {last} at "
        f"{rise.levels[last]:.0f} s.\nSeconds from the need for each of {first} to {last} replicas until that many had reached "
        "the stage: median (worst)\nNegative: ahead of the need; what existed before the burst counts from its start."
    )
    console.print(_stages(title, {climb.name: climb.after_need for climb in climbs}, "{:+.1f}"))
    title = "Seconds that each stage took for the replicas that were added: median (worst)"
    console.print(_stages(title, {climb.name: climb.lasted for climb in climbs}, "{:.1f}"))
    console.print(_outcomes(results))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _stages(title: str, columns: Mapping[str, Mapping[str, Spread | None]], form: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("stage")
    for name in columns:
        table.add_column(f"{name}, wall", justify="right")
        table.add_column("scenario", justify="right")
    for stage in next(iter(columns.values())):
        found = [spreads[stage] for spreads in columns.values()]
        if any(found):
            table.add_row(stage, *(_shown(each, rate, form) for each in found for rate in (1, RATE)))
    return table


def _shown(spread: Spread | None, rate: float, form: str) -> str:
    if spread is None:
        return "-"
    return f"{form.format(spread.median * rate)} ({form.format(spread.worst * rate)})"


def _outcomes(results: Sequence[Result]) -> Table:
    table = Table(title="What users met and what it cost, in scenario time", title_justify="left")
    table.add_column("")
    for head in ("within 1 s", "within 5 s", "p99 wait", "failed", "GPU-hours", "nodes", "most replicas", "balloons"):
        table.add_column(head, justify="right")
    for each in results:
        table.add_row(
            each.name,
            f"{each.share_within_1s:.1%}",
            f"{each.share_within_5s:.1%}",
            "infinite" if each.p99_wait_seconds is None else f"{each.p99_wait_seconds:.1f} s",
            str(each.failed),
            f"{each.gpu_hours:.2f}",
            str(each.nodes),
            str(each.most_replicas),
            "-" if each.balloons is None else str(each.balloons),
        )
    return table
