"""What each way to shorten a start would save: seconds by the ladder, GPU-hours and late requests by replay of the last day.

The demand of the log is played against the law of the policy with the shorter lead, and with the lead as it is. Of a fluid
replay, both are rough, and their difference is less so. Every start takes the p90 of its lead, without prepared nodes; nodes
are always there; and the floor comes from the forecasts of the log, wherever they were used.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autoscaler.records.coldstarts.changes import Change, changes
from autoscaler.records.coldstarts.collect import ColdStarts, Tick
from forecasting.history import History
from forecasting.quantiles import HORIZONS_SECONDS, PROBABILITIES
from forecasting.series import Series
from forecasting.worth import DAY_SECONDS, WARM_SECONDS, Counterfactual, Law, Outcome
from policies.ladder import lead_quantile_seconds
from policies.model import Fan, Policy
from policies.supply import NORMAL_P95, ColdStart, Rung

STEP_SECONDS = 15.0  # of the decision grid
LEAST_SECONDS = 3_600.0  # of known demand that a replay takes


@dataclass(frozen=True, slots=True)
class Replayed:
    """A day, or what the log has of it, with one lead."""

    hours: float  # with known demand
    gpu_hours: float
    late_share: float  # of the work
    requests: float | None  # None: how many came is unknown

    @property
    def late_requests(self) -> float | None:
        """As many of the requests as of the work."""
        return None if self.requests is None else self.late_share * self.requests


@dataclass(frozen=True, slots=True)
class Saving:
    """Of one change, against the same without it. Negative: it would cost. None: unknown."""

    change: Change
    p50_seconds: float | None  # of a start with it, from the request of a node to serving
    saved_seconds: float | None = None
    saved_gpu_hours: float | None = None
    avoided_late_requests: float | None = None


@dataclass(frozen=True, slots=True)
class Savings:
    """Of every change. The seconds are those of a start as expected now, from the request of a node to serving.

    `today` is the replay with the lead as it is. None: there was too little known demand.
    """

    p50_seconds: float
    p95_seconds: float
    existing_node_p50_seconds: float  # where the node and its GPU are there
    today: Replayed | None
    savings: tuple[Saving, ...]


def savings(of: ColdStarts) -> Savings | None:
    """None where no cold start is expected: there was neither a decision nor a start."""
    cold_start = of.expected or of.prior
    if cold_start is None:
        return None
    day = _Day.of(of.ticks) if of.policy is not None else None
    today = None if day is None or of.policy is None else day.replay(of.policy, cold_start)
    p50, p95 = (lead_quantile_seconds(cold_start, (), z) for z in (0.0, NORMAL_P95))
    there = lead_quantile_seconds(cold_start, Rung.NODE_READY.passed, 0.0)
    found = []
    for change in changes(cold_start, of.starts):
        if change.cut is None:
            found.append(Saving(change, None))
            continue
        shorter = change.cut(cold_start)
        seconds = lead_quantile_seconds(shorter, (), 0.0)
        gpu_hours = late = None
        if day is not None and of.policy is not None and today is not None:
            then = day.replay(of.policy, shorter)
            gpu_hours = today.gpu_hours - then.gpu_hours
            if today.late_requests is not None and then.late_requests is not None:
                late = today.late_requests - then.late_requests
        found.append(Saving(change, seconds, p50 - seconds, gpu_hours, late))
    return Savings(p50, p95, there, today, tuple(found))


class _Day:
    """The newest day of demand, with the forecasts that there were."""

    def __init__(self, demand: Series, ticks: Sequence[Tick]) -> None:
        self._demand = demand
        self._steps = min(len(demand), round(DAY_SECONDS / STEP_SECONDS))
        first = demand.end_seconds - self._steps * STEP_SECONDS
        self._quantiles = np.zeros((self._steps, len(HORIZONS_SECONDS), len(PROBABILITIES)))
        self._used = np.full(self._steps, np.nan)  # the share of its headroom; NaN: not used
        arrivals = []
        for tick in ticks:
            step = round((tick.at_seconds - first) / STEP_SECONDS) - 1
            if not 0 <= step < self._steps:
                continue
            if tick.arrivals_per_second is not None:
                arrivals.append(tick.arrivals_per_second)
            if tick.fan is not None and _usable(tick.fan):
                self._quantiles[step], self._used[step] = tick.fan.values, tick.fan.headroom
        self._requests = sum(arrivals) * STEP_SECONDS if arrivals else None

    @classmethod
    def of(cls, ticks: Sequence[Tick]) -> "_Day | None":
        """None where too little demand is known."""
        history = History(STEP_SECONDS, round((DAY_SECONDS + WARM_SECONDS) / STEP_SECONDS))
        for tick in ticks:
            history.add(tick.at_seconds, tick.replicas)
        demand = history.series()
        known = np.count_nonzero(demand.known) * STEP_SECONDS
        return cls(demand, ticks) if known >= LEAST_SECONDS else None

    def replay(self, policy: Policy, cold_start: ColdStart) -> Replayed:
        """The day with the law of the policy and these cold starts."""
        played = Counterfactual(self._demand, self._steps, Law.of(policy, cold_start))
        outcome: Outcome = played.outcome(self._quantiles, self._used)
        hours = np.count_nonzero(self._demand.tail(self._steps).known) * STEP_SECONDS / 3_600.0
        return Replayed(hours, outcome.gpu_hours, outcome.late_share, self._requests)


def _usable(fan: Fan) -> bool:
    """Whether it is of the quantiles that this version forecasts."""
    shape = [len(PROBABILITIES)] * len(HORIZONS_SECONDS)
    same = (fan.horizons_seconds, fan.probabilities) == (HORIZONS_SECONDS, PROBABILITIES)
    return same and [len(row) for row in fan.values] == shape
