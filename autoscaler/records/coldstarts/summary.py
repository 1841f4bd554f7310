"""All starts of a policy in five figures."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Self

from policies.explain import duration
from policies.starts import Start, hidden_seconds


@dataclass(frozen=True, slots=True)
class Times:
    """Two quantiles of what was measured, in seconds."""

    p50_seconds: float
    p95_seconds: float

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Self | None:
        """Of values in any order; None where there is none. The 95th percentile of fewer than 20 is the greatest."""
        ordered = sorted(seconds)
        return cls(_ranked(ordered, 0.5), _ranked(ordered, 0.95)) if ordered else None


@dataclass(frozen=True, slots=True)
class Summary:
    """Starts that came to serve, and those that did not."""

    served: int
    failed: int
    times: Times | None  # from the request to serving; None: nothing served
    hidden_seconds: float  # of stages behind others, in the mean of all
    unseen_seconds: float  # in which no stage was seen, alike

    @classmethod
    def of(cls, starts: Sequence[Start]) -> Self:
        """Of starts in any order."""
        served = [start for start in starts if start.serving_seconds is not None]
        hidden, unseen = (fmean(map(of, starts)) if starts else 0.0 for of in (hidden_seconds, unseen_seconds))
        return cls(len(served), len(starts) - len(served), Times.of(map(whole_seconds, served)), hidden, unseen)

    @property
    def text(self) -> str:
        """In one sentence."""
        counted = f"{self.served:,} start{'' if self.served == 1 else 's'} served"
        counted += f", {self.failed:,} never did" if self.failed else ""
        if self.times is None:
            return f"{counted}."
        p50, p95 = duration(self.times.p50_seconds), duration(self.times.p95_seconds)
        overlap = (
            f"stages overlap by {duration(self.hidden_seconds)}" if self.hidden_seconds >= 0.5 else "no stages overlap"
        )
        return f"{counted}: {p50} at the median, {p95} at the 95th percentile; {overlap} on average."

    def plain(self) -> dict[str, float | None]:
        """For JSON. Unknown is None."""
        return {
            "served": self.served,
            "failed": self.failed,
            "p50_seconds": None if self.times is None else self.times.p50_seconds,
            "p95_seconds": None if self.times is None else self.times.p95_seconds,
            "hidden_seconds": self.hidden_seconds,
            "unseen_seconds": self.unseen_seconds,
        }


def whole_seconds(start: Start) -> float:
    """From the request to serving or, of a start that failed, to the end of what was seen of it; 0 where clocks disagree."""
    end = start.serving_seconds
    seen = max((span.end_seconds for span in start.spans), default=start.requested_seconds)
    return max(0.0, (seen if end is None else end) - start.requested_seconds)


def unseen_seconds(start: Start) -> float:
    """The part of the start in which no stage was seen to pass: the replica waited, or the stage cannot be seen."""
    begin, whole = start.requested_seconds, whole_seconds(start)
    within = [
        replace(span, begin_seconds=max(begin, span.begin_seconds), end_seconds=min(begin + whole, span.end_seconds))
        for span in start.spans
    ]
    covered = sum(span.seconds for span in within) - hidden_seconds(replace(start, spans=tuple(within)))
    return max(0.0, whole - covered)


def _ranked(ordered: Sequence[float], probability: float) -> float:
    """The smallest value that so large a share does not exceed."""
    return ordered[max(0, math.ceil(probability * len(ordered)) - 1)]
