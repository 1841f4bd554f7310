"""Up fast, down slow: the hold, the limits of scaling up and down, and the bounds. Bounds beat the hold; the hold beats all else."""

from dataclasses import replace

from policies.model import Decided, Policy, Reason, Rule

MINUTE_SECONDS = 60.0

Peaks = tuple[tuple[float, int], ...]


def remember(peaks: Peaks, now_seconds: float, asked: int, window_seconds: float) -> Peaks:
    """The sliding maximum's candidates: times ascend, counts descend; older than the window goes."""
    kept = [peak for peak in peaks if peak[0] > now_seconds - window_seconds and peak[1] > asked]
    return (*kept, (now_seconds, asked))


def hold(peaks: Peaks, asked: int, now_seconds: float, window_seconds: float) -> Reason | None:
    """What was asked for within the window is kept; None where nothing more was."""
    at_seconds, peak = peaks[0]
    if peak <= asked:
        return None
    left = at_seconds + window_seconds - now_seconds
    return Reason(Rule.HOLD, float(peak), (("hold_seconds", window_seconds), ("left_seconds", left)))


def scale_down_limit(policy: Policy, decided: Decided, asked: int, now_seconds: float) -> Reason | None:
    """At most the policy's share (one replica at the least) within a minute; None where that is enough or nothing falls."""
    current = decided.replicas
    if current is None or asked >= current:
        return None
    if decided.scaled_down_seconds is not None and now_seconds - decided.scaled_down_seconds < MINUTE_SECONDS:
        lowest = current
    else:
        lowest = current - max(1, int(current * policy.scale_down_percent_per_minute / 100.0))
    if asked >= lowest:
        return None
    return Reason(Rule.SCALE_DOWN_LIMIT, float(lowest), (("percent_per_minute", policy.scale_down_percent_per_minute),))


def scale_up_limit(policy: Policy, decided: Decided, asked: int, now_seconds: float) -> Reason | None:
    """At most the policy's number of replicas within a minute; None where that is enough, or without a limit."""
    limit = policy.scale_up_replicas_per_minute
    if limit is None or decided.replicas is None or asked <= decided.replicas:
        return None
    recent = [count for at_seconds, count in decided.scaled_up if at_seconds > now_seconds - MINUTE_SECONDS]
    highest = max(min([*recent, decided.replicas]) + limit, decided.replicas)
    if asked <= highest:
        return None
    return Reason(Rule.SCALE_UP_LIMIT, float(highest), (("replicas_per_minute", float(limit)),))


def moved(decided: Decided, replicas: int, now_seconds: float) -> Decided:
    """The decision with its new count, and what the limits must know of the move."""
    current = decided.replicas or 0
    recent = tuple(item for item in decided.scaled_up if item[0] > now_seconds - MINUTE_SECONDS)
    decided = replace(decided, replicas=replicas, scaled_up=recent)
    if replicas > current:
        return replace(decided, scaled_up=(*recent, (now_seconds, current)))
    if replicas < current:
        return replace(decided, scaled_down_seconds=now_seconds)
    return decided


def bound(policy: Policy, asked: int) -> Reason | None:
    """The policy's minimum or maximum, where `asked` lies beyond it; None within the bounds."""
    if asked > policy.max_replicas:
        return Reason(Rule.MAXIMUM, float(policy.max_replicas), (("asked", float(asked)),))
    if asked < policy.min_replicas:
        return Reason(Rule.MINIMUM, float(policy.min_replicas), (("asked", float(asked)),))
    return None
