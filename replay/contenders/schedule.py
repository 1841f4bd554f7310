"""The cheapest fleet that never holds fewer replicas than are needed, where all needs are known in advance."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]  # replicas in each of equal steps


@dataclass(frozen=True, slots=True)
class Billing:
    """What a replica costs beside the time for which it is needed, in seconds of its GPUs."""

    step_seconds: float
    start_seconds: float  # billed before it serves
    stop_seconds: float  # billed after it is not needed any more

    @property
    def restart_seconds(self) -> float:
        """What it costs to do without a replica for a while. A shorter gap is cheaper to keep."""
        return self.start_seconds + self.stop_seconds


def cheapest(needed: Counts, initial: int, billing: Billing) -> Counts:
    """The counts of least `billed_seconds` that are nowhere below `needed`. `initial` replicas serve at the start.

    Replica by replica, since the cost of one does not depend on the others: of the time between two needs of the k-th
    replica, a gap is kept where that costs no more than a restart. What the (k + 1)-th keeps, the k-th keeps as well.
    """
    held = np.zeros_like(needed)
    for level in range(1, int(needed.max(initial=0)) + 1):
        on = needed >= level
        steps = np.flatnonzero(on)
        if level <= initial:
            steps = np.insert(steps, 0, -1)  # it serves until the first step
        gaps = np.diff(steps) - 1
        kept = gaps * billing.step_seconds <= billing.restart_seconds
        edges = np.zeros(len(on) + 1, np.int64)
        edges[steps[:-1][kept] + 1] += 1
        edges[steps[1:][kept]] -= 1
        held += on | (np.cumsum(edges[:-1]) > 0)
    return held


def billed_seconds(counts: Counts, initial: int, billing: Billing) -> float:
    """GPU-seconds of one GPU per replica up to the end of the last step."""
    changes = np.diff(counts, prepend=initial)
    left_seconds = (len(counts) - np.arange(len(counts))) * billing.step_seconds
    stops_seconds = np.maximum(-changes, 0) @ np.minimum(billing.stop_seconds, left_seconds)
    starts_seconds = np.maximum(changes, 0).sum() * billing.start_seconds
    return float(counts.sum() * billing.step_seconds + starts_seconds + stops_seconds)
