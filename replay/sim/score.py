"""How a run went: what users waited, and what it cost."""

import math

import numpy as np
from numpy.typing import NDArray

from replay.sim.views import RequestLog, Score, Timeline


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
    requests: RequestLog,
    timeline: Timeline,
    *,
    start_seconds: float,
    now_seconds: float,
    gpu_hours: float,
    price_per_gpu_hour: float,
    pods_created: int,
    nodes_launched: int,
) -> Score:
    """Judge a run up to now. A request that still waits has waited until now; a failed one waits for ever."""
    now_s = now_seconds - start_seconds
    wait = _so_far(requests.wait_seconds, requests, now_s)
    first_token = _so_far(requests.first_token_seconds, requests, now_s)
    met = (wait > 1.0) & _while_starting(requests.arrival_s, wait, timeline, start_seconds)
    wait[requests.failed] = math.inf
    first_token[requests.failed] = math.inf
    return Score(
        gpu_hours=gpu_hours,
        cost=gpu_hours * price_per_gpu_hour,
        requests=len(wait),
        share_within_1s=_share(wait <= 1.0),
        share_within_5s=_share(wait <= 5.0),
        p50_wait_seconds=_quantile(wait, 0.5),
        p99_wait_seconds=_quantile(wait, 0.99),
        p999_wait_seconds=_quantile(wait, 0.999),
        p99_first_token_seconds=_quantile(first_token, 0.99),
        cold_starts_met=int(np.count_nonzero(met)),
        unfinished=int(np.count_nonzero(np.isnan(requests.finish_s) & ~requests.failed)),
        failed=int(np.count_nonzero(requests.failed)),
        pods_created=pods_created,
        nodes_launched=nodes_launched,
        timeline=timeline,
    )


def share_within(requests: RequestLog, now_s: float, wait_seconds: float) -> float:
    """Share of the requests that waited at most `wait_seconds`, `now_s` after the start. A failed one is late."""
    return _share((_so_far(requests.wait_seconds, requests, now_s) <= wait_seconds) & ~requests.failed)


def _so_far(seconds: NDArray[np.float64], requests: RequestLog, now_s: float) -> NDArray[np.float64]:
    """What is not over yet has lasted until now."""
    return np.where(np.isnan(seconds), now_s - requests.arrival_s, seconds)


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


def _quantile(seconds: NDArray[np.float64], probability: float) -> float:
    """The smallest value that this share of the requests does not exceed; it may be infinite, where interpolation fails."""
    return float(np.quantile(seconds, probability, method="inverted_cdf")) if len(seconds) else 0.0
