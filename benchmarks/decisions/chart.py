"""docs/benchmark.svg: the frontier of each contender on the long traces, cost against the share of late requests."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from benchmarks.decisions.cases import LONG, Case
from benchmarks.decisions.figures import Figures
from benchmarks.decisions.jobs import OURS, PEERS
from benchmarks.decisions.plan import GOAL, Point, points

WIDTH, HEIGHT, LEFT, TOP, GAP = 380, 230, 56, 34, 26  # of a panel, in pixels
DEAREST = 3.0  # what costs more than this multiple lies outside
LATE = (0.1, 0.01, 0.001, 0.0001)  # shares at the lines across, the best on top
COLOURS = ("#1a7f37", "#8c959f", "#0969da", "#0598bc", "#bf8700", "#8250df", "#cf222e")  # ours first


@dataclass(frozen=True, slots=True)
class Panel:
    """One traffic: where its plane lies, and what lies in it."""

    x: float
    y: float
    cheapest: float

    def place(self, point: Point) -> tuple[float, float]:
        """Of a point of a frontier, in pixels."""
        late = min(max(1.0 - point.attainment, LATE[-1]), LATE[0])
        across = (point.cost - self.cheapest) / (DEAREST - self.cheapest)
        return self.x + across * WIDTH, self.y + HEIGHT * (1.0 - self._up(late))

    def _up(self, late: float) -> float:
        return math.log10(LATE[0] / late) / math.log10(LATE[0] / LATE[-1])

    def frame(self, title: str) -> Iterator[str]:
        """The plane and its lines: the goal's is dark."""
        yield f'<text x="{self.x}" y="{self.y - 8}" font-weight="bold">{escape(title)}</text>'
        for late in LATE:
            y = self.y + HEIGHT * (1.0 - self._up(late))
            colour = "#57606a" if math.isclose(late, 1.0 - GOAL) else "#d0d7de"
            yield f'<line x1="{self.x}" y1="{y:.1f}" x2="{self.x + WIDTH}" y2="{y:.1f}" stroke="{colour}"/>'
            yield f'<text x="{self.x - 6}" y="{y + 4:.1f}" text-anchor="end">{1.0 - late:.2%}</text>'
        cost = math.ceil(self.cheapest * 2.0) / 2.0
        while cost <= DEAREST:
            x = self.x + (cost - self.cheapest) / (DEAREST - self.cheapest) * WIDTH
            yield f'<text x="{x:.1f}" y="{self.y + HEIGHT + 14}" text-anchor="middle">{cost:g}</text>'
            cost += 0.5


def chart(figures: Figures) -> str:
    """The whole file."""
    keys = [OURS.key, *PEERS]
    width, height = 2 * (LEFT + WIDTH) + GAP, 2 * (TOP + HEIGHT + GAP) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for place, traffic in enumerate(LONG):
        panel = Panel(LEFT + place % 2 * (LEFT + WIDTH + 8), TOP + place // 2 * (TOP + HEIGHT + GAP), 0.9)
        parts += panel.frame(traffic.name)
        for key, colour in reversed(list(zip(keys, COLOURS, strict=False))):
            parts += _line(panel, points(Case(traffic.name), key, figures.known), colour, bold=key == OURS.key)
    for place, (key, colour) in enumerate(zip(keys, COLOURS, strict=False)):
        x = LEFT + place * (width - LEFT) / len(keys)
        name = OURS.name if key == OURS.key else PEERS[key].name
        parts.append(f'<circle cx="{x:.0f}" cy="{height - 14}" r="4" fill="{colour}"/>')
        parts.append(f'<text x="{x + 8:.0f}" y="{height - 10}">{escape(name)}</text>')
    return "\n".join((*parts, "</svg>")) + "\n"


def _line(panel: Panel, found: Sequence[Point], colour: str, *, bold: bool) -> Iterator[str]:
    inside = sorted((each for each in found if panel.cheapest <= each.cost <= DEAREST), key=lambda each: each.cost)
    at = [panel.place(each) for each in inside]
    best = [panel.place(each) for place, each in enumerate(inside) if _beats(each, inside[:place])]
    if len(best) > 1:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in best)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{2.5 if bold else 1.2}"/>'
    yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{3.5 if bold else 2.5}" fill="{colour}"/>' for x, y in at)


def _beats(point: Point, cheaper: Sequence[Point]) -> bool:
    """Whether it attains more than all that cost less."""
    return all(point.attainment > each.attainment for each in cheaper)
