"""Traffic from counters as Prometheus recorded them: what they grew by in each step, however often a pod was scraped."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from crds.notation.units import DAY_SECONDS
from policies.series import FINISHED, GENERATION_TOKENS, PROMPT_TOKENS, Identity
from replay.traces.recorded import BinTrace
from replay.traces.trace import LONGEST_SECONDS

COUNTERS = (FINISHED, PROMPT_TOKENS, GENERATION_TOKENS)
MOST_STEPS = 1_000_000  # 173 days at 15 s
LEAST_STEP_SECONDS = 0.01
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
    if step_seconds < LEAST_STEP_SECONDS:
        raise ValueError(f"has points less than {LEAST_STEP_SECONDS:g} s apart; export with a longer step")
    counts = round(float(stamps[-1] - stamps[0]) / step_seconds)
    if counts > MOST_STEPS:
        raise ValueError(f"spans too many steps of {step_seconds:g} s; export at most {MOST_STEPS:,}")
    if stamps[0] < 0 or stamps[-1] - stamps[0] > LONGEST_SECONDS:
        raise ValueError(f"has times before 1970, or over {LONGEST_SECONDS / DAY_SECONDS:.0f} days apart")
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
        last, taken = -np.inf, list[tuple[Floats, Floats]]()
        for times, values in found:
            if times[-1] > last:
                first = int(np.searchsorted(times, last, side="right"))
                taken.append((times[first:], values[first:]))
                last = float(times[-1])
        at_seconds, value = taken[0] if len(taken) == 1 else map(np.concatenate, zip(*taken, strict=True))
        yield identity, at_seconds, value


@dataclass(frozen=True, slots=True)
class _Growth:
    """How much a counter grew between each two points, and its first value. `step` has one point more."""

    step: Steps
    by: Floats
    first: float


def _grown(step: Steps, value: Floats, longest_gap: int) -> _Growth:
    """A counter that falls by more than half, or across a long gap, was restarted from zero."""
    by = np.diff(value)
    fell = np.flatnonzero(by < 0)
    if len(fell):
        restarted = (value[fell + 1] < RESTARTED_SHARE * value[fell]) | (np.diff(step)[fell] > longest_gap)
        edges = np.concatenate(([0], fell[restarted] + 1, [len(value)]))
        by[fell[restarted]] = value[fell[restarted] + 1]
        for run in np.unique(np.searchsorted(edges, fell[~restarted], side="right")).tolist():
            a, b = edges[run - 1], edges[run]
            by[a : b - 1] = np.diff(np.maximum.accumulate(value[a:b]))
    return _Growth(step, by, float(value[0]))


def _summed(growth: Sequence[_Growth], counts: int, longest_gap: int) -> tuple[Floats, NDArray[np.bool_]]:
    """The sum in each step, and whether it is known. What came in a gap is spread over it."""
    starts = np.concatenate([each.step[:-1] for each in growth])
    ends = np.concatenate([each.step[1:] for each in growth])
    by = np.concatenate([each.by for each in growth])
    first = np.array([each.step[0] for each in growth])
    before = np.array([each.first for each in growth])
    width = np.maximum(ends - starts, 1)
    new = (first > 0) & (before <= NEW_STEPS * (by / width).max(initial=0.0))  # its counter was zero before
    starts, ends = np.concatenate((starts, first[new] - 1)), np.concatenate((ends, first[new]))
    by, width = np.concatenate((by, before[new])), np.concatenate((width, np.ones(new.sum(), np.int64)))

    sums, spread, seen = np.zeros(counts), np.zeros(counts + 1), np.zeros(counts + 1, np.int64)
    narrow, known = width == 1, width <= longest_gap
    np.add.at(sums, np.minimum(starts[narrow], counts - 1), by[narrow])
    for at, sign in ((starts, 1), (ends, -1)):
        np.add.at(spread, at[~narrow], sign * by[~narrow] / width[~narrow])
        np.add.at(seen, at[known], sign)
    if not narrow.all():
        sums += np.maximum(np.cumsum(spread[:-1]), 0.0)
    return sums, np.cumsum(seen[:-1]) > 0
