"""What observations say of a log-normal duration: normal-inverse-gamma, with a prior of three pseudo-observations.

Everything here is about the natural logarithm of seconds, where the duration is normal.
"""

import math
from dataclasses import dataclass, replace

from policies.supply import Stage

HALF_LIFE = 20.0  # observations after which one counts half
KEPT = 0.5 ** (1.0 / HALF_LIFE)
PRIOR = 3.0  # observations that a prior is worth, for the mean and for the variance alike
RECENT = 8  # observations among which a change is looked for
CHANGED = 3.7  # standard errors that the latest are away from those before them: by chance once in 1,000 observations
SLOWER, FASTER = 2, 5  # observations that a change needs
BEFORE = 8.0  # weight of observations that a change needs before it
LEAST_VARIANCE = 0.03**2  # of the logarithm: no cold start repeats itself to better than 3 %
FAR = 30.0  # standard deviations from which the normal tail is taken as exponential


@dataclass(frozen=True, slots=True)
class Moments:
    """Weighted sums of observations, the older the lighter."""

    count: float = 0.0
    mean: float = 0.0
    squares: float = 0.0  # weighted sum of squared deviations from the mean
    recent: tuple[float, ...] = ()  # the latest, at most RECENT

    def seen(self, mean: float, variance: float = 0.0) -> "Moments":
        """With one more observation, of which only mean and variance are known if it was censored."""
        kept = self.count * KEPT
        count = kept + 1.0
        step = mean - self.mean
        squares = self.squares * KEPT + variance + step * step * kept / count
        return Moments(count, self.mean + step / count, squares, (*self.recent, mean)[-RECENT:])._since_change()

    def _since_change(self) -> "Moments":
        """Only the latest, with the spread of all, if all are on one side of the others' mean, and far from it.

        Two are enough to believe that it takes longer now, one may be an outlier; it takes five to believe that it takes less.
        """
        found, most = self, CHANGED**2
        weight = total = 0.0
        for age, value in enumerate(reversed(self.recent)):
            weight += KEPT**age
            total += KEPT**age * value
            before = self.count - weight
            if before < BEFORE:
                break
            mean = (self.count * self.mean - total) / before
            away, latest = total / weight - mean, self.recent[-age - 1 :]
            if len(latest) < (SLOWER if away > 0.0 else FASTER) or min(latest) < mean < max(latest):
                continue
            between = away * away * weight * before / self.count
            variance = max((self.squares - between) / self.count, LEAST_VARIANCE)
            if between > most * variance:
                found = Moments(weight, total / weight, variance * weight, latest)
                most = between / variance
        return found


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed of the mean and the variance; `count` and `freedom` are how many observations each rests on."""

    mean: float
    variance: float
    count: float
    freedom: float

    def after(self, seen: Moments) -> "Belief":
        """With observations. A prior that they contradict counts for less."""
        if seen.count == 0.0:
            return self
        away = seen.mean - self.mean
        spread = (self.freedom * self.variance + seen.squares) / (self.freedom + seen.count)
        excess = away * away - spread / seen.count
        prior = self.count if excess * self.count <= spread else spread / excess
        count = prior + seen.count
        freedom = self.freedom + seen.count
        squares = self.freedom * self.variance + seen.squares + prior * seen.count / count * away * away
        return Belief(self.mean + away * seen.count / count, max(squares / freedom, LEAST_VARIANCE), count, freedom)

    def as_prior(self) -> "Belief":
        """What it is worth for a key below."""
        return replace(self, count=min(self.count, PRIOR), freedom=min(self.freedom, PRIOR))

    def log_quantile(self, normal_quantile: float) -> float:
        """A quantile of the next observation (Student's t)."""
        scale = math.sqrt(self.variance * (1.0 + 1.0 / self.count))
        return self.mean + scale * t_quantile(normal_quantile, self.freedom)

    def beyond(self, bound: float) -> tuple[float, float]:
        """Mean and variance of the next observation, given that it lies above `bound`: those of a truncated normal."""
        variance = self.variance * (1.0 + 1.0 / self.count) * self.freedom / (self.freedom - 2.0)
        sigma = math.sqrt(variance)
        start = (bound - self.mean) / sigma
        excess = hazard(start) - start  # in standard deviations, above the bound
        return bound + sigma * excess, variance * max(0.0, 1.0 - excess * (excess + start))


def from_stage(stage: Stage) -> Belief:
    """A prior with the median and the spread of a stage."""
    return Belief(math.log(stage.p50_seconds), max(stage.sigma**2, LEAST_VARIANCE), PRIOR, PRIOR)


def hazard(start: float) -> float:
    """Density over survival of the standard normal."""
    if start > FAR:
        return start + 1.0 / start
    return math.exp(-start * start / 2) / (math.sqrt(math.pi / 2) * math.erfc(start / math.sqrt(2)))


def t_quantile(normal_quantile: float, freedom: float) -> float:
    """Student's t quantile where the standard normal has `normal_quantile`; Abramowitz and Stegun 26.7.5."""
    z = normal_quantile
    square = z * z
    terms = (
        (square + 1) / 4,
        ((5 * square + 16) * square + 3) / 96,
        (((3 * square + 19) * square + 17) * square - 15) / 384,
        ((((79 * square + 776) * square + 1482) * square - 1920) * square - 945) / 92160,
    )
    return z * (1 + sum(term / freedom**power for power, term in enumerate(terms, start=1)))
