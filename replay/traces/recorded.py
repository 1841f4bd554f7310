"""Traces held in memory: single requests, or sums per bin. Both are cut and multiplied by seed."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from replay.traces.trace import UNDATED_EPOCH_SECONDS, Counts, Requests, Totals, compact, in_order

# Spread of token lengths inside a bin, as standard deviations of their logarithm: those of the Azure 2023 chat trace.
PROMPT_SPREAD, OUTPUT_SPREAD = 0.985, 0.859
BLOCK_REQUESTS = 1 << 20


@dataclass(frozen=True)
class RequestTrace:
    """A trace that knows each request."""

    name: str
    requests: Requests
    epoch_seconds: float = UNDATED_EPOCH_SECONDS
    failed_requests: int = 0
    warnings: tuple[str, ...] = ()

    @cached_property
    def quantum_seconds(self) -> float:
        """What its times were rounded to: the usual distance of instants, where several requests share each. Else 0."""
        instants = np.unique(self.requests.arrival_s)
        if len(instants) < 2 or len(self.requests) < 2 * len(instants):
            return 0.0
        return float(np.median(np.diff(instants)))

    @property
    def duration_seconds(self) -> float:
        """Until the last arrival, which may lie anywhere in its quantum."""
        return math.nextafter(float(self.requests.arrival_s[-1]) + self.quantum_seconds, math.inf)

    def window(self, start_seconds: float, end_seconds: float, scale: float, seed: int) -> Requests:
        """Requests that arrive in the window, `scale` times as many; arrivals count from the window's start.

        Each copy is moved at random within the quantum. Where times are exact the first copy is left as it is, and the
        others are moved by up to the mean gap between two requests, so that no copy comes at the same instant.
        """
        all_ = self.requests
        gap_seconds = self.duration_seconds / len(all_)
        arrivals, rows = [], []
        for copy in range(math.ceil(scale)):
            random = np.random.default_rng((seed, copy))
            kept = np.flatnonzero(random.random(len(all_)) < scale - copy)
            reach_seconds = self.quantum_seconds or (gap_seconds if copy else 0.0)
            arrivals.append(all_.arrival_s[kept] + random.random(len(kept)) * reach_seconds)
            rows.append(kept)
        arrival_s, row = np.concatenate(arrivals), np.concatenate(rows)
        inside = np.flatnonzero((arrival_s >= start_seconds) & (arrival_s < end_seconds))
        order = inside[np.argsort(arrival_s[inside], kind="stable")]
        row = row[order]
        return Requests(arrival_s[order] - start_seconds, all_.prompt_tokens[row], all_.output_tokens[row])

    def count(self, start_seconds: float, end_seconds: float) -> float:
        """Requests in the window, unscaled."""
        first, past = np.searchsorted(self.requests.arrival_s, (start_seconds, end_seconds))
        return float(past - first)

    def totals(self, start_seconds: float, end_seconds: float, step_seconds: float) -> Totals:
        """Sums per step over the window, unscaled."""
        edges = _edges(start_seconds, end_seconds, step_seconds)
        arrival_s = self.requests.arrival_s

        def sums(weights: Counts | None) -> NDArray[np.float64]:
            wide = (
                None if weights is None else weights.astype(np.int64)
            )  # a histogram adds up in the type of its weights
            return np.asarray(np.histogram(arrival_s, edges, weights=wide)[0], np.float64)

        return Totals(
            start_seconds,
            step_seconds,
            sums(None),
            sums(self.requests.prompt_tokens),
            sums(self.requests.output_tokens),
        )


@dataclass(frozen=True)
class BinTrace:
    """A trace of sums per bin. Bins are sorted and do not overlap; what lies between two is a gap."""

    name: str
    start_s: NDArray[np.float64]
    width_s: NDArray[np.float64]
    requests: NDArray[np.float64]
    prompt_tokens: NDArray[np.float64]
    output_tokens: NDArray[np.float64]
    epoch_seconds: float = UNDATED_EPOCH_SECONDS
    failed_requests: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def duration_seconds(self) -> float:
        """To the end of the last bin."""
        return float(self.start_s[-1] + self.width_s[-1])

    def window(self, start_seconds: float, end_seconds: float, scale: float, seed: int) -> Requests:
        """Requests that arrive in the window, `scale` times as many; arrivals count from the window's start.

        Requests are placed evenly at random inside their bin, and share its tokens at random.
        """
        random = np.random.default_rng(seed)
        chosen = self._within(start_seconds, end_seconds)
        bins = chosen.stop - chosen.start
        counts = np.floor(self.requests[chosen] * scale + random.random(bins)).astype(np.int64)
        share = np.divide(counts, self.requests[chosen], out=np.zeros(bins), where=self.requests[chosen] > 0)
        start_s, width_s = self.start_s[chosen], self.width_s[chosen]
        blocks = _blocks(counts)
        arrivals, orders = [], []
        for block in blocks:
            width = np.repeat(width_s[block], counts[block])
            arrival_s = np.repeat(start_s[block], counts[block]) + random.random(len(width)) * width
            inside = np.flatnonzero((arrival_s >= start_seconds) & (arrival_s < end_seconds))
            order = inside[np.argsort(arrival_s[inside], kind="stable")]
            arrivals.append(arrival_s[order] - start_seconds)
            orders.append(compact(order))
        arrival_s = np.concatenate(arrivals)
        del arrivals
        prompts, outputs = (
            np.concatenate(
                [
                    part[order]
                    for part, order in zip(_split(sums * share, counts, blocks, spread, random), orders, strict=True)
                ]
            )
            for sums, spread in (
                (self.prompt_tokens[chosen], PROMPT_SPREAD),
                (self.output_tokens[chosen], OUTPUT_SPREAD),
            )
        )
        return in_order(arrival_s, prompts, outputs)

    def count(self, start_seconds: float, end_seconds: float) -> float:
        """Requests of all bins that reach into the window, unscaled."""
        return float(self.requests[self._within(start_seconds, end_seconds)].sum())

    def _within(self, start_seconds: float, end_seconds: float) -> slice:
        first = int(np.searchsorted(self.start_s + self.width_s, start_seconds, side="right"))
        return slice(first, int(np.searchsorted(self.start_s, end_seconds, side="left")))

    def totals(self, start_seconds: float, end_seconds: float, step_seconds: float) -> Totals:
        """Sums per step over the window, unscaled. A step that is not wholly recorded is unknown."""
        edges = _edges(start_seconds, end_seconds, step_seconds)
        known = self._between(self.width_s, edges) > 0.999 * step_seconds
        columns = (self.requests, self.prompt_tokens, self.output_tokens)
        sums = (np.where(known, self._between(column, edges), math.nan) for column in columns)
        return Totals(start_seconds, step_seconds, *sums)

    def _between(self, column: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums between edges; a bin's sum lies evenly over its width."""
        # Starts that were single floats may lie a little before the end of the bin above.
        times = np.maximum.accumulate(np.stack((self.start_s, self.start_s + self.width_s), axis=1).ravel())
        after: NDArray[np.float64] = np.cumsum(column, dtype=np.float64)
        running = np.stack((after - column, after), axis=1).ravel()
        at_edges = np.interp(edges, times, running)
        return at_edges[1:] - at_edges[:-1]


