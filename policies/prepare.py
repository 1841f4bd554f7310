"""The second echelon: nodes that hold a GPU and the image, for replicas that the long lead may bring.

Enough units in all to outlast the lead from nothing; those that do not serve yet are prepared. A prepared node is not given up
before the replica that was decided stands on it.
"""

from dataclasses import replace

from policies import stabilize
from policies.combine import combine, whole
from policies.ladder import Rung, lead_seconds
from policies.model import Decided, Filters, Inputs, Policy, Reason, Rule
from policies.recommend.predictive import forecast_floor, volatility_floor
from policies.recommend.scheduled import scheduled

HOLD_SECONDS = 60.0


def total_floor(policy: Policy, filters: Filters, inputs: Inputs) -> Reason | None:
    """Units to hold in all, for the lead from nothing; None while there is nothing to go by."""
    lead = lead_seconds(policy, Rung.REQUESTED)
    words = combine(
        (
            volatility_floor(policy, filters, lead),
            forecast_floor(policy, inputs.fan, inputs.now_seconds, lead),
            scheduled(inputs.windows, inputs.now_seconds, lead),
        )
    )
    return words[0] if words else None


def prepare(
    policy: Policy, decided: Decided, filters: Filters, inputs: Inputs, replicas: int
) -> tuple[int, tuple[Reason, ...], Decided]:
    """Prepared nodes beside `replicas`, the reasons, and what is remembered of it."""
    now = inputs.now_seconds
    total = total_floor(policy, filters, inputs)
    awaited = (
        decided.prepared if inputs.supply is None else min(decided.prepared, max(0, replicas - inputs.supply.placed))
    )
    most = min(policy.max_prepared_nodes, policy.max_replicas - min(replicas, policy.max_replicas) + awaited)
    if total is None or (inputs.supply is None and decided.prepared == 0):
        asked, reasons = _limited(decided.prepared, (Reason(Rule.UNKNOWN, float(decided.prepared)),), most)
        return asked, reasons, decided
    units = min(whole(total.replicas), policy.max_replicas)
    asked = max(0, units - replicas)
    # Of units in all, not of those beside the replicas: where replicas take the prepared places, nothing is lacking.
    peaks = stabilize.remember(decided.prepared_peaks, now, units, HOLD_SECONDS)
    # Only what was prepared: a replica that is released with the need leaves no place to prepare.
    held = min(peaks[0][1] - replicas, decided.prepared)
    numbers = (("units", total.replicas), *((n, v) for n, v in total.numbers if n == "lead_seconds"))
    reasons = (Reason(Rule.PREPARED, float(asked), numbers), total)
    if held > asked:
        asked = held
        reasons = (Reason(Rule.PREPARED_HOLD, float(asked), (("hold_seconds", HOLD_SECONDS),)), *reasons)
    if decided.prepared > asked and (word := _blind(decided, inputs)) is not None:
        asked = decided.prepared
        reasons = (word, *reasons)
    if awaited > asked:
        asked = awaited
        reasons = (Reason(Rule.HANDOVER, float(asked)), *reasons)
    asked, reasons = _limited(asked, reasons, most)
    return asked, reasons, replace(decided, prepared_peaks=peaks)


def _blind(decided: Decided, inputs: Inputs) -> Reason | None:
    """Nothing is given up on missing data, after a restart, or between two ticks."""
    left = (decided.blind_until_seconds or 0.0) - inputs.now_seconds
    if inputs.supply is None:
        return Reason(Rule.UNKNOWN, float(decided.prepared))
    if left > 0.0:
        return Reason(Rule.RESTARTED, float(decided.prepared), (("left_seconds", left),))
    return None if inputs.on_grid else Reason(Rule.BETWEEN_TICKS, float(decided.prepared))


def _limited(asked: int, reasons: tuple[Reason, ...], most: int) -> tuple[int, tuple[Reason, ...]]:
    if asked <= most:
        return asked, reasons
    return most, (Reason(Rule.PREPARED_LIMIT, float(most), (("asked", float(asked)),)), *reasons)
