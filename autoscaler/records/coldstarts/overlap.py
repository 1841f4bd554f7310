"""What of a start was hidden by what: where several parts pass at once, the one that ends last is waited for, and hides the others."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from policies.starts import Part, Span, Start


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of one part's span, and the part that hides it. Times are Unix seconds."""

    span: Span
    begin_seconds: float
    end_seconds: float
    behind: Part | None  # None: it was waited for

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.end_seconds - self.begin_seconds


def pieces(start: Start) -> Iterator[Piece]:
    """The spans of a start, cut where another begins or ends; in order of time. Those without length give none."""
    edges = sorted({at for span in start.spans for at in (span.begin_seconds, span.end_seconds)})
    for begin, end in pairwise(edges):
        passing = [span for span in start.spans if span.begin_seconds <= begin and end <= span.end_seconds]
        last = max(passing, key=lambda span: span.end_seconds, default=None)
        for span in passing:
            yield Piece(span, begin, end, None if last is None or span is last else last.part)
