"""The second echelon: prepared nodes, with a GPU and the image, for replicas that may be needed within a whole lead time.

The total floor is the number of units that cover the lead time from a request; those that do not serve are prepared. A
prepared node is kept until the replica that was decided runs on it.
"""

from dataclasses import replace

from policies import missing, stabilize
from policies.combine import whole
from policies.model import Decided, Demand, Inputs, Policy, Reason, Rule

HOLD_SECONDS = 60.0


def prepare(
    policy: Policy,
    decided: Decided,
    total: Reason | None,
    inputs: Inputs,
    replicas: int,
    demand: Demand | None = None,
) -> tuple[int, tuple[Reason, ...], Decided]:
    """Prepared nodes beside `replicas`, the reasons, and what to remember.

    `total` is the floor of units in all, or None if unknown; `demand` is what it is based on, None if that is known.
    """
    now = inputs.now_seconds
    awaited = (
        decided.prepared if inputs.supply is None else min(decided.prepared, max(0, replicas - inputs.supply.placed))
    )
    most = min(policy.max_prepared_nodes, policy.max_replicas - min(replicas, policy.max_replicas) + awaited)
    if total is None or (inputs.supply is None and decided.prepared == 0):
        count, reasons = _limited(decided.prepared, (Reason(Rule.UNKNOWN, float(decided.prepared)),), most)
        return count, reasons, decided
    units = min(whole(total.replicas), policy.max_replicas)
    count = max(0, units - replicas)
    # The peak of all units, not of prepared ones: where replicas take over prepared nodes, nothing is missing.
    peaks = stabilize.remember(decided.prepared_peaks, now, units, HOLD_SECONDS)
    # No more than was prepared: a replica that is scaled down with the demand needs no prepared node instead.
    held = min(peaks[0][1] - replicas, decided.prepared)
    numbers = (("units", total.replicas), *((n, v) for n, v in total.numbers if n == "lead_seconds"))
    reasons = (Reason(Rule.PREPARED, float(count), numbers), total)
    if held > count:
        count = held
        reasons = (Reason(Rule.PREPARED_HOLD, float(count), (("hold_seconds", HOLD_SECONDS),)), *reasons)
    if decided.prepared > count:
        unknown = missing.hold(decided.prepared, inputs, decided.blind_until_seconds, demand)
        if unknown is not None:
            count, reasons = decided.prepared, (unknown, *reasons)
    if awaited > count:
        count = awaited
        reasons = (Reason(Rule.HANDOVER, float(count)), *reasons)
    count, reasons = _limited(count, reasons, most)
    return count, reasons, replace(decided, prepared_peaks=peaks)


def _limited(count: int, reasons: tuple[Reason, ...], most: int) -> tuple[int, tuple[Reason, ...]]:
    if count <= most:
        return count, reasons
    return most, (Reason(Rule.PREPARED_LIMIT, float(most), (("asked", float(count)),)), *reasons)
