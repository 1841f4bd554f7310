"""What a forecast is worth: GPU-hours that the law saves with it, on recorded demand, at equal attainment.

A fluid replay: demand is work, a decision serves one lead later, and work beyond what serves waits. The law is played with the
floor taken from the level and with the floor taken from the forecast, each at several scales of its headroom, and what they
cost is compared where equally much work is late. Not here: single requests, and what varies between cold starts.
"""

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from forecasting import guard
from forecasting.log_demand import smooth
from forecasting.quantiles import HORIZONS_SECONDS, PROBABILITIES
from forecasting.series import Floats, Series
from policies.combine import SLACK
from policies.ladder import headroom_deviations, hold_seconds, lead_seconds
from policies.level import (
    LEVEL_OFFSET,
    LEVEL_TAU_SECONDS,
    VOLATILITY_LAG_SECONDS,
    VOLATILITY_PRIOR,
    VOLATILITY_TAU_SECONDS,
)
from policies.model import Policy
from policies.recommend import predictive, reactive
from policies.supply import ColdStart, Rung

SCALES = np.array((0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 1.8, 2.2))  # of the headroom; 1 is as decided
AS_DECIDED = int(np.flatnonzero(SCALES == 1.0)[0])
TARGETS = np.array(
    (0.5, 1.0, 2.0)
)  # of the policy's late share, at which costs are compared; their mean is steadier than one
# Of the policy's late share: what may be late where a forecast is used with less than its headroom. With half of it, 2 % more of
# the requests were late on working weeks at 97 %; a tenth costs 1 to 4 % more.
ENOUGH = 0.25
LEAST_LATE = 1e-5  # below this share of the work, nothing counts as late
WARM_SECONDS = 2 * VOLATILITY_TAU_SECONDS  # before what is replayed
# Shares of the GPU-hours that a forecast has to save to be used, and to stay in use. By chance, forecasts of traffic without a
# pattern seem to save up to 4 %; daily rushes, working weeks and jobs at each full hour save 8 to 55 %.
LEAST_SHARE, KEPT_SHARE = 0.05, 0.01
LEAST_DAYS = 0.5  # that have to be replayed; on fewer, forecasts of one day of multimodal traffic seemed to save 6 %
WHOLE_DAYS = 1.0  # of traffic that say what headroom it needed: a calm night says nothing about the morning
DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Law:
    """What the replay needs to know of a policy."""

    lead_seconds: float
    hold_seconds: float
    attainment: float
    queue_wait_seconds: float
    min_replicas: int
    max_replicas: int
    gpus_per_replica: int

    @classmethod
    def of(cls, policy: Policy, cold_start: ColdStart) -> Self:
        """The law of a policy with these cold starts."""
        return cls(
            lead_seconds(cold_start, Rung.REQUESTED),
            hold_seconds(policy, cold_start),
            policy.attainment,
            policy.queue_wait_seconds,
            policy.min_replicas,
            policy.max_replicas,
            policy.gpus_per_replica,
        )


@dataclass(frozen=True, slots=True)
class Worth:
    """What a forecast would have saved over the last days. Negative: what it would have cost more."""

    gpu_hours: float = 0.0
    share: float = 0.0  # of the GPU-hours without it
    days: float = 0.0  # that were replayed
    headroom: float = 1.0  # the share of its headroom that the forecast needed

    def proven(self, *, used: bool) -> bool:
        """Whether the forecast is to be used, given whether the one before is."""
        return self.days >= LEAST_DAYS and self.share >= (KEPT_SHARE if used else LEAST_SHARE)

    def text(self, *, used: bool) -> str:
        """The worth as a clause, and what is missing where a forecast saves and is not used."""
        over = f"{24 * self.days:.0f} hours" if self.days < 2.0 else f"{self.days:.2g} days"
        amount = f"{abs(self.gpu_hours):.1f} GPU-hours ({abs(self.share):.1%})"
        effect = f"cost {amount} more" if self.gpu_hours < 0.0 else f"saved {amount}"
        missing = f"; it is used once it would have saved {LEAST_SHARE:.0%} over {24 * LEAST_DAYS:.0f} hours or more"
        return f"over the last {over} it would have {effect} at equal attainment" + (
            missing if not used and self.gpu_hours >= 0.0 else ""
        )


