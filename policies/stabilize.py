"""Up fast, down slow: the hold, the scale-up and scale-down limits, and the bounds. Bounds beat the hold; the hold beats the rest."""

from dataclasses import replace

from policies.model import Decided, Policy, Reason, Rule
from policies.supply import Supply

MINUTE_SECONDS = 60.0

Peaks = tuple[tuple[float, int], ...]


def remember(peaks: Peaks, now_seconds: float, asked: int, window_seconds: float) -> Peaks:
    """The candidates of the sliding maximum: times ascend, counts descend; those older than the window are dropped."""
    kept = [peak for peak in peaks if peak[0] > now_seconds - window_seconds and peak[1] > asked]
    return (*kept, (now_seconds, asked))


def lowered(peaks: Peaks, most: int) -> Peaks:
    """The candidates when no more than `most` was granted: the last of those above it counts as so many."""
    above = [at_seconds for at_seconds, count in peaks if count >= most]
    return (*[(at_seconds, most) for at_seconds in above[-1:]], *[peak for peak in peaks if peak[1] < most])


def hold(peaks: Peaks, asked: int, now_seconds: float, window_seconds: float) -> Reason | None:
    """Keep the most that was asked for within the window; None if that is not more than `asked`."""
    at_seconds, peak = peaks[0]
    if peak <= asked:
        return None
    left = at_seconds + window_seconds - now_seconds
    return Reason(Rule.HOLD, float(peak), (("hold_seconds", window_seconds), ("left_seconds", left)))


def scale_down_limit(
    policy: Policy, decided: Decided, supply: Supply | None, asked: int, now_seconds: float
) -> Reason | None:
    """Remove at most the policy's share per minute of what runs, but at least one replica; None if the limit is not reached.

    More than was decided may run, where nobody carried it out: after a failover, or under a paused ScaledObject.
    """
    if decided.replicas is None:
        return None
    if decided.scaled_down_seconds is not None and now_seconds - decided.scaled_down_seconds < MINUTE_SECONDS:
        lowest = decided.replicas
    else:
        current = max(decided.replicas, 0 if supply is None else supply.spec_replicas)
        lowest = current - max(1, int(current * policy.scale_down_percent_per_minute / 100.0))
    if asked >= lowest:
        return None
    return Reason(Rule.SCALE_DOWN_LIMIT, float(lowest), (("percent_per_minute", policy.scale_down_percent_per_minute),))


def scale_up_limit(policy: Policy, decided: Decided, asked: int, now_seconds: float) -> Reason | None:
    """Add at most the policy's number of replicas per minute; None if the limit is not reached or there is none."""
    limit = policy.scale_up_replicas_per_minute
    if limit is None or decided.replicas is None or asked <= decided.replicas:
        return None
    recent = [count for at_seconds, count in decided.scaled_up if at_seconds > now_seconds - MINUTE_SECONDS]
    highest = max(min([*recent, decided.replicas]) + limit, decided.replicas)
    if asked <= highest:
        return None
    return Reason(Rule.SCALE_UP_LIMIT, float(highest), (("replicas_per_minute", float(limit)),))


def moved(decided: Decided, replicas: int, now_seconds: float) -> Decided:
    """The decision with its new count, and what the limits need to know about the change."""
    current = decided.replicas or 0
    recent = tuple(item for item in decided.scaled_up if item[0] > now_seconds - MINUTE_SECONDS)
    decided = replace(decided, replicas=replicas, scaled_up=recent)
    if replicas > current:
        return replace(decided, scaled_up=(*recent, (now_seconds, current)))
    if replicas < current:
        return replace(decided, scaled_down_seconds=now_seconds)
    return decided


def bound(policy: Policy, asked: int) -> Reason | None:
    """The policy's minimum or maximum if `asked` is beyond it; None within the bounds."""
    if asked > policy.max_replicas:
        return Reason(Rule.MAXIMUM, float(policy.max_replicas), (("asked", float(asked)),))
    if asked < policy.min_replicas:
        return Reason(Rule.MINIMUM, float(policy.min_replicas), (("asked", float(asked)),))
    return None
