"""Starts as bars of characters: a row for each part, dense where it was waited for and light where another part hid it."""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.text import Text

from autoscaler.records.coldstarts.overlap import pieces
from autoscaler.records.coldstarts.stages import THERE
from autoscaler.records.coldstarts.summary import whole_seconds
from crds.notation.timestamps import timestamp
from policies.explain import duration
from policies.starts import Span, Start

LABEL, FIGURES = 9, 15  # characters before and behind the bars
LEAST_BAR = 10
WAITED_STYLE, HIDDEN_STYLE = "green", "yellow"


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters of a bar."""

    waited: str
    hidden: str
    there: str  # a part that was done already


UNICODE, ASCII = Glyphs("█", "░", "·"), Glyphs("#", ".", "'")


def gantt(start: Start, width: int, scale_seconds: float, *, unicode: bool = True) -> Iterator[Text]:
    """The rows of one start in `width` characters; `scale_seconds` is as long as the bars are wide."""
    glyphs = UNICODE if unicode else ASCII
    columns = max(LEAST_BAR, width - LABEL - FIGURES)
    for span in sorted(start.spans, key=lambda span: span.begin_seconds):
        took = "" if span.path in THERE and not span.seconds else f"{span.seconds:.0f} s"
        bar = _bar(start, span, columns, scale_seconds, glyphs)
        yield Text.assemble(f"{span.part:<{LABEL}}", bar, f"{took:>6} {span.path}".rstrip())
    yield Text(" " * LABEL + _axis(columns, scale_seconds), "dim")


def title(start: Start) -> Text:
    """Whose start it was, when, and how long it took."""
    at = timestamp(start.requested_seconds)
    took = duration(whole_seconds(start))
    end = f"served after {took}" if start.serving_seconds is not None else f"never served; seen for {took}"
    where = f" on {start.node}" if start.node else ""
    return Text.assemble((start.pod, "bold"), f"{where}, requested {at[5:10]} {at[11:19]} UTC, {end}")


def legend(*, unicode: bool = True) -> Text:
    """What is what."""
    glyphs = UNICODE if unicode else ASCII
    return Text.assemble(
        (f"{glyphs.waited} waited for", WAITED_STYLE),
        "  ",
        (f"{glyphs.hidden} hidden by another stage", HIDDEN_STYLE),
        f"  {glyphs.there} there already",
    )


def _bar(start: Start, span: Span, columns: int, scale_seconds: float, glyphs: Glyphs) -> Text:
    """A character for each step that the span has a share in; of a step, the middle decides what it shows."""
    cell = scale_seconds / columns
    first = min(columns - 1, max(0, int((span.begin_seconds - start.requested_seconds) / cell)))
    if not span.seconds:
        return Text(" " * first + glyphs.there + " " * (columns - first - 1))
    last = min(columns, max(first + 1, round((span.end_seconds - start.requested_seconds) / cell)))
    own = [piece for piece in pieces(start) if piece.span is span]
    text = Text(" " * first)
    for column in range(first, last):
        middle = start.requested_seconds + (column + 0.5) * cell
        at = min(own, key=lambda piece: abs((piece.begin_seconds + piece.end_seconds) / 2 - middle) - piece.seconds / 2)
        text.append(*((glyphs.waited, WAITED_STYLE) if at.behind is None else (glyphs.hidden, HIDDEN_STYLE)))
    return text.append(" " * (columns - last))


def _axis(columns: int, scale_seconds: float) -> str:
    """0 s, the middle where there is room, and the end."""
    marks = (0.0, 0.5, 1.0) if columns >= 30 else (0.0, 1.0)
    line = [" "] * (columns + 1)
    for mark in marks:
        text = f"{mark * scale_seconds:.0f} s"
        begin = min(columns - len(text), round(mark * columns) - (len(text) // 2 if mark else 0))
        line[begin : begin + len(text)] = text
    return "".join(line).rstrip()
