"""A sweep of a policy's knobs, for people and for programs: a table, a plot of cost against attainment, and which knob to turn."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from replay.knobs import Point, Swept
from replay.report.assertions import Checked
from replay.report.columns import columns, percent
from replay.report.document import figures, multiple, optimum, played
from replay.report.plot import LINE, scatter
from replay.report.terminal import head

VERSION = 1  # of the document; goes up when a name goes or changes its meaning
PLOT_ROWS, PLOT_COLUMNS = 12, 96
OWN, EFFICIENT = "=", "*"


def show(console: Console, swept: Swept, *, policy_source: str) -> None:
    """Print everything."""
    soft = not console.is_terminal
    for line in head(swept.scenario, swept.workload, policy_source):
        console.print(line, soft_wrap=soft)
    console.print()
    console.print(_table(swept, gap=2 if console.width >= 72 else 1))
    console.print(
        Text(f"{OWN} the policy as it is   {EFFICIENT} no other point attains as much for less", "dim"), soft_wrap=soft
    )
    console.print()
    for line in _plot(swept, console.width):
        console.print(line, no_wrap=True, overflow="crop")
    names = dict.fromkeys(point.knob for point in swept.points)
    legend = "   ".join(f"{knob.key[0]} {knob.field}" for knob in names)
    console.print(Text(f"{OWN} the policy   {legend}", "dim"), soft_wrap=soft)
    console.print()
    for sentence in advice(swept):
        console.print(sentence, soft_wrap=soft)


def advice(swept: Swept) -> Iterator[str]:
    """The cheapest change to attain more, and the cheapest way to pay less, a sentence each."""
    wait, target = f"{swept.workload.policy.queue_wait_seconds:g} s", f"{swept.workload.policy.attainment * 100:g}%"
    late = f"{swept.late * 100:.2g}%"
    reach = f"halves the {late} of requests that wait over {wait}" if swept.meets else f"reaches {target} within {wait}"
    if not swept.late:
        yield f"With the policy as it is, no request waits over {wait}."
    elif swept.safer:
        yield f"Cheapest change that {reach}: {_change(swept, swept.safer)}."
    else:
        best = max(swept.points, key=lambda point: (point.attainment, point.own))
        most = "the policy as it is" if best.own else best.label
        yield f"No single change tried {reach}; the most, {percent(best.attainment)}, comes with {most}."
    if swept.cheaper:
        yield f"Cheapest change that still reaches {target}: {_change(swept, swept.cheaper)}."
    elif swept.meets:
        yield f"No single change tried costs less and still reaches {target}."
    yield "This is one trace and one seed: before you turn a knob, sweep another day or another --seed as well."


def _change(swept: Swept, point: Point) -> str:
    hours = point.gpu_hours - swept.ours.score.gpu_hours
    delayed = point.outcome.score.cold_starts_met - swept.ours.score.cold_starts_met
    more = f"{abs(delayed):,} {'more' if delayed > 0 else 'fewer'}" if delayed else "as many"
    return (
        f"{point.label} ({hours:+,.2f} GPU-hours, {percent(point.attainment)}, {more} requests delayed by a cold start)"
    )


def _table(swept: Swept, gap: int) -> Table:
    wait_seconds = swept.workload.policy.queue_wait_seconds
    names = (
        "GPU-hours",
        "cost / clairvoyant",
        "cost",
        f"waited at most {wait_seconds:g} s",
        "p99 wait",
        "delayed by a cold start",
    )
    shown = [column for column in columns(wait_seconds, swept.clairvoyant) if column.name in names]
    table = Table(box=None, pad_edge=False, padding=(0, 0, 0, gap), header_style="bold")
    table.add_column("", no_wrap=True)
    for column in shown:
        table.add_column(column.heading, justify="right", vertical="bottom", no_wrap=True)
    before = None
    for point in swept.points:
        if point.knob is not before:
            table.add_row(Text(point.knob.field, "bold"))
        before = point.knob
        good = swept.is_efficient(point)
        mark = f"{OWN if point.own else ' '}{EFFICIENT if good else ' '}"
        style = "green" if good else "bold" if point.own else ""
        cells = (column.shown(point.outcome) for column in shown)
        table.add_row(f"{mark} {point.knob.show(point.value)}", *cells, style=style)
    return table


def _plot(swept: Swept, width: int) -> Iterator[Text]:
    """Attainment over GPU-hours, by the logarithm of the share of late requests: 99.9 % is as far from 99 % as that from 90 %."""
    least = 0.5 / len(swept.scenario.requests)

    def height(attainment: float) -> float:
        return -math.log10(max(1.0 - attainment, least))

    label = 8
    points = [(point.gpu_hours, height(point.attainment), point.knob.key[0]) for point in swept.points]
    points.append((swept.ours.score.gpu_hours, height(swept.ours.attainment), OWN))
    target = swept.workload.policy.attainment
    rows = scatter(points, height(target), max(20, min(PLOT_COLUMNS, width - label - 1)), PLOT_ROWS)
    shares = [*(point.attainment for point in swept.points), target]
    yield Text(f"{'':{label}} within {swept.workload.policy.queue_wait_seconds:g} s, by GPU-hours", "dim")
    for place, row in enumerate(rows):
        name = {0: percent(max(shares)), len(rows) - 1: percent(min(shares))}.get(
            place, f"{target * 100:g}%" if LINE in row else ""
        )
        yield Text.assemble((f"{name:>{label}} ", "dim"), row.rstrip())
    hours = [point.gpu_hours for point in swept.points]
    low, high = f"{min(hours):,.2f}", f"{max(hours):,.2f}"
    yield Text(f"{'':{label}} {low}{high:>{len(rows[0]) - len(low)}}", "dim")


def document(swept: Swept, *, policy_source: str, assertions: Sequence[Checked] = ()) -> dict[str, Any]:
    """Plain JSON values, with every point."""
    return {
        "version": VERSION,
        **played(swept.scenario, swept.workload, policy_source),
        "points": [_point(swept, point) for point in swept.points],
        "clairvoyant": optimum(swept.clairvoyant),
        "safer": swept.safer and _point(swept, swept.safer),
        "cheaper": swept.cheaper and _point(swept, swept.cheaper),
        "advice": list(advice(swept)),
        "assertions": [each.document for each in assertions],
    }


def _point(swept: Swept, point: Point) -> dict[str, Any]:
    """`own` is the policy's own value."""
    named = {"knob": point.knob.key, "field": point.knob.field, "value": point.value, "shown": point.label}
    return (
        named
        | {"own": point.own, "efficient": swept.is_efficient(point)}
        | figures(point.outcome)
        | multiple(swept.clairvoyant, point.outcome)
    )
