"""The rule for missing data: what is unknown may hold or raise a count, but never lower it."""

from collections import Counter

from policies.model import Demand, Inputs, Reason, Rule, Verdict

KNOWN = frozenset({Verdict.COUNTED, Verdict.STARTING})
PASSING = frozenset({Verdict.FIRST, Verdict.UNCHANGED})  # they end by themselves: another verdict says more


def hold(
    current: int, inputs: Inputs, blind_until_seconds: float | None, demand: Demand | None = None
) -> Reason | None:
    """The reason why `current` may not be lowered now; None if it may.

    Nothing is lowered while supply or demand is unknown, after a restart, or between two ticks. `demand` is what the count is
    based on; None for a count that needs no readings.
    """
    unknown = lacking(current, inputs, demand)
    if unknown is not None:
        return unknown
    if blind_until_seconds is not None and inputs.now_seconds < blind_until_seconds:
        left = blind_until_seconds - inputs.now_seconds
        return Reason(Rule.RESTARTED, float(current), (("left_seconds", left),))
    if not inputs.on_grid:
        return Reason(Rule.BETWEEN_TICKS, float(current))
    return None


def lacking(current: int, inputs: Inputs, demand: Demand | None) -> Reason | None:
    """What is not known of supply and demand; None if both are known.

    It has the number of pods by verdict, and names one whose reading does not count, at fault if any is; its verdict comes first.
    """
    coverage = 1.0 if demand is None else demand.coverage
    if inputs.supply is not None and coverage >= 1.0:
        return None
    readings = () if demand is None else demand.readings
    unknown = [reading for reading in readings if reading.verdict not in KNOWN]
    unknown.sort(key=lambda reading: reading.verdict in PASSING)
    verdicts = Counter(reading.verdict for reading in unknown)
    numbers = [(verdict.value, float(count)) for verdict, count in verdicts.items()]
    if inputs.supply is not None and inputs.supply.unlisted:
        numbers.append(("unlisted", float(inputs.supply.unlisted)))
    name = unknown[0].pod if unknown else ""
    if inputs.supply is None or coverage <= 0.0:
        return Reason(Rule.UNKNOWN, float(current), tuple(numbers), name)
    return Reason(Rule.PARTIAL, float(current), (("coverage", coverage), *numbers), name)