NOTHING = Worth()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the law, as decided, comes to in a replay."""

    gpu_hours: float
    late_share: float  # of the work


def level_headroom(demand: Series, law: Law) -> float:
    """The share of the level's headroom that all of the recorded demand needed; 1 with less than `WHOLE_DAYS` of traffic.

    The minimum of replicas is left out: what it covered says nothing about the headroom above it.
    """
    if np.count_nonzero(demand.values > 0.0) * demand.step_seconds < WHOLE_DAYS * DAY_SECONDS:
        return 1.0
    return Counterfactual(demand, len(demand), replace(law, min_replicas=1)).needed_by_level()


class Counterfactual:
    """The newest `steps` steps of a series, on which the law is replayed.

    `naive` are naive's forecasts there, which foresee nothing. Where the law saves with them as well, what counts is what a
    forecast saves beyond that. None: it is not asked.
    """

    def __init__(self, demand: Series, steps: int, law: Law, naive: Floats | None = None) -> None:
        step = demand.step_seconds
        recent = demand.tail(steps + round(WARM_SECONDS / step))
        known = recent.tail(steps).known
        filled = recent.filled().values
        level, sigma = (values[-len(known) :] for values in filters(filled, step))
        self._law = law
        self._z = headroom_deviations(law.lead_seconds, law.attainment)
        self._lead_steps = max(1, math.ceil(law.lead_seconds / step))
        self._hold_steps = max(1, round(law.hold_seconds / step))
        self._wait_steps = law.queue_wait_seconds / step
        self._demand = filled[-len(known) :]
        self._level = level
        self._weights = known / max(1, int(np.count_nonzero(known)))
        self._gpu_hours_each = law.gpus_per_replica * np.count_nonzero(known) * step / 3_600.0
        self._days = len(known) * step / DAY_SECONDS
        self._horizon = law.lead_seconds + step / 2.0  # a forecast is half a step old on average
        self._by_level = headroom(self._level, self._z * sigma)
        self._without = [self._play(self._by_level)]
        if naive is not None:
            self._without.append(self._play(self._floors(naive)))

    def worth(self, quantiles: Floats, used: Floats | None = None) -> Worth:
        """The worth of forecasts [step, horizon, probability], in replicas, as of each step.

        `used` [step] is the share of its headroom that each is used with, NaN where it is not used; None: always, with all of it.
        Of forecasts that are used now and then, all that is saved counts, whatever naive's save.
        """
        without = self._without if used is None else self._without[:1]
        played = self._play(self._floors(quantiles, used))
        cost, used_cost = min((self._compared(each, played) for each in without), key=_saved)
        hours = self._gpu_hours_each
        saved = 1.0 - used_cost / cost if cost > 0.0 else 0.0
        return Worth((cost - used_cost) * hours, saved, self._days, self._needed(played[1]))

    def outcome(self, quantiles: Floats, used: Floats) -> Outcome:
        """What the law comes to with forecasts as `worth` takes them."""
        cost, late = self._play(self._floors(quantiles, used))
        return Outcome(float(cost[AS_DECIDED]) * self._gpu_hours_each, float(late[AS_DECIDED]))

    def _floors(self, quantiles: Floats, used: Floats | None = None) -> Floats:
        """The law's floors by these forecasts, [scale, step]. `used` as `worth` takes it."""
        median, high = (at_horizon(quantiles, self._horizon, p) for p in (0.5, predictive.HIGH))
        sigma = np.log((high + LEVEL_OFFSET) / (median + LEVEL_OFFSET)) / predictive.HIGH_DEVIATIONS
        asked = headroom(median, self._z * sigma * (1.0 if used is None else used))
        floors = np.maximum(np.minimum(asked, predictive.FORECAST_LIMIT * self._by_level), self._level)
        return floors if used is None else np.where(np.isnan(used), self._by_level, floors)

    def needed_by_level(self) -> float:
        """The least share of the headroom with which little enough was late by the level alone."""
        return self._needed(self._without[0][1])

    def _needed(self, late: Floats) -> float:
        """The least share of the headroom with which little enough was late; `late` is the share of the work, [scale]."""
        target = np.array([ENOUGH * (1.0 - self._law.attainment)])
        return min(1.0, max(predictive.LEAST_FACTOR, float(at_late(SCALES, late, target)[0])))

    def _compared(self, without: tuple[Floats, Floats], used: tuple[Floats, Floats]) -> tuple[float, float]:
        """Mean replicas without and with the forecast, at equal attainment.

        Where both attain as decided what the policy asks for, the comparison that is worse for the forecast counts.
        """
        (cost, late), (used_cost, used_late) = without, used
        budget = 1.0 - self._law.attainment
        targets = np.maximum(TARGETS * budget, max(late.min(), used_late.min()))
        at_targets = float(at_late(cost, late, targets).mean()), float(at_late(used_cost, used_late, targets).mean())
        if max(late[AS_DECIDED], used_late[AS_DECIDED]) > budget:
            return at_targets
        as_decided = float(cost[AS_DECIDED]), float(used_cost[AS_DECIDED])
        return min(at_targets, as_decided, key=_saved)

    def _play(self, floors: Floats) -> tuple[Floats, Floats]:
        """Mean replicas and the share of the work that is late, [scale] each, of floors [scale, step]."""
        law, demand = self._law, self._demand
        asked = np.ceil(floors - SLACK)
        asked = np.clip(asked, law.min_replicas, law.max_replicas, out=asked)
        decided = newest_max(asked, self._hold_steps)
        serving = self._serving(decided)
        jump = np.where(
            demand > reactive.OVERLOAD * serving, np.minimum(np.ceil(demand - SLACK), law.max_replicas), 0.0
        )
        decided = np.maximum(decided, newest_max(jump, self._hold_steps))
        serving = self._serving(decided)
        excess = np.cumsum(demand - serving, axis=-1)
        queue = excess - np.minimum(np.minimum.accumulate(excess, axis=-1), 0.0)
        before = np.zeros_like(queue)
        before[:, 1:] = queue[:, :-1]
        wait = self._wait_steps * serving  # the queue that takes as long as requests may wait
        highest, lowest = np.maximum(queue, before), np.minimum(queue, before)
        late = np.clip((highest - wait) / np.maximum(highest - lowest, 1e-9), 0.0, 1.0)
        work = demand * self._weights
        return decided @ self._weights, late @ work / max(float(work.sum()), 1e-9)

    def _serving(self, decided: Floats) -> Floats:
        """Replicas that serve during each step: those that were decided all through the lead before it."""
        least = -newest_max(-decided, self._lead_steps)
        serving = np.empty_like(least)
        serving[:, 0] = least[:, 0]
        serving[:, 1:] = least[:, :-1]
        return np.maximum(serving, 1.0, out=serving)


