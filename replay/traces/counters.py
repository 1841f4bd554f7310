"""Traffic from counters as Prometheus recorded them: what they grew by in each step, however often a pod was scraped."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from policies.series import FINISHED, GENERATION_TOKENS, PROMPT_TOKENS, Identity
from replay.traces.recorded import BinTrace

COUNTERS = (FINISHED, PROMPT_TOKENS, GENERATION_TOKENS)
MOST_STEPS = 1_000_000  # 173 days at 15 s
LONGEST_GAP_SECONDS = 300.0  # how far Prometheus itself looks back; what came in a longer gap is unknown
RESTARTED_SHARE = 0.5  # a counter that falls by less was read a little later, by the other of two
NEW_STEPS = 2.0  # a pod that begins with more than the busiest has in so many steps is no new one

Floats = NDArray[np.float64]
Steps = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Recorded:
    """One series as Prometheus answered it: known values at ascending times, in Unix seconds."""

    identity: Identity
    at_seconds: Floats
    value: Floats


def binned(name: str, series: Sequence[Recorded], warnings: tuple[str, ...] = ()) -> BinTrace:
    """The growth of the counters in each step, summed over what they count. Raises ValueError, which says what to export."""
    stamps = np.unique(np.concatenate([each.at_seconds for each in series]))
    if len(stamps) < 2:
        raise ValueError("has fewer than two points in time; export a longer range")
    step_seconds = _step_seconds(series, stamps)
    counts = round(float(stamps[-1] - stamps[0]) / step_seconds)
    if counts > MOST_STEPS:
        raise ValueError(f"spans too many steps of {step_seconds:g} s; export at most {MOST_STEPS:,}")
    longest = max(1, round(LONGEST_GAP_SECONDS / step_seconds))
    growth: dict[str, list[_Growth]] = defaultdict(list)
    for identity, at_seconds, value in _merged(series, step_seconds):
        step = np.rint((at_seconds - stamps[0]) / step_seconds).astype(np.int64)
        growth[identity.family].append(_grown(step, value, longest))
    columns = {counter: _summed(growth[counter], counts, longest) for counter in COUNTERS}
    rows = np.flatnonzero(np.logical_and.reduce([seen for _, seen in columns.values()]))
    if not len(rows):
        raise ValueError("has no step in which all three counters are known; export them in one query")
    return BinTrace(
        name,
        start_s=rows * np.float64(step_seconds),
        width_s=np.full(len(rows), step_seconds),
        requests=columns[FINISHED][0][rows],
        prompt_tokens=columns[PROMPT_TOKENS][0][rows],
        output_tokens=columns[GENERATION_TOKENS][0][rows],
        epoch_seconds=float(stamps[0]),
        warnings=warnings,
    )


def _step_seconds(series: Iterable[Recorded], stamps: Floats) -> float:
    """The usual distance of two points of a series; scrapes a little early or late make no other one."""
    distances = [np.diff(each.at_seconds) for each in series if len(each.at_seconds) > 1] or [np.diff(stamps)]
    usual = float(np.median(np.concatenate(distances)))
    return float(round(usual)) if abs(usual - round(usual)) < 0.01 * usual else usual


def _merged(series: Iterable[Recorded], step_seconds: float) -> Iterator[tuple[Identity, Floats, Floats]]:
    """Each identity once. Where it was scraped twice, one is followed for as long as it goes on, then another."""
    runs: dict[Identity, list[tuple[Floats, Floats]]] = defaultdict(list)
    for each in series:
        gaps = np.flatnonzero(np.diff(each.at_seconds) > 1.5 * step_seconds) + 1
        edges = (0, *gaps.tolist(), len(each.at_seconds))
        runs[each.identity] += [(each.at_seconds[a:b], each.value[a:b]) for a, b in pairwise(edges)]
    for identity, found in runs.items():
        found.sort(key=lambda run: (run[0][0], -len(run[0])))
        last, at_seconds, value = -np.inf, [], []
        for times, values in found:
            if times[-1] > last:
                first = int(np.searchsorted(times, last, side="right"))
                at_seconds.append(times[first:])
                value.append(values[first:])
                last = float(times[-1])
        yield identity, np.concatenate(at_seconds), np.concatenate(value)


@dataclass(frozen=True, slots=True)
class _Growth:
    """How much a counter grew between each two points, and its first value. `step` has one point more."""

    step: Steps
    by: Floats
    first: float

    @property
    def busiest(self) -> float:
        """The most in one step."""
        return float((self.by / np.maximum(np.diff(self.step), 1)).max(initial=0.0))


def _grown(step: Steps, value: Floats, longest_gap: int) -> _Growth:
    """A counter that falls by more than half, or across a long gap, was restarted from zero."""
    by = np.diff(value)
    fell = np.flatnonzero(by < 0)
    if len(fell):
        restarted = (value[fell + 1] < RESTARTED_SHARE * value[fell]) | (np.diff(step)[fell] > longest_gap)
        for a, b in pairwise((0, *(fell[restarted] + 1).tolist(), len(value))):
            by[a : b - 1] = np.diff(np.maximum.accumulate(value[a:b]))
            if a:
                by[a - 1] = value[a]
    return _Growth(step, by, float(value[0]))


def _summed(growth: Sequence[_Growth], counts: int, longest_gap: int) -> tuple[Floats, NDArray[np.bool_]]:
    """The sum in each step, and whether it is known. What came in a gap is spread over it."""
    sums, spread, seen = np.zeros(counts), np.zeros(counts + 1), np.zeros(counts + 1, np.int64)
    busiest = max((each.busiest for each in growth), default=0.0)
    for each in growth:
        starts, widths = each.step[:-1], np.diff(each.step)
        narrow = widths <= 1
        np.add.at(sums, np.minimum(starts[narrow], counts - 1), each.by[narrow])
        share = each.by[~narrow] / widths[~narrow]
        np.add.at(spread, starts[~narrow], share)
        np.add.at(spread, each.step[1:][~narrow], -share)
        known = widths <= longest_gap
        np.add.at(seen, starts[known], 1)
        np.add.at(seen, each.step[1:][known], -1)
        if each.step[0] > 0 and each.first <= NEW_STEPS * busiest:  # a new pod, whose counter was zero before
            sums[each.step[0] - 1] += each.first
            seen[each.step[0] - 1] += 1
            seen[each.step[0]] -= 1
    if spread.any():
        sums += np.maximum(np.cumsum(spread[:-1]), 0.0)
    return sums, np.cumsum(seen[:-1]) > 0
