"""How long supply takes to climb the rest of the ladder, and what follows from it: the hold, and the headroom for a lead time.

A unit climbs REQUESTED -> NODE_READY -> IMAGE_READY -> WEIGHTS_READY -> SERVING. Units are held in two echelons: replicas, and
prepared nodes at IMAGE_READY. Each covers the lead time from the rung below it (multi-echelon base stock).
"""

import math
from itertools import pairwise

from policies.model import Policy
from policies.supply import STAGES, ColdStart, Rung, Stage

NORMAL_P90 = 1.2816
CONTROL_SECONDS = 15.0 + 10.0  # the HPA's sync and the age of a sample
# Lead in seconds -> standard deviations of headroom that keep 99 % of requests within 5 s.
Z_TABLE = ((20.0, 1.2), (90.0, 2.5), (270.0, 3.7))
Z_LIMIT = 4.2


def remaining(cold_start: ColdStart, rung: Rung) -> tuple[Stage, ...]:
    """The stages that a unit at `rung` still has to pass."""
    return tuple([getattr(cold_start, name) for name in STAGES[rung:]])


def lead_quantile_seconds(stages: tuple[Stage, ...], normal_quantile: float) -> float:
    """A quantile of the sum of log-normal stages, given as a standard normal quantile (1.2816 is p90).

    Fenton-Wilkinson: the log-normal with the mean and variance of the sum.
    """
    if not stages:
        return 0.0
    mean = variance = 0.0
    for stage in stages:
        sigma2 = stage.sigma**2
        stage_mean = stage.p50_seconds * math.exp(sigma2 / 2)
        mean += stage_mean
        variance += stage_mean**2 * (math.exp(sigma2) - 1)
    sigma2 = math.log(1 + variance / mean**2)
    return mean * math.exp(-sigma2 / 2 + normal_quantile * math.sqrt(sigma2))


def lead_seconds(cold_start: ColdStart, rung: Rung) -> float:
    """The p90 of the time from a decision until a unit at `rung` serves."""
    return lead_quantile_seconds(remaining(cold_start, rung), NORMAL_P90) + CONTROL_SECONDS


def replica_rung(policy: Policy) -> Rung:
    """The rung that a new replica starts from: a prepared node if the policy allows any, else a request."""
    return Rung.IMAGE_READY if policy.max_prepared_nodes > 0 else Rung.REQUESTED


def hold_seconds(policy: Policy, cold_start: ColdStart) -> float:
    """How long capacity is kept after it was last asked for.

    Ski rental: as long as it would take to get it back (the median from the rung below), at least 60 s, unless the policy sets it.
    """
    if policy.hold_seconds is not None:
        return policy.hold_seconds
    return max(60.0, lead_quantile_seconds(remaining(cold_start, replica_rung(policy)), 0.0))


def headroom_deviations(lead_seconds: float, attainment: float) -> float:
    """Standard deviations of log demand to hold above the level for a lead time, linear in its logarithm between the points.

    Scaled by the policy's attainment; the points are for 99 %.
    """
    return _deviations(lead_seconds) * normal_quantile(attainment) / normal_quantile(0.99)


def relative_headroom(lead_seconds: float) -> float:
    """How far demand moves over a lead time, relative to the longest one of the table."""
    return _deviations(lead_seconds) / Z_TABLE[-1][1]


def _deviations(lead_seconds: float) -> float:
    log_lead = math.log(max(lead_seconds, Z_TABLE[0][0]))
    pairs = list(pairwise(Z_TABLE))
    (low, z_low), (high, z_high) = next((pair for pair in pairs if lead_seconds <= pair[1][0]), pairs[-1])
    share = (log_lead - math.log(low)) / (math.log(high) - math.log(low))
    return min(z_low + share * (z_high - z_low), Z_LIMIT)


def normal_quantile(probability: float) -> float:
    """The standard normal quantile for 0.5 <= probability < 1; Abramowitz and Stegun 26.2.23, error under 4.5e-4."""
    t = math.sqrt(-2.0 * math.log(1.0 - probability))
    return t - (2.515517 + 0.802853 * t + 0.010328 * t * t) / (1 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t**3)
