"""Up fast, down slow: the hold, and the limits of growth and release. Precedence: bounds beat the hold, the hold beats all else."""

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


def release(policy: Policy, decided: Decided, asked: int, now_seconds: float) -> Reason | None:
    """At most the policy's share (one replica at the least) within a minute; None where that is enough or nothing falls."""
    current = decided.replicas
    if current is None or asked >= current:
        return None
    if decided.released_seconds is not None and now_seconds - decided.released_seconds < MINUTE_SECONDS:
        lowest = current
    else:
        lowest = current - max(1, int(current * policy.release_percent_per_minute / 100.0))
    if asked >= lowest:
        return None
    return Reason(Rule.RELEASE_LIMIT, float(lowest), (("percent_per_minute", policy.release_percent_per_minute),))


def growth(policy: Policy, decided: Decided, asked: int, now_seconds: float) -> Reason | None:
    """At most the policy's number of replicas within a minute; None where that is enough, or without a limit."""
    if policy.growth_replicas_per_minute is None or decided.replicas is None or asked <= decided.replicas:
        return None
    recent = [count for at_seconds, count in decided.grown if at_seconds > now_seconds - MINUTE_SECONDS]
    highest = max(min([*recent, decided.replicas]) + policy.growth_replicas_per_minute, decided.replicas)
    if asked <= highest:
        return None
    return Reason(
        Rule.GROWTH_LIMIT, float(highest), (("replicas_per_minute", float(policy.growth_replicas_per_minute)),)
    )
