"""Replicas over time in characters: demand as an area, and a line for each side."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.text import Text

from autoscaler.records.comparison.timeline import Series, Timeline
from crds.notation.timestamps import timestamp
from crds.notation.units import DAY_SECONDS

ROWS = 13
TICKS = 3  # above 0; the top is a multiple of it, so that each is a whole number


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters of a plot: of an area, and the level and upright parts of each line."""

    area: str
    ran: str
    ran_upright: str
    outrider: str
    outrider_upright: str
    both: str  # where the lines meet


UNICODE = Glyphs("░", "─", "│", "━", "┃", "═")
ASCII = Glyphs(".", "-", "|", "#", "#", "=")
DEMAND_STYLE, RAN_STYLE, OUTRIDER_STYLE = "yellow", "red", "green"


def plot(timeline: Timeline, width: int, *, unicode: bool = True) -> list[Text]:
    """The plot in lines of `width` characters at most; empty without two bins."""
    glyphs = UNICODE if unicode else ASCII
    if timeline.bins < 2:
        return []
    sides = [timeline.demand, timeline.ran, timeline.outrider]
    label = 5
    columns = min(width - label - 1, timeline.bins)
    demand, ran, outrider = (_means(side, columns, timeline.bins) for side in sides)
    highest = max(value for values in (demand, ran, outrider) for value in values if value is not None)
    top = max(1, math.ceil(highest / TICKS)) * TICKS
    canvas = [[(" ", "")] * columns for _ in range(ROWS)]
    _area(canvas, demand, top, glyphs.area)
    _line(canvas, ran, top, (glyphs.ran, glyphs.ran_upright, RAN_STYLE), glyphs)
    _line(canvas, outrider, top, (glyphs.outrider, glyphs.outrider_upright, OUTRIDER_STYLE), glyphs)
    lines = []
    for row in range(ROWS):
        text = Text.assemble((f"{_tick(row, top):>{label}} ", "dim"))
        for character, style in canvas[row]:
            text.append(character, style)
        lines.append(text)
    return [*lines, Text(" " * (label + 1) + _times(timeline, columns), "dim")]


def legend(names: tuple[str, str], *, unicode: bool = True) -> Text:
    """What is what; `names` are those of both sides."""
    glyphs = UNICODE if unicode else ASCII
    return Text.assemble(
        ("replicas  ", "dim"),
        (f"{glyphs.area} demand  ", DEMAND_STYLE),
        (f"{glyphs.ran} {names[0]}  ", RAN_STYLE),
        (f"{glyphs.outrider} {names[1]}  ", OUTRIDER_STYLE),
        (f"{glyphs.both} both", "dim"),
    )


def _means(series: Series, columns: int, bins: int) -> list[float | None]:
    edges = [at * bins // columns for at in range(columns + 1)]
    return [series.mean(start, end) for start, end in pairwise(edges)]


def _row(value: float, top: float) -> int:
    return ROWS - 1 - min(ROWS - 1, round(value / top * (ROWS - 1)))


def _area(canvas: list[list[tuple[str, str]]], values: Sequence[float | None], top: float, glyph: str) -> None:
    for column, value in enumerate(values):
        if value is not None and value > 0.0:
            for row in range(_row(value, top), ROWS):
                canvas[row][column] = glyph, DEMAND_STYLE


def _line(
    canvas: list[list[tuple[str, str]]],
    values: Sequence[float | None],
    top: float,
    line: tuple[str, str, str],
    glyphs: Glyphs,
) -> None:
    level, upright, style = line
    before: int | None = None
    for column, value in enumerate(values):
        if value is None:
            before = None
            continue
        row = _row(value, top)
        other = row if before is None else before
        for between in range(min(row, other) + 1, max(row, other)):
            canvas[between][column] = upright, style
        meets = canvas[row][column][0] == glyphs.ran and level != glyphs.ran
        canvas[row][column] = (glyphs.both, "bold") if meets else (level, style)
        before = row


def _tick(row: int, top: int) -> str:
    """The value of a row that has a tick."""
    above = ROWS - 1 - row
    return "" if above % ((ROWS - 1) // TICKS) else str(above * top // (ROWS - 1))


def _times(timeline: Timeline, columns: int) -> str:
    """The first and the last moment, and those between where there is room, in UTC."""
    lasts = timeline.bins * timeline.bin_seconds
    marks = 2 if columns < 60 else min(5, columns // 25)
    texts = [_time(timeline.start_seconds + lasts * at / (marks - 1), lasts) for at in range(marks)]
    line = [" "] * columns
    for at, text in enumerate(texts):
        start = min(columns - len(text), math.floor(at * columns / (marks - 1)) - (len(text) // 2 if at else 0))
        if start >= 0 and (start == 0 or line[start - 1] == " "):
            line[start : start + len(text)] = text
    return "".join(line)


def _time(at_seconds: float, lasts_seconds: float) -> str:
    text = timestamp(at_seconds)
    return text[11:16] if lasts_seconds <= DAY_SECONDS / 2 else f"{text[5:10]} {text[11:16]}"
