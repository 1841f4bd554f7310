"""The one rule for missing data: what is unknown may hold or raise a count, never lower it."""

from policies.model import Inputs, Reason, Rule


def hold(current: int, inputs: Inputs, blind_until_seconds: float | None, coverage: float = 1.0) -> Reason | None:
    """Why `current` may not fall at this moment; None where it may.

    Nothing falls while supply or demand is unknown, after a restart, or between two ticks. `coverage` is the share of the
    serving pods whose readings the count rests on: 0 where demand is unknown, 1 for what rests on no reading.
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
