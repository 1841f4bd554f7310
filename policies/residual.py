"""How long the replicas that are starting still take, given that they do not serve yet."""

import math
from dataclasses import dataclass
from functools import lru_cache

from policies.ladder import lead_quantile_seconds
from policies.supply import NORMAL_P95, ColdStart, Role, Rung, Stage, StageName, Supply, Unit

LEAST_SECONDS = 0.5  # what is shorter is within the clocks' resolution of 1 s
LEAST_SIGMA = 0.03
FAR = 30.0  # standard deviations from which the survival function is taken as its first term


@dataclass(frozen=True, slots=True)
class Starting:
    """A replica that does not serve yet."""

    unit: Unit
    elapsed_seconds: float  # on its node; without one, since it was requested
    usual_seconds: float  # within which 19 of 20 replicas serve once they have a node; without one, get it
    left: Stage  # until it serves

    @property
    def is_late(self) -> bool:
        """Whether 19 of 20 are faster."""
        return self.elapsed_seconds > self.usual_seconds


def starting(supply: Supply, cold_start: ColdStart, now_seconds: float) -> tuple[Starting, ...]:
    """Replicas that do not serve yet, the one that is expected first in front. Those of unknown age are left out."""
    found = [
        _starting(unit, cold_start, max(0.0, now_seconds - unit.since_seconds))
        for unit in supply.units
        if unit.role is Role.REPLICA and StageName.WARMUP not in unit.done and unit.since_seconds is not None
    ]
    return tuple(sorted(found, key=lambda each: each.left.p50_seconds))


def _starting(unit: Unit, cold_start: ColdStart, elapsed_seconds: float) -> Starting:
    """What has begun of image, weights and warm-up is not seen from outside, so that they count as one stage."""
    if StageName.GPU in unit.done:
        whole = _quantiles(cold_start, unit.done)
        return Starting(unit, elapsed_seconds, whole.p95_seconds, rest(whole, elapsed_seconds))
    placed = _quantiles(cold_start, (StageName.IMAGE, StageName.WEIGHTS, StageName.WARMUP))
    after = _quantiles(cold_start, Rung.NODE_READY.passed)
    both = ColdStart(node=rest(placed, elapsed_seconds), image=None, weights=None, warmup=after)
    return Starting(unit, elapsed_seconds, placed.p95_seconds, _quantiles(both, ()))


@lru_cache(maxsize=4096)  # pods of one step have the same age, and each takes 0.1 ms
def rest(stage: Stage, elapsed_seconds: float) -> Stage:
    """The p50 and the p95 of what is left of a stage. One that is late is expected to take longer still."""
    if elapsed_seconds < LEAST_SECONDS:
        return stage
    sigma = max(stage.sigma, LEAST_SIGMA)
    start = math.log(elapsed_seconds / stage.p50_seconds) / sigma
    return Stage(
        *[max(LEAST_SECONDS, elapsed_seconds * math.expm1(sigma * _further(start, share))) for share in (0.5, 0.05)]
    )


def _quantiles(cold_start: ColdStart, done: tuple[StageName, ...]) -> Stage:
    seconds = (lead_quantile_seconds(cold_start, done, normal_quantile) for normal_quantile in (0.0, NORMAL_P95))
    return Stage(*[max(LEAST_SECONDS, each) for each in seconds])


def _further(start: float, share: float) -> float:
    """How far above `start` a standard normal is with probability `share`, given that it is above `start`."""
    low, high = 0.0, 2.0 + max(0.0, -start)
    sought = _log_survival(start) + math.log(share)
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _log_survival(start + middle) > sought else (low, middle)
    return (low + high) / 2


def _log_survival(z: float) -> float:
    if z > FAR:
        return -z * z / 2 - math.log(z * math.sqrt(2 * math.pi))
    return math.log(math.erfc(z / math.sqrt(2)) / 2)
