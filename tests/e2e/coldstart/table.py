"""Seconds from the need to each stage, and what a start took beside the serial one."""

import io
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.e2e.coldstart.cells import AFTER, BEFORE, Kind, Way
from tests.e2e.harness.cluster import RATE
from tests.e2e.traffic.stages import ladder

STAGES = ("pod made", "node ready", "GPU there", "bound", "image there", "weights there", "serving")
Medians = Mapping[str, float]  # seconds by stage; infinite: fewer than half of the replicas reached it


def medians(
    pods: Sequence[Mapping[str, Any]], machines: Mapping[str, Mapping[str, Any]], need_seconds: Mapping[int, float]
) -> dict[str, float]:
    """Median over the replicas that are added of the wall seconds from the need for each, whose Unix time is given.

    Pods and nodes are as the stand-in reports them.
    """
    since = min(need_seconds.values())
    found = ladder(pods, _times(machines, "ready"), since)
    found["GPU there"] = ladder(pods, _times(machines, "gpu_ready"), since)["node ready"]
    added = range(BEFORE + 1, AFTER + 1)
    return {
        stage: statistics.median(found[stage].get(level, math.inf) - need_seconds[level] for level in added)
        for stage in STAGES
    }


def text(found: Mapping[tuple[Kind, Way], Medians]) -> str:
    """The tables, as plain text."""
    console = Console(file=io.StringIO(), width=110, highlight=False)
    serial_seconds = found[Kind.STOCK, Way.SERIAL]["serving"]
    for kind in Kind:
        title = (
            f"{kind}: seconds from the need for replicas {BEFORE + 1} to {AFTER} to each stage, median, wall (scenario)"
        )
        table = _table(title, "stage")
        for stage in STAGES:
            table.add_row(stage, *(_seconds(found[kind, way][stage]) for way in Way))
        table.add_row("share of serial", *(_share(found[kind, way]["serving"] / serial_seconds) for way in Way))
        console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def shares(found: Mapping[tuple[Kind, Way], Medians]) -> dict[Kind, float]:
    """Need to serving with overlap and pre-pull, as a share of the serial start on a new node with a stock image."""
    serial_seconds = found[Kind.STOCK, Way.SERIAL]["serving"]
    return {kind: found[kind, Way.AHEAD]["serving"] / serial_seconds for kind in Kind}


def _times(machines: Mapping[str, Mapping[str, Any]], field: str) -> dict[str, float]:
    return {name: each[field] for name, each in machines.items() if each[field] is not None}


def _table(title: str, first: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first)
    for way in Way:
        table.add_column(way, justify="right")
    return table


def _share(share: float) -> str:
    return f"{share:.2f}" if math.isfinite(share) else ""


def _seconds(wall_seconds: float) -> str:
    return f"{wall_seconds:.1f} ({wall_seconds * RATE:.0f})" if math.isfinite(wall_seconds) else "not yet"