def _edges(start_seconds: float, end_seconds: float, step_seconds: float) -> NDArray[np.float64]:
    steps = math.floor((end_seconds - start_seconds) / step_seconds + 1e-9)
    return start_seconds + step_seconds * np.arange(steps + 1, dtype=np.float64)


def _blocks(counts: NDArray[np.int64]) -> list[slice]:
    """Bins that follow one another, of about a million requests in all: what is made of a block at a time fits in memory."""
    block = np.cumsum(counts) // BLOCK_REQUESTS
    borders = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(counts)]
    return [slice(first, past) for first, past in pairwise(borders)]


def _split(
    sums: NDArray[np.float64],
    counts: NDArray[np.int64],
    blocks: Iterable[slice],
    spread: float,
    random: np.random.Generator,
) -> Iterator[Counts]:
    """Split each sum over `counts` requests, log-normally. At least one token each; otherwise the sums are kept."""
    total = 0.0
    for block in blocks:
        bins = np.repeat(np.arange(block.stop - block.start), counts[block])
        parts = random.lognormal(0.0, spread, len(bins))
        parts *= (sums[block] / np.maximum(np.bincount(bins, parts, block.stop - block.start), 1e-300))[bins]
        # Rounding the running total, instead of each part, keeps the sums.
        running = np.cumsum(np.concatenate(([total], parts)))
        total = running[-1]
        yield compact(np.maximum(np.diff(np.rint(running)), 1.0))
