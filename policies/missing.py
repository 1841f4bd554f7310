"""The rule for missing data: what is unknown may hold or raise a count, but never lower it."""

from policies.model import Inputs, Reason, Rule


def hold(current: int, inputs: Inputs, blind_until_seconds: float | None, coverage: float = 1.0) -> Reason | None:
    """The reason why `current` may not be lowered now; None if it may.

    Nothing is lowered while supply or demand is unknown, after a restart, or between two ticks. `coverage` is the share of
    serving pods whose readings the count is based on: 0 if demand is unknown, 1 for a count that needs no readings.
    """
    if inputs.supply is None or coverage <= 0.0:
        return Reason(Rule.UNKNOWN, float(current))
    if coverage < 1.0:
        return Reason(Rule.PARTIAL, float(current), (("coverage", coverage),))
    if blind_until_seconds is not None and inputs.now_seconds < blind_until_seconds:
        left = blind_until_seconds - inputs.now_seconds
        return Reason(Rule.RESTARTED, float(current), (("left_seconds", left),))
    if not inputs.on_grid:
        return Reason(Rule.BETWEEN_TICKS, float(current))
    return None
