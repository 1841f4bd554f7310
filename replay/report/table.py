"""The standings as a table: a line for each contender, a column for each figure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from replay.frontier import Pick
from replay.report.columns import Column, columns
from replay.report.titles import CLAIRVOYANT, title
from replay.tournament import Row, Standings

GAP = 2
# What goes first where the terminal is too narrow for all.
LEAST_FIRST = (
    "most prepared nodes",
    "most replicas",
    "failed",
    "cost",
    "delayed by a cold start",
    "p99 wait",
    "waited at most 1 s",
    "cost / clairvoyant",
)
HEADINGS = {Pick.AT_COST: "at {ours}'s cost", Pick.AT_ATTAINMENT: "at {ours}'s attainment"}


@dataclass(frozen=True, slots=True)
class _Line:
    """A name and its cells, one for each column; a heading has none."""

    name: Text
    cells: Sequence[Text] = ()


def table(standings: Standings, width: int) -> Table:
    """The tuned contenders come last, by what they were tuned to; the best of a column is bold, the clairvoyant apart."""
    shown = [*columns(standings.workload.policy.queue_wait_seconds, standings.clairvoyant), *_fleet(standings)]
    lines = list(_lines(standings, shown))
    places = _fitting(shown, lines, width)
    drawn = Table(box=None, pad_edge=False, padding=(0, 0, 0, GAP), header_style="bold")
    drawn.add_column("", no_wrap=True)
    for place in places:
        drawn.add_column(shown[place].heading, justify="right", vertical="bottom", no_wrap=True)
    for line in lines:
        drawn.add_row(line.name, *(line.cells[place] for place in places if line.cells))
    return drawn


def _lines(standings: Standings, shown: Sequence[Column]) -> Iterator[_Line]:
    rows = standings.rows
    best = [min((row.outcome for row in rows), key=column.loss) for column in shown]

    def cells(row: Row) -> list[Text]:
        found = zip(shown, best, strict=True)
        return [Text(it.shown(row.outcome), "bold" if it.order(top, row.outcome) == 0 else "") for it, top in found]

    for row in rows:
        if row.pick is None:
            yield _Line(title(row), cells(row))
    for pick, heading in HEADINGS.items():
        picked = [row for row in rows if row.pick is pick]
        if picked:
            yield _Line(Text(heading.format(ours=rows[0].contender.name), "dim"))
        for row in picked:
            yield _Line(Text.assemble("  ", title(row)), cells(row))
    if standings.clairvoyant is not None:
        outcome = standings.clairvoyant.outcome
        yield _Line(Text(CLAIRVOYANT, "dim"), [Text(column.shown(outcome), "dim") for column in shown])


def _fleet(standings: Standings) -> Iterator[Column]:
    yield Column(
        "most replicas",
        lambda it: float(it.score.timeline.ready_replicas.max()),
        "{:.0f}".format,
        header="most\nreplicas",
    )
    if any(row.outcome.score.timeline.balloons.any() for row in standings.rows):
        yield Column(
            "most prepared nodes",
            lambda it: float(it.score.timeline.balloons.max()),
            "{:.0f}".format,
            header="most\nprepared\nnodes",
        )


def _fitting(shown: Sequence[Column], lines: Sequence[_Line], width: int) -> list[int]:
    """The places of the columns that fit."""
    names = max(line.name.cell_len for line in lines)

    def taken(place: int) -> int:
        cells = (line.cells[place].cell_len for line in lines if line.cells)
        return GAP + max(*map(len, shown[place].heading.split("\n")), *cells)

    places = list(range(len(shown)))
    for name in LEAST_FIRST:
        if names + sum(map(taken, places)) <= width:
            break
        places = [place for place in places if shown[place].name != name]
    return places
