"""How a run went: what users waited, and what it cost."""

import math

import numpy as np
from numpy.typing import NDArray

from replay.sim.views import Score, Timeline, Waits

BLOCK = 1 << 18  # late requests that are looked at together: each takes 60 bytes meanwhile


class FleetHistory:
    """Notes the fleet whenever it changes."""

    def __init__(self) -> None:
        self._rows: list[tuple[float, tuple[int, ...]]] = []

    def note(self, now_seconds: float, fleet: tuple[int, int, int, int, int]) -> None:
        """Note spec, ready and starting replicas, balloons and nodes. The last note of a moment stands."""
        if self._rows and self._rows[-1][1] == fleet:
            return
        if self._rows and self._rows[-1][0] == now_seconds:
            self._rows.pop()
        self._rows.append((now_seconds, fleet))

    def timeline(self) -> Timeline:
        """All notes, as columns."""
        columns = np.array([fleet for _, fleet in self._rows], np.int64).T
        return Timeline(np.array([seconds for seconds, _ in self._rows]), *columns)


def score(
    waits: Waits,
    timeline: Timeline,
    *,
    start_seconds: float,
    now_seconds: float,
    gpu_hours: float,
    cost: float,
    pods_created: int,
    nodes_launched: int,
) -> Score:
    """Judge a run up to now. A request that still waits has waited until now; a failed one waits for ever."""
    now_s = now_seconds - start_seconds
    wait = _so_far(waits.wait_seconds, waits, now_s)
    late = np.flatnonzero(wait > 1.0)
    met = sum(
        int(np.count_nonzero(_while_starting(waits.arrival_s[some], wait[some], timeline, start_seconds)))
        for some in (late[at : at + BLOCK] for at in range(0, len(late), BLOCK))
    )
    del late
    wait[waits.failed] = math.inf
    shares = _share(wait <= 1.0), _share(wait <= 5.0)
    p50, p99, p999 = _quantiles(wait, 0.5, 0.99, 0.999)
    del wait  # before its like is made
    first_token = _so_far(waits.first_token_seconds, waits, now_s)
    first_token[waits.failed] = math.inf
    (p99_first_token,) = _quantiles(first_token, 0.99)
    return Score(
        gpu_hours=gpu_hours,
        cost=cost,
        requests=len(waits.arrival_s),
        share_within_1s=shares[0],
        share_within_5s=shares[1],
        p50_wait_seconds=p50,
        p99_wait_seconds=p99,
        p999_wait_seconds=p999,
        p99_first_token_seconds=p99_first_token,
        cold_starts_met=met,
        unfinished=waits.unfinished,
        failed=int(np.count_nonzero(waits.failed)),
        pods_created=pods_created,
        nodes_launched=nodes_launched,
        timeline=timeline,
    )


def share_within(waits: Waits, now_s: float, wait_seconds: float) -> float:
    """Share of the requests that waited at most `wait_seconds`, `now_s` after the start. A failed one is late."""
    return _share((_so_far(waits.wait_seconds, waits, now_s) <= wait_seconds) & ~waits.failed)


def _so_far(seconds: NDArray[np.float64], waits: Waits, now_s: float) -> NDArray[np.float64]:
    """What is not over yet has lasted until now."""
    lasted = seconds.copy()
    unknown = np.flatnonzero(np.isnan(seconds))
    lasted[unknown] = now_s - waits.arrival_s[unknown]
    return lasted


def _while_starting(
    arrival_s: NDArray[np.float64], wait: NDArray[np.float64], timeline: Timeline, start_seconds: float
) -> NDArray[np.bool_]:
    """Whether a replica was starting at some moment of each wait."""
    edges_s = timeline.seconds - start_seconds
    starting = (timeline.starting_replicas > 0).astype(np.float64)
    total = np.concatenate(([0.0], np.cumsum(np.diff(edges_s) * starting[:-1])))

    def seconds_of_starting_before(at_s: NDArray[np.float64]) -> NDArray[np.float64]:
        row = np.searchsorted(edges_s, at_s, side="right") - 1
        return np.asarray(total[row] + (at_s - edges_s[row]) * starting[row])

    return seconds_of_starting_before(arrival_s + wait) > seconds_of_starting_before(arrival_s)


def _share(within: NDArray[np.bool_]) -> float:
    return float(np.mean(within)) if len(within) else 1.0


def _quantiles(seconds: NDArray[np.float64], *probabilities: float) -> list[float]:
    """The smallest values that these shares of the requests do not exceed; they may be infinite, where interpolation fails.

    Puts the requests into another order.
    """
    if not len(seconds):
        return [0.0] * len(probabilities)
    return [
        float(np.quantile(seconds, probability, method="inverted_cdf", overwrite_input=True))
        for probability in probabilities
    ]
