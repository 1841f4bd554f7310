"""How long supply takes to climb the rest of the ladder, and what follows from it: the hold, and the headroom for a lead time.

The ladder is a graph. Once the node has registered, its GPU becomes allocatable while whatever is prepared ahead is fetched.
Units are held in two echelons: replicas, and prepared nodes at IMAGE_READY. Each covers the lead time from the rung below it
(multi-echelon base stock).
"""

import math
from functools import lru_cache
from itertools import pairwise

from policies.model import Policy
from policies.supply import ColdStart, Rung, Stage, StageName

NORMAL_P90 = 1.2816
CONTROL_SECONDS = 15.0 + 10.0  # the HPA's sync and the age of a sample
CONTENTION = 1.15  # image and weights that are fetched at the same time share a disk and a network: each takes longer
# Lead in seconds -> standard deviations of headroom that keep 99 % of requests within 5 s.
Z_TABLE = ((20.0, 1.2), (90.0, 2.5), (270.0, 3.7))
Z_LIMIT = 4.2
_STEPS, _REACH = 256, 5.0  # of the integral over a maximum: steps, and standard deviations on either side

_Moments = tuple[float, float]  # mean and variance
_NOTHING: _Moments = (0.0, 0.0)


def lead_quantile_seconds(cold_start: ColdStart, done: tuple[StageName, ...], normal_quantile: float) -> float:
    """A quantile of the time until a unit that has passed the stages `done` serves, given as a normal quantile (1.2816 is p90).

    Stages are independent and log-normal. Their sum is taken for the log-normal with its mean and variance (Fenton-Wilkinson);
    the maximum of two branches as well, with the moments of the true maximum.
    """
    mean, variance = _lead(cold_start, done)
    if not mean:
        return 0.0
    mu, sigma = _log_normal((mean, variance))
    return math.exp(mu + normal_quantile * sigma)


def lead_seconds(cold_start: ColdStart, rung: Rung) -> float:
    """The p90 of the time from a decision until a unit at `rung` serves."""
    return lead_quantile_seconds(cold_start, rung.passed, NORMAL_P90) + CONTROL_SECONDS


@lru_cache(maxsize=4096)  # of 1,000 policies: each has a few on the way, and the integral of a maximum takes 0.5 ms
def _lead(cold_start: ColdStart, done: tuple[StageName, ...]) -> _Moments:
    """Mean and variance of the whole, over the graph of the stages that are left."""

    def left(name: StageName, factor: float = 1.0) -> _Moments:
        stage: Stage | None = getattr(cold_start, name)
        return _NOTHING if stage is None or name in done else _moments(stage, factor)

    ahead = [name for name in (StageName.IMAGE, StageName.WEIGHTS) if name in cold_start.ahead]
    at_once = len([name for name in ahead if left(name) != _NOTHING]) > 1
    image, weights = (left(name, CONTENTION if at_once else 1.0) for name in (StageName.IMAGE, StageName.WEIGHTS))
    placed = left(StageName.GPU)
    started = _longest(placed, image) if StageName.IMAGE in ahead else _sum(placed, image)
    loaded = _longest(started, weights) if StageName.WEIGHTS in ahead else _sum(started, weights)
    return _sum(left(StageName.NODE), loaded, left(StageName.WARMUP))


def _moments(stage: Stage, factor: float) -> _Moments:
    sigma2 = stage.sigma**2
    mean = factor * stage.p50_seconds * math.exp(sigma2 / 2)
    return mean, mean**2 * (math.exp(sigma2) - 1)


def _log_normal(moments: _Moments) -> tuple[float, float]:
    """(mu, sigma) of the log-normal with this mean and variance."""
    mean, variance = moments
    sigma2 = math.log(1 + variance / mean**2)
    return math.log(mean) - sigma2 / 2, math.sqrt(sigma2)


def _sum(*parts: _Moments) -> _Moments:
    return sum([mean for mean, _ in parts]), sum([variance for _, variance in parts])


def _longest(*branches: _Moments) -> _Moments:
    """The moments of the maximum of independent log-normals: E[X] and E[X^2] as integrals of 1 - F and of 2x(1 - F)."""
    there = [branch for branch in branches if branch[0] > 0.0]
    if len(there) < 2:
        return there[0] if there else _NOTHING
    laws = [_log_normal(branch) for branch in there]
    low = max(mu - _REACH * sigma for mu, sigma in laws)
    high = max(mu + _REACH * sigma for mu, sigma in laws)

    def above(log_x: float) -> float:
        return 1.0 - math.prod([_phi((log_x - mu) / sigma) if sigma else float(log_x >= mu) for mu, sigma in laws])

    first = math.exp(low)
    mean, square = first, first**2
    points = [(low + (high - low) * step / _STEPS) for step in range(_STEPS + 1)]
    for here, there_ in pairwise(points):
        left, right, share = math.exp(here), math.exp(there_), (above(here) + above(there_)) / 2
        mean += (right - left) * share
        square += (right**2 - left**2) * share
    return mean, max(0.0, square - mean**2)


def _phi(x: float) -> float:
    return 0.5 * (1.0 + math.erf(x / math.sqrt(2.0)))


def replica_rung(policy: Policy) -> Rung:
    """The rung that a new replica starts from: a prepared node if the policy allows any, else a request."""
    return Rung.IMAGE_READY if policy.max_prepared_nodes > 0 else Rung.REQUESTED


def hold_seconds(policy: Policy, cold_start: ColdStart) -> float:
    """How long capacity is kept after it was last asked for.

    Ski rental: as long as it would take to get it back (the median from the rung below), at least 60 s, unless the policy sets it.
    """
    if policy.hold_seconds is not None:
        return policy.hold_seconds
    return max(60.0, lead_quantile_seconds(cold_start, replica_rung(policy).passed, 0.0))


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