def _saved(costs: tuple[float, float]) -> float:
    """Replicas saved on average, of the costs without and with a forecast."""
    return costs[0] - costs[1]


def filters(demand: Floats, step_seconds: float) -> tuple[Floats, Floats]:
    """The level in replicas and the deviation of the volatility floor at each step, as the core has them; `demand` has no gaps."""
    level = smooth(demand, _mean_age(LEVEL_TAU_SECONDS, step_seconds), float(demand[0]))
    log_level = np.log(level + LEVEL_OFFSET)
    lag = max(1, round(VOLATILITY_LAG_SECONDS / step_seconds))
    moves = np.full_like(log_level, VOLATILITY_PRIOR)
    moves[lag:] = np.abs(log_level[lag:] - log_level[:-lag])
    volatility = smooth(moves, _mean_age(VOLATILITY_TAU_SECONDS, step_seconds), VOLATILITY_PRIOR)
    variance = predictive.SAMPLING_VARIANCE / (level + LEVEL_OFFSET) + volatility**2 + predictive.BASE_DEVIATION**2
    return level, np.minimum(predictive.DEVIATION_LIMIT, np.sqrt(variance))


def headroom(location: Floats, width: Floats) -> Floats:
    """The location with headroom of this width in log demand at each scale, [scale, step]."""
    return np.asarray((location + LEVEL_OFFSET) * np.exp(SCALES[:, None] * width) - LEVEL_OFFSET)


def at_horizon(quantiles: Floats, horizon_seconds: float, probability: float) -> Floats:
    """One quantile [step] of [step, horizon, probability], linear between two horizons; beyond the ends, the outermost.

    What cannot be used as a quantile counts as the greatest.
    """
    position = np.interp(horizon_seconds, HORIZONS_SECONDS, np.arange(len(HORIZONS_SECONDS)))
    low = int(position)
    column = quantiles[:, :, PROBABILITIES.index(probability)]
    ends = column[:, [low, min(low + 1, len(HORIZONS_SECONDS) - 1)]]
    most = guard.GREATEST_REPLICAS
    near, far = np.nan_to_num(ends, nan=most, posinf=most).clip(0.0, most).T
    return np.asarray(near + (position - low) * (far - near))


def at_late(cost: Floats, late: Floats, targets: Floats) -> Floats:
    """The cost [target] at which no more than the target is late, linear in the logarithm between two scales [scale]."""
    falling = np.log(np.maximum(np.minimum.accumulate(late), LEAST_LATE))
    rising = 1e-9 * np.arange(len(cost)) - falling  # of equal ones, the first counts
    return np.interp(-np.log(np.maximum(targets, LEAST_LATE)), rising, cost)


def newest_max(values: Floats, steps: int) -> Floats:
    """The maximum over the newest `steps` steps at each step, along the last axis; fewer at the beginning."""
    steps = min(steps, values.shape[-1])
    reach, highest = 1, values
    while reach < steps:  # two shorter windows, which may overlap, make a longer one
        further = min(reach, steps - reach)
        longer = highest.copy()
        np.maximum(highest[..., further:], highest[..., :-further], out=longer[..., further:])
        reach, highest = reach + further, longer
    return highest


def _mean_age(tau_seconds: float, step_seconds: float) -> float:
    return 1.0 / (1.0 - math.exp(-step_seconds / tau_seconds))
