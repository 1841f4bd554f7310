"""The work of a request below saturation, from what busy replicas show: no queue has to stand first.

While it has anything to do, an engine is never idle: in each second it reads prompts, generates tokens, and takes decode
steps, whose cost does not depend on the batch:

    1 = prefill + decode + step_seconds * steps,    steps = generated tokens / requests that decode     [all per second]

with prefill and decode in units of the profile's work. So the steps fall as the work grows, along a plane: its height at no work
and its slopes say how much work there is at a full batch, where the steps are tokens over the sustainable concurrency. The
slopes are as stable as the engine and learned over a day; the height is that of the last quarter of an hour, so that an engine
that slows down is noticed. Deviations from the recent means are enough for the slopes: they do not mix up what drifts.
"""

import math
from dataclasses import dataclass, replace

from policies.model import Curve, Engine

WINDOW_SECONDS = (
    60.0  # the gauges at the ends of a shorter one miss what ran in between: the slopes come out 20 % too low
)
GAP_SECONDS = 180.0  # a window that lasted longer is dropped
MEANS_TAU_SECONDS = 900.0
SLOPES_TAU_SECONDS = 86_400.0
MIN_COUNT = 5.0  # windows before anything is concluded
MIN_DECODING = 3.0  # requests of a replica: with fewer it may have been idle in between
UNLIKE = 0.5  # one standard deviation of how far the slopes of prefill and decode differ, where the mix shows little
OUTLIER_DEVIATIONS = 6.0  # one window counts at most so far off
AUTOCORRELATION = 2.0  # times the variance: minutes that follow each other are alike


@dataclass(frozen=True, slots=True)
class Estimate:
    """The logarithm of true work over the profile's, and its standard error."""

    log_work_ratio: float
    error: float


def gathered(
    curve: Curve, now_seconds: float, span_seconds: float, running: float, prefill_seconds: float, decode_seconds: float
) -> Curve:
    """The window with a replica's span added: its mean running requests, and the work that it did by the profile."""
    return replace(
        curve,
        since_seconds=now_seconds - span_seconds if curve.since_seconds is None else curve.since_seconds,
        span_seconds=curve.span_seconds + span_seconds,
        running_seconds=curve.running_seconds + running * span_seconds,
        prefill_seconds=curve.prefill_seconds + prefill_seconds,
        decode_seconds=curve.decode_seconds + decode_seconds,
    )


def is_full(curve: Curve, now_seconds: float) -> bool:
    """Whether the window is over."""
    return curve.since_seconds is not None and now_seconds - curve.since_seconds >= WINDOW_SECONDS


def folded(curve: Curve, engine: Engine, work_ratio: float, now_seconds: float) -> Curve:
    """The window taken into the means and moments, and an empty one begun. `work_ratio` is the one known so far."""
    begun = Curve(count=curve.count, weight=curve.weight, means=curve.means, moments=curve.moments)
    span, since = curve.span_seconds, curve.since_seconds
    if span <= 0.0 or since is None or now_seconds - since > GAP_SECONDS:
        return begun
    prefill, decode = curve.prefill_seconds / span, curve.decode_seconds / span
    # A prompt that is read at its largest share of the GPU is among the running ones, and does not decode.
    decoding = curve.running_seconds / span - prefill * work_ratio / engine.prefill_max_share
    if decoding < MIN_DECODING or decode <= 0.0:
        return begun
    point = (prefill, decode, decode / engine.decode_seconds_per_token / decoding)
    elapsed = now_seconds - since
    if curve.count < 1.0:
        return replace(begun, count=1.0, means=point)
    moved = [value - mean for value, mean in zip(point, curve.means, strict=True)]
    if curve.count >= MIN_COUNT:
        limits = [OUTLIER_DEVIATIONS * math.sqrt(curve.moments[place] / curve.weight) for place in (0, 2, 5)]
        moved = [min(max(by, -most), most) for by, most in zip(moved, limits, strict=True)]
    share = max(1.0 - math.exp(-elapsed / MEANS_TAU_SECONDS), 1.0 / (curve.count + 1.0))
    left, weight = math.exp(-elapsed / SLOPES_TAU_SECONDS), span / elapsed
    a, b, c = moved
    mean_prefill, mean_decode, mean_steps = curve.means
    rr, rg, gg, ry, gy, yy = [left * each for each in curve.moments]
    return replace(
        begun,
        count=left * curve.count + 1.0,
        weight=left * curve.weight + weight,
        means=(mean_prefill + share * a, mean_decode + share * b, mean_steps + share * c),
        moments=(
            rr + weight * a * a,
            rg + weight * a * b,
            gg + weight * b * b,
            ry + weight * a * c,
            gy + weight * b * c,
            yy + weight * c * c,
        ),
    )


def estimate(curve: Curve, engine: Engine, concurrency: float) -> Estimate | None:
    """The work where as many as `concurrency` requests run; None while the windows do not show it."""
    prefill, decode, steps = curve.means
    if curve.count < MIN_COUNT or prefill + decode <= 0.0 or steps <= 0.0:
        return None
    freedom = curve.count - 3.0  # a height and two slopes are fitted
    variance = curve.moments[5] / freedom
    inverse = _inverse(curve, variance, UNLIKE * steps)
    slopes = _slopes(curve, inverse)
    variance = max(_left_over(curve, slopes), 0.0) / freedom
    inverse = _inverse(curve, variance, UNLIKE * steps)  # again, with the variance that the slopes leave
    if not any(inverse):
        return None
    slopes = _slopes(curve, inverse)
    fall = slopes[0] * prefill + slopes[1] * decode  # in steps, from no work to the means
    full = decode / engine.decode_seconds_per_token / concurrency  # steps for as many tokens, with a full batch
    if fall + full <= 0.0 or fall + steps <= 0.0:
        return None
    spread = _times(inverse, (prefill, decode))
    of_fall = math.sqrt(max(0.0, AUTOCORRELATION * variance * (prefill * spread[0] + decode * spread[1])))
    return Estimate(
        math.log((fall + full) / (fall + steps) / (prefill + decode)),
        abs(1.0 / (fall + full) - 1.0 / (fall + steps)) * of_fall,
    )


def _inverse(curve: Curve, variance: float, unlike: float) -> tuple[float, float, float]:
    """Of the matrix of the moments of prefill and decode, whose slopes are alike; zeros where nothing has moved."""
    tie = variance / unlike**2
    a, b, c = curve.moments[0] + tie, curve.moments[1] - tie, curve.moments[2] + tie
    determinant = a * c - b * b
    return (0.0, 0.0, 0.0) if determinant <= 1e-12 * a * c else (c / determinant, -b / determinant, a / determinant)


def _slopes(curve: Curve, inverse: tuple[float, float, float]) -> tuple[float, float]:
    """Steps less for each unit of prefill and of decode."""
    return _times(inverse, (-curve.moments[3], -curve.moments[4]))


def _times(matrix: tuple[float, float, float], vector: tuple[float, float]) -> tuple[float, float]:
    """A symmetric matrix times a vector."""
    a, b, c = matrix
    return a * vector[0] + b * vector[1], b * vector[0] + c * vector[1]


def _left_over(curve: Curve, slopes: tuple[float, float]) -> float:
    """The sum of squares that the slopes do not explain."""
    rr, rg, gg, ry, gy, yy = curve.moments
    down, across = slopes
    return yy + 2.0 * (down * ry + across * gy) + down * down * rr + 2.0 * down * across * rg + across * across * gg
