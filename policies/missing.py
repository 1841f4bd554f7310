"""The rule for missing data: what is unknown may hold or raise a count, but never lower it."""

from collections import Counter

from policies.model import Demand, Inputs, Reason, Reading, Rule, Verdict

KNOWN = frozenset({Verdict.COUNTED, Verdict.STARTING})


def hold(current: int, inputs: Inputs, blind_until_seconds: float | None, demand: Demand | None = None) -> Reason | None:
    """The reason why `current` may not be lowered now; None if it may.

    Nothing is lowered while supply or demand is unknown, after a restart, or between two ticks. `demand` is what the count is
    based on; None for a count that needs no readings.
    """
    coverage = 1.0 if demand is None else demand.coverage
    if inputs.supply is None or coverage < 1.0:
        rule = Rule.UNKNOWN if inputs.supply is None or coverage <= 0.0 else Rule.PARTIAL
        readings = () if demand is None else demand.readings
        unlisted = 0 if inputs.supply is None else inputs.supply.unlisted
        return _without(current, rule, coverage, readings, unlisted)
    if blind_until_seconds is not None and inputs.now_seconds < blind_until_seconds:
        left = blind_until_seconds - inputs.now_seconds
        return Reason(Rule.RESTARTED, float(current), (("left_seconds", left),))
    if not inputs.on_grid:
        return Reason(Rule.BETWEEN_TICKS, float(current))
    return None


def _without(current: int, rule: Rule, coverage: float, readings: tuple[Reading, ...], unlisted: int) -> Reason:
    """The reason with the number of pods by verdict. It names the first pod that does not count, whose verdict comes first."""
    unknown = [reading for reading in readings if reading.verdict not in KNOWN]
    verdicts = Counter(reading.verdict for reading in unknown)
    numbers = [(verdict.value, float(count)) for verdict, count in verdicts.items()]
    if unlisted:
        numbers.append(("unlisted", float(unlisted)))
    if rule is Rule.PARTIAL:
        numbers.insert(0, ("coverage", coverage))
    return Reason(rule, float(current), tuple(numbers), unknown[0].pod if unknown else "")
