"""What each stage took: measured, as decisions expect it now, and as it was expected before anything was measured."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autoscaler.records.coldstarts.overlap import pieces
from autoscaler.records.coldstarts.summary import Times
from policies.starts import PATHS, WARMUP_PARTS, Part, Start
from policies.supply import ColdStart, Stage, StageName

PARTS = {
    StageName.NODE: (Part.REACTION, Part.NODE),
    StageName.GPU: (Part.GPU,),
    StageName.IMAGE: (Part.IMAGE,),
    StageName.WEIGHTS: (Part.WEIGHTS,),
    StageName.WARMUP: (*WARMUP_PARTS, Part.WARMUP),
}
THERE = ("existing", "present")  # paths of a part that there was no need to wait for


@dataclass(frozen=True, slots=True)
class PartTimes:
    """One part on one path."""

    part: Part
    path: str
    starts: int
    times: Times


@dataclass(frozen=True, slots=True)
class StageTimes:
    """One stage. `measured` is of the starts that had to wait for it; there is none where it is not a part of a start."""

    stage: StageName
    passed: int  # starts that had to
    there: int  # starts that found it done: the node existed, or the image was present
    measured: Times | None
    expected: Stage | None
    prior: Stage | None
    parts: tuple[PartTimes, ...]  # where more than one was seen, or one on more than one path


@dataclass(frozen=True, slots=True)
class Hidden:
    """Seconds of a part that passed behind another, in the mean of all starts."""

    part: Part
    behind: Part
    seconds: float
    starts: int  # in which it did


def stage_times(starts: Sequence[Start], expected: ColdStart | None, prior: ColdStart | None) -> list[StageTimes]:
    """Every stage that was seen or is expected, in order."""
    found = []
    for stage, parts in PARTS.items():
        seconds, there, of_parts = _measured(starts, parts)
        now, before = (None if each is None else _of(each, stage) for each in (expected, prior))
        if seconds or there or now or before:
            shown = tuple(of_parts) if len(of_parts) > 1 else ()
            found.append(StageTimes(stage, len(seconds), there, Times.of(seconds), now, before, shown))
    return found


def part_seconds(starts: Sequence[Start], part: Part, *paths: str) -> list[float]:
    """How long a part took on one of these paths, in each start in which it did."""
    return [span.seconds for start in starts for span in start.spans if span.part is part and span.path in paths]


def hidden(starts: Sequence[Start]) -> list[Hidden]:
    """What was hidden by what, the most first."""
    seconds: dict[tuple[Part, Part], list[float]] = defaultdict(list)
    for start in starts:
        of_start: dict[tuple[Part, Part], float] = defaultdict(float)
        for piece in pieces(start):
            if piece.behind is not None:
                of_start[piece.span.part, piece.behind] += piece.seconds
        for pair, total in of_start.items():
            seconds[pair].append(total)
    found = [Hidden(*pair, sum(each) / len(starts), len(each)) for pair, each in seconds.items()]
    return sorted(found, key=lambda each: -each.seconds)


def _measured(starts: Sequence[Start], parts: tuple[Part, ...]) -> tuple[list[float], int, list[PartTimes]]:
    """Seconds of each start that had to pass a stage, how many had not, and each part."""
    seconds, there = [], 0
    for start in starts:
        spans = [span for span in start.spans if span.part in parts]
        needed = [span.seconds for span in spans if span.path not in THERE]
        seconds += [sum(needed)] if needed else []
        there += bool(spans) and not needed
    return seconds, there, list(_each(starts, parts))


def _each(starts: Sequence[Start], parts: tuple[Part, ...]) -> Iterator[PartTimes]:
    for part in parts:
        for path in PATHS:
            seconds = part_seconds(starts, part, path)
            times = Times.of(seconds)
            if times is not None and path not in THERE:
                yield PartTimes(part, path, len(seconds), times)


def _of(cold_start: ColdStart, stage: StageName) -> Stage | None:
    found: Stage | None = getattr(cold_start, stage)
    return found
