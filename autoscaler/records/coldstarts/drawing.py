"""The last starts of each policy as a self-contained SVG file."""

import textwrap
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from autoscaler.records.coldstarts.analysis import Analysis
from autoscaler.records.coldstarts.gantt import title
from autoscaler.records.coldstarts.overlap import pieces
from autoscaler.records.coldstarts.stages import PARTS, THERE
from autoscaler.records.coldstarts.summary import whole_seconds
from policies.starts import Start
from policies.supply import StageName

WIDTH, LEFT, RIGHT, EDGE = 960, 92, 108, 16  # in pixels; bars lie between LEFT and WIDTH - RIGHT
ROW, BAR, LINE = 18, 12, 20
CHARACTERS = 120  # of a title in one line: bold ones are up to 7.5 pixels wide on average
COLOURS = {
    StageName.NODE: "#57606a",
    StageName.GPU: "#8250df",
    StageName.IMAGE: "#0969da",
    StageName.WEIGHTS: "#1a7f37",
    StageName.WARMUP: "#bf5a00",
}
COLOUR_OF = {part: COLOURS[stage] for stage, parts in PARTS.items() for part in parts}
STEPS = (
    1,
    2,
    5,
    10,
    20,
    30,
    60,
    120,
    300,
    600,
    1800,
    3600,
    7200,
    21_600,
    86_400,
)  # seconds between two marks of the axis
MOST_MARKS = 8
HATCH = (
    '<defs><pattern id="hidden" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="3" height="6" fill="white" fill-opacity="0.75"/></pattern></defs>'
)


def drawing(found: Sequence[Analysis], last: int) -> str:
    """The whole file."""
    body: list[str] = []
    y = float(EDGE)
    for of in found:
        y += LINE
        body.append(_text(EDGE, y, of.name, size=15, weight="bold"))
        y += LINE
        body.append(_text(EDGE, y, of.summary.text if of.starts else "No start was logged."))
        shown = of.starts[-last:]
        scale = max(1.0, *map(whole_seconds, shown)) if shown else 1.0
        for start in shown:
            y += 8
            for line in textwrap.wrap(title(start).plain, CHARACTERS):
                y += LINE
                body.append(_text(EDGE, y, line, weight="bold"))
            y += 8
            body += _start(start, y, scale)
            y += ROW * len(start.spans) + 14
        y += LINE
    body += _legend(y)
    height = round(y + LINE + EDGE)
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12" fill="#1f2328">'
    white = f'<rect width="{WIDTH}" height="{height}" fill="white"/>'
    return "\n".join((head, "<title>Cold starts</title>", HATCH, white, *body, "</svg>\n"))


def _start(start: Start, y: float, scale: float) -> Iterator[str]:
    """Its axis, and a row for each span."""
    per_second = (WIDTH - LEFT - RIGHT) / scale

    def across(at_seconds: float) -> float:
        return LEFT + max(0.0, at_seconds - start.requested_seconds) * per_second

    def box(begin_seconds: float, end_seconds: float, top: float) -> str:
        x = across(begin_seconds)
        return f'x="{x:.1f}" y="{top:.1f}" width="{max(0.0, across(end_seconds) - x):.1f}" height="{BAR}"'

    spans = sorted(start.spans, key=lambda span: span.begin_seconds)
    bottom = y + ROW * len(spans)
    step = next((step for step in STEPS if scale / step <= MOST_MARKS), scale)
    for mark in range(int(scale / step) + 1):
        x = LEFT + mark * step * per_second
        yield f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{x:.1f}" y2="{bottom:.1f}" stroke="#d0d7de"/>'
        yield _text(x, bottom + 12, f"{mark * step:g} s", size=10, anchor="middle", fill="#57606a")
    cut = list(pieces(start))
    for row, span in enumerate(spans):
        top = y + row * ROW + (ROW - BAR) / 2
        yield _text(LEFT - 8, top + BAR - 2, span.part, anchor="end")
        yield f'<rect {box(span.begin_seconds, span.end_seconds, top)} fill="{COLOUR_OF[span.part]}"/>'
        for piece in cut:
            if piece.span is span and piece.behind is not None:
                yield f'<rect {box(piece.begin_seconds, piece.end_seconds, top)} fill="url(#hidden)"/>'
        there = span.path in THERE and not span.seconds
        took = f"there already ({span.path})" if there else f"{span.seconds:.0f} s {span.path}".rstrip()
        yield _text(across(span.end_seconds) + 6, top + BAR - 2, took, size=11)


def _legend(y: float) -> Iterator[str]:
    yield f'<rect x="{LEFT}" y="{y}" width="24" height="{BAR}" fill="#57606a"/>'
    yield _text(LEFT + 30, y + BAR - 2, "waited for")
    box = f'x="{LEFT + 116}" y="{y}" width="24" height="{BAR}"'
    yield f'<rect {box} fill="#57606a"/><rect {box} fill="url(#hidden)"/>'
    yield _text(LEFT + 146, y + BAR - 2, "hidden by another stage")


def _text(
    x: float, y: float, text: str, *, size: int = 12, weight: str = "normal", anchor: str = "start", fill: str = ""
) -> str:
    colour = f' fill="{fill}"' if fill else ""
    style = f' font-weight="{weight}"' if weight != "normal" else ""
    style += f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}"{style}{colour}>{escape(text)}</text>'
